/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Two attempts that are connected before the loop looks at either. Both servers have a full queue, so the system has to
 * send each SYN again, and while it does, the loop stands still.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { SERVERS = 2 };

typedef struct full_server {
    int port;
    int listener;
    int fillers[SYSTEM_MOST_FILLERS];
    unsigned filled;
    int accepted; /* the attempt's connection */
} full_server;

static void close_fillers(full_server *server)
{
    for (unsigned i = 0; i < server->filled; i++)
        close(server->fillers[i]);
}

/* Makes room, and waits until an attempt has taken it. */
static void accept_attempt(full_server *server)
{
    for (unsigned i = 0; i + 1 < server->filled; i++)
        close(system_accept(server->listener));
    close_fillers(server);
    server->accepted = system_accept(server->listener);
}

static void race(em_loop *loop, const full_server *servers, const em_handler *handler, system_record *record)
{
    em_address addresses[SERVERS];
    em_connect_options options = {
        .size = sizeof options, .user = record, .attempt_delay_ns = 10 * EM_MILLISECONDS, .short_attempt_delay = EM_ON};
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(em_address_from_text("127.0.0.1", servers[i].port, &addresses[i]), EM_OK);
    em_connection *client;
    assert_int_equal(em_loop_connect_addresses(loop, addresses, SERVERS, handler, &options, &client), EM_OK);
    assert_int_equal(em_connection_send_text(client, "once"), EM_OK);
}

static void note_close(em_connection *connection)
{
    ((system_record *)em_connection_get_user(connection))->completed++;
    assert_int_equal(em_connection_close_after_writing(connection), EM_OK);
}

static void note_unbind(em_connection *connection, em_status reason)
{
    system_record *record = em_connection_get_user(connection);
    record->unbind++;
    record->reason = reason;
}

static const em_handler closing = {.connection_completed = note_close, .unbind = note_unbind};

static bool fill(full_server *server)
{
    server->listener = system_listen(0, &server->port);
    server->filled = system_fill_queue(server->port, server->fillers);
    if (server->filled == 0)
        close(server->listener);
    return server->filled > 0;
}

static void make_two_connected_attempts(em_loop *loop, const em_handler *handler, full_server *servers,
                                        system_record *record)
{
    for (unsigned i = 0; i < SERVERS; i++)
        if (!fill(&servers[i]))
            system_skip("the system's queues never fill");
    unsigned before = system_descriptors();
    race(loop, servers, handler, record);
    while (system_descriptors() < before + SERVERS)
        system_turn(loop);
    assert_int_equal(record->completed + record->unbind, 0);
    for (unsigned i = 0; i < SERVERS; i++)
        accept_attempt(&servers[i]);
}

/* Returns how many bytes have come over both connections, which the library has closed. */
static size_t read_both(em_loop *loop, const full_server *servers)
{
    char text[16];
    size_t bytes = 0;
    for (unsigned i = 0; i < SERVERS; i++) {
        bytes += system_read(loop, servers[i].accepted, text, sizeof text);
        close(servers[i].accepted);
        close(servers[i].listener);
    }
    return bytes;
}

static void attempts_that_connect_in_the_same_turn_make_one_connection(void **state)
{
    full_server servers[SERVERS] = {{.filled = 0}};
    system_record *record = system_new_record(SYSTEM_NONE);
    make_two_connected_attempts(*state, &closing, servers, record);
    while (record->unbind == 0)
        system_turn(*state);
    assert_int_equal(read_both(*state, servers), 4);
    assert_int_equal(record->completed, 1);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_OK);
}

static void a_loop_may_be_destroyed_when_attempts_are_connected_already(void **state)
{
    full_server servers[SERVERS] = {{.filled = 0}};
    system_record *record = system_new_record(SYSTEM_NONE);
    make_two_connected_attempts(*state, &closing, servers, record);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(read_both(NULL, servers), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(attempts_that_connect_in_the_same_turn_make_one_connection),
        SYSTEM_TEST(a_loop_may_be_destroyed_when_attempts_are_connected_already),
    };
    return SYSTEM_RUN(tests);
}
