/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What several connections and servers of one loop owe each other: order, turns, and what belongs to one of them only.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/sockets.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { SENDERS = 3, LARGE_BYTES = 3000, SMALL_BYTES = 100, SPEAKERS = 64, MOST_IN_A_ROW = 16 };

#define SLOW_NS (5 * EM_MILLISECONDS)

/* Order */

static struct {
    em_connection *all[SENDERS];
    unsigned count;
    unsigned drained[SENDERS];
    unsigned drained_count;
} senders;

static void enlist(em_connection *connection)
{
    em_connection_set_water_marks(connection, 1, 10);
    senders.all[senders.count++] = connection;
}

static void note_drained(em_connection *connection)
{
    for (unsigned i = 0; i < SENDERS; i++)
        if (senders.all[i] == connection)
            senders.drained[senders.drained_count++ % SENDERS] = i;
}

static void send_from_each(em_loop *loop, void *user)
{
    static const char bytes[LARGE_BYTES];
    (void)loop;
    (void)user;
    for (unsigned i = 0; i < SENDERS; i++)
        em_send(senders.all[i], bytes, i == 1 ? LARGE_BYTES : SMALL_BYTES);
}

static void drained_comes_in_the_order_in_which_connections_have_sent(void **state)
{
    static const em_handler handler = {.post_init = enlist, .drained = note_drained};
    int port = system_serve(*state, &handler, NULL);
    int clients[SENDERS];
    memset(&senders, 0, sizeof senders);
    for (unsigned i = 0; i < SENDERS; i++) {
        clients[i] = system_connect(port);
        while (senders.count <= i)
            system_turn(*state);
    }
    em_next_tick(*state, send_from_each, NULL);
    while (senders.drained_count < SENDERS)
        system_turn(*state);
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(senders.drained[i], i);
        close(clients[i]);
    }
}

/* Turns */

static struct {
    unsigned calls;
    unsigned in_a_row; /* since the timer fired */
    unsigned most_in_a_row;
} speakers;

static void work_slowly(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    (void)data;
    (void)length;
    for (uint64_t begun_ns = system_now_ns(); system_now_ns() - begun_ns < SLOW_NS;)
        continue;
    speakers.calls++;
    if (++speakers.in_a_row > speakers.most_in_a_row)
        speakers.most_in_a_row = speakers.in_a_row;
}

static void begin_a_row(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    (void)user;
    speakers.in_a_row = 0;
}

static void timers_fire_between_the_slow_callbacks_of_many_connections(void **state)
{
    static const em_handler handler = {.receive_data = work_slowly};
    int port = system_serve(*state, &handler, NULL);
    int clients[SPEAKERS];
    memset(&speakers, 0, sizeof speakers);
    for (unsigned i = 0; i < SPEAKERS; i++)
        clients[i] = system_connect(port);
    while (system_stats(*state).connections_accepted < SPEAKERS)
        system_turn(*state);
    assert_int_equal(em_add_periodic_timer(*state, EM_MILLISECONDS, begin_a_row, NULL, NULL), EM_OK);
    for (unsigned i = 0; i < SPEAKERS; i++)
        system_write(clients[i], "x", 1);
    while (speakers.calls < SPEAKERS)
        system_turn(*state);
    assert_in_range(speakers.most_in_a_row, 1, MOST_IN_A_ROW);
    for (unsigned i = 0; i < SPEAKERS; i++)
        close(clients[i]);
}

/* What belongs to one only */

static void a_descriptor_is_served_once(void **state)
{
    em_address address;
    em_server *first, *second;
    int listener = listen_on_loopback(&address);
    static const em_handler handler = {.post_init = NULL};
    assert_int_equal(em_start_server_on_descriptor(*state, listener, &handler, NULL, &first), EM_OK);
    assert_int_equal(em_start_server_on_descriptor(*state, listener, &handler, NULL, &second), EM_FILE_EXISTS);
    assert_null(second);
    assert_int_equal(em_stop_server(first), EM_OK);
}

static void count_error(void *user, em_log_level level, const char *message)
{
    if (level == EM_LOG_ERROR && strstr(message, "does not accept any more"))
        ++*(unsigned *)user;
}

static void a_listening_socket_that_somebody_has_shut_down_is_reported_once(void **state)
{
    em_address address;
    unsigned *errors = system_memory(sizeof *errors);
    em_loop *loop = system_create_loop((em_loop_options){.log = count_error, .log_user = errors});
    static const em_handler handler = {.post_init = NULL};
    int listener = listen_on_loopback(&address);
    (void)state;
    assert_int_equal(em_start_server_on_descriptor(loop, listener, &handler, NULL, NULL), EM_OK);
    system_turn(loop);
    assert_int_equal(shutdown(listener, SHUT_RDWR), 0);
    while (*errors == 0)
        system_turn(loop);
    uint64_t turns_before = system_stats(loop).turns;
    system_run_for(loop, 200 * EM_MILLISECONDS);
    assert_int_equal(*errors, 1);
    assert_in_range(system_stats(loop).turns - turns_before, 1, 20);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(drained_comes_in_the_order_in_which_connections_have_sent),
        SYSTEM_TEST(timers_fire_between_the_slow_callbacks_of_many_connections),
        SYSTEM_TEST(a_descriptor_is_served_once),
        SYSTEM_TEST(a_listening_socket_that_somebody_has_shut_down_is_reported_once),
    };
    return SYSTEM_RUN(tests);
}
