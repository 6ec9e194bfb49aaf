/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Handlers that offer memory of their own for what arrives: it is used where much arrives, whatever they do meanwhile.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_flow.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { ROOM_BYTES = 50000, MUCH_BYTES = 4 * 1024 * 1024 };

/* One at a time. */
static unsigned char room[ROOM_BYTES];
static unsigned asked, used, elsewhere;

static void *offer(em_connection *connection, size_t *capacity)
{
    (void)connection;
    asked++;
    memset(room, 0xEE, sizeof room);
    *capacity = sizeof room;
    return room;
}

static void *offer_nothing(em_connection *connection, size_t *capacity)
{
    (void)connection;
    asked++;
    *capacity = sizeof room;
    return NULL;
}

static void *offer_no_bytes(em_connection *connection, size_t *capacity)
{
    (void)connection;
    asked++;
    *capacity = 0;
    return room;
}

static void note_where(const void *data, size_t length)
{
    if (data == room)
        used++;
    else
        elsewhere++;
    assert_true(data != room || length <= sizeof room);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    note_where(data, length);
    system_flow_echo.receive_data(connection, data, length);
}

static void set_up_flows(em_loop *loop, em_handler *server, void *(*offer_memory)(em_connection *, size_t *))
{
    asked = used = elsewhere = 0;
    *server = system_flow_echo;
    server->receive_data = echo;
    server->receive_buffer = offer_memory;
    system_flows *flows = system_new_flows(loop, 3, MUCH_BYTES);
    system_start_flows(flows, 0, 3, system_serve(loop, server, NULL));
    system_finish_flows(flows);
}

static void much_arrives_in_the_handler_s_memory(void **state)
{
    static em_handler server;
    set_up_flows(*state, &server, offer);
    assert_in_range(used, 3 * MUCH_BYTES / ROOM_BYTES / 4, asked);
}

static void without_memory_it_arrives_in_the_library_s(void **state)
{
    static em_handler server;
    set_up_flows(*state, &server, offer_nothing);
    assert_true(asked > 0 && elsewhere > 0);
    assert_int_equal(used, 0);
}

static void memory_of_no_length_is_not_used(void **state)
{
    static em_handler server;
    set_up_flows(*state, &server, offer_no_bytes);
    assert_true(asked > 0 && elsewhere > 0);
    assert_int_equal(used, 0);
}

static size_t received;

static void count(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    note_where(data, length);
    received += length;
}

static void count_and_close(em_connection *connection, const void *data, size_t length)
{
    count(connection, data, length);
    if (used > 0)
        em_connection_close(connection);
}

/* Sends from a child, so that much can arrive at once. */
static void pour(void *argument)
{
    int fd = system_connect(*(const int *)argument);
    static char block[65536];
    for (size_t sent = 0; sent < MUCH_BYTES; sent += sizeof block)
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0)
            break; /* closed, as some tests do */
    close(fd);
}

static void nothing_is_received_after_closing_within_receive_data(void **state)
{
    static const em_handler server = {.receive_data = count_and_close, .receive_buffer = offer};
    used = 0;
    int port = system_serve(*state, &server, NULL);
    pid_t child = system_fork(pour, &port);
    while (system_stats(*state).connections_closed == 0)
        system_turn(*state);
    assert_int_equal(used, 1);
    system_wait(child);
}

static unsigned ends, unbinds;

static void *close_instead(em_connection *connection, size_t *capacity)
{
    assert_int_equal(em_connection_close(connection), EM_OK);
    used = 0;
    elsewhere = 0;
    return offer(connection, capacity);
}

static void count_end(em_connection *connection)
{
    (void)connection;
    ends++;
}

static void count_unbind(em_connection *connection, em_status reason)
{
    (void)connection;
    assert_int_equal(reason, EM_OK);
    unbinds++;
}

static void nothing_is_received_after_closing_within_receive_buffer(void **state)
{
    static const em_handler server = {
        .receive_data = count, .receive_buffer = close_instead, .receive_end = count_end, .unbind = count_unbind};
    asked = used = elsewhere = ends = unbinds = 0;
    int port = system_serve(*state, &server, NULL);
    pid_t child = system_fork(pour, &port);
    while (unbinds == 0)
        system_turn(*state);
    assert_int_equal(asked, 1);
    assert_int_equal(used + elsewhere + ends, 0);
    system_wait(child);
    system_turn(*state);
    assert_int_equal(unbinds, 1);
}

static unsigned asked_when_withdrawn;

static void count_plainly(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    assert_int_equal(asked, asked_when_withdrawn);
    assert_true(data != room);
    received += length;
}

static const em_handler withdrawn = {.receive_data = count_plainly};

static void withdraw_when_used(em_connection *connection, const void *data, size_t length)
{
    count(connection, data, length);
    if (used < 3)
        return;
    asked_when_withdrawn = asked;
    em_connection_set_handler(connection, &withdrawn);
}

static const em_handler offering = {.receive_data = withdraw_when_used, .receive_buffer = offer};

static void begin_to_offer(em_connection *connection, const void *data, size_t length)
{
    count(connection, data, length);
    em_connection_set_handler(connection, &offering);
}

static void memory_may_be_offered_later_and_withdrawn_again(void **state)
{
    static const em_handler server = {.receive_data = begin_to_offer};
    received = asked = used = 0;
    int port = system_serve(*state, &server, NULL);
    pid_t child = system_fork(pour, &port);
    while (system_stats(*state).connections_closed == 0)
        system_turn(*state);
    assert_int_equal(used, 3);
    assert_int_equal(received, MUCH_BYTES);
    system_wait(child);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(much_arrives_in_the_handler_s_memory),
        SYSTEM_TEST(without_memory_it_arrives_in_the_library_s),
        SYSTEM_TEST(memory_of_no_length_is_not_used),
        SYSTEM_TEST(nothing_is_received_after_closing_within_receive_data),
        SYSTEM_TEST(nothing_is_received_after_closing_within_receive_buffer),
        SYSTEM_TEST(memory_may_be_offered_later_and_withdrawn_again),
    };
    return SYSTEM_RUN(tests);
}
