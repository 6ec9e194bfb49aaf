/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Handlers that are empty, and handlers that misbehave in every callback: the library answers with a status and goes
 * on.
 */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { SWALLOWED_BYTES = 1024 * 1024 };

static const em_handler empty;

static void an_empty_handler_is_a_server_that_swallows_everything(void **state)
{
    int port = system_serve(*state, &empty, NULL);
    int client = system_connect(port);
    size_t written = 0;
    static const char block[65536];
    while (written < SWALLOWED_BYTES) {
        system_write(client, block, sizeof block);
        written += sizeof block;
        system_turn(*state);
    }
    while (system_stats(*state).bytes_received < written)
        system_turn(*state);
    shutdown(client, SHUT_WR);
    assert_int_equal(system_read_to_end(*state, client), 0);
    close(client);
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
}

static void an_empty_handler_is_a_client_that_comes_and_goes(void **state)
{
    system_record *served = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(*state, system_serve(*state, &system_recorder, served), &empty, NULL);
    assert_int_equal(em_connection_send_text(client, "hello"), EM_OK);
    assert_int_equal(em_connection_close_after_writing(client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(served->text, "hello");
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", system_closed_port(), &empty, NULL, NULL), EM_OK);
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
}

/* Everything that must not work, or must not do harm, in a callback. */
static void misuse_loop(em_loop *loop)
{
    assert_int_equal(em_loop_run(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_run_once(loop, 0), EM_INVALID_STATE);
    assert_int_equal(em_loop_destroy(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_post(loop, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_next_tick(loop, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_add_timer(loop, 1, NULL, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_add_periodic_timer(loop, 0, NULL, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_timer(loop, 0), EM_NOT_FOUND);
    assert_int_equal(em_loop_cancel_timer(loop, UINT64_MAX), EM_NOT_FOUND);
    assert_int_equal(em_loop_rearm_timer(loop, 12345, 1), EM_NOT_FOUND);
    assert_null(em_loop_find_connection(loop, 0));
    assert_null(em_loop_find_connection(loop, UINT64_MAX));
    assert_null(em_loop_find_server(loop, 77));
    assert_int_equal(em_loop_connect(loop, NULL, 1, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", 0, &empty, NULL, NULL), EM_INVALID_PORT);
    em_loop_wake(loop);
}

static void misuse(em_connection *connection)
{
    misuse_loop(em_connection_get_loop(connection));
    assert_int_equal(em_connection_set_handler(connection, NULL), EM_INVALID_ARGUMENT);
    assert_true(em_connection_set_water_marks(connection, 2, 1) < 0);
    assert_true(em_connection_set_water_marks(connection, 0, 0) < 0);
    assert_int_equal(em_connection_set_connect_timeout_ns(connection, 0), EM_INVALID_ARGUMENT);
    assert_true(em_connection_resume(connection) < 0);
    assert_true(em_connection_send(connection, NULL, 5) < 0);
    assert_true(em_connection_send_text(connection, NULL) < 0);
    em_connection_send(connection, "", 0);
    if (em_connection_pause(connection) == EM_OK) {
        assert_int_equal(em_connection_pause(connection), EM_INVALID_STATE);
        assert_int_equal(em_connection_resume(connection), EM_OK);
    }
    assert_int_equal(em_connection_get_socket_option(connection, -1, -1, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_true(em_connection_set_socket_option(connection, -1, -1, "", 1) < 0);
    assert_true(em_connection_set_keepalive(connection, EM_DEFAULT, -1, -1, -1) < 0);
    ++*(unsigned *)em_connection_get_user(connection);
}

static void misuse_data(em_connection *connection, const void *data, size_t length)
{
    misuse(connection);
    em_connection_send(connection, data, length);
}

static void misuse_unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    misuse(connection);
    assert_int_equal(em_connection_send_text(connection, "late"), EM_CLOSED);
    assert_int_equal(em_connection_close_write(connection), EM_CLOSED);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(connection, 1), EM_CLOSED);
    assert_int_equal(em_connection_take_error(connection), EM_CLOSED);
}

static const em_handler bad = {
    .post_init = misuse,
    .connection_completed = misuse,
    .receive_data = misuse_data,
    .drained = misuse,
    .unbind = misuse_unbind,
};

static em_loop *runs_within(em_loop *loop)
{
    em_loop_stop(loop);
    return loop;
}

static void misuse_in_every_callback_does_no_harm(void **state)
{
    unsigned *misuses = system_memory(sizeof *misuses);
    char echoed[5];
    int client = system_connect(system_serve(*state, &bad, misuses));
    system_write(client, "hello", 5);
    assert_int_equal(system_read(*state, client, echoed, sizeof echoed), sizeof echoed);
    assert_memory_equal(echoed, "hello", sizeof echoed);
    close(client);
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
    assert_int_equal(*misuses, 3); /* post_init, receive_data, unbind */
    assert_int_equal(em_loop_run(runs_within(*state)), EM_OK);
}

static void misuse_in_every_callback_of_a_client_does_no_harm(void **state)
{
    unsigned *misuses = system_memory(sizeof *misuses);
    system_record *served = system_new_record(SYSTEM_DATA);
    int port = system_serve(*state, &system_recorder, served);
    em_connect_options options = {.size = sizeof options, .user = misuses};
    em_loop *loop = *state;
    /* em_loop_connect calls post_init at once, outside of a turn; there the loop could be run. So: from a callback. */
    em_connection *client = system_dial(loop, port, &system_recorder, system_new_record(SYSTEM_COMPLETED));
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(em_connection_set_handler(client, &bad), EM_OK);
    em_connection_set_user(client, misuses);
    assert_int_equal(em_connection_send_text(client, "x"), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    em_connection_send_text(served->connection, "y");
    while (*misuses < 1)
        system_turn(loop);
    em_connection_close(client);
    while (*misuses < 2)
        system_turn(loop);
    (void)options;
}

static void connect_again(em_connection *connection, em_status reason)
{
    (void)reason;
    unsigned *left = em_connection_get_user(connection);
    if (*left == 0) {
        em_loop_stop(em_connection_get_loop(connection));
        return;
    }
    --*left;
    em_address peer;
    em_connect_options options = {.size = sizeof options, .user = left};
    static const em_handler again = {.unbind = connect_again};
    assert_int_equal(em_connection_get_peer_address(connection, &peer), EM_OK);
    assert_int_equal(em_loop_connect(em_connection_get_loop(connection), "127.0.0.1", em_address_get_port(&peer),
                                     &again, &options, NULL),
                     EM_OK);
}

static void close_at_once(em_connection *connection)
{
    em_connection_close(connection);
}

static void unbind_may_connect_anew_again_and_again(void **state)
{
    static const em_handler closing = {.post_init = close_at_once};
    static const em_handler again = {.unbind = connect_again};
    unsigned *left = system_memory(sizeof *left);
    *left = 200;
    system_dial(*state, system_serve(*state, &closing, NULL), &again, left);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(system_stats(*state).connections_opened, 201);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(an_empty_handler_is_a_server_that_swallows_everything),
        SYSTEM_TEST(an_empty_handler_is_a_client_that_comes_and_goes),
        SYSTEM_TEST(misuse_in_every_callback_does_no_harm),
        SYSTEM_TEST(misuse_in_every_callback_of_a_client_does_no_harm),
        SYSTEM_TEST(unbind_may_connect_anew_again_and_again),
    };
    return SYSTEM_RUN(tests);
}
