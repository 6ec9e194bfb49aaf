/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Closing a connection, and stopping the loop, from within each callback: unbind comes exactly once and nothing comes
 * after it. And what is sent to a connection that is closed.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/sockets.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { BLOCK_BYTES = 256 * 1024, PIECE_BYTES = 1024 };

typedef enum callback { POST_INIT, COMPLETED, DATA, END, DRAINED, UNBIND, CALLBACKS } callback;

/* What a connection does in which of its callbacks, and what has happened to it. */
typedef struct script {
    callback where;
    void (*act)(em_connection *connection);
    unsigned acted;
    unsigned after_act; /* callbacks other than unbind after it acted */
    unsigned unbind;
} script;

static void at(em_connection *connection, callback where)
{
    script *played = em_connection_get_user(connection);
    assert_int_equal(played->unbind, 0);
    if (played->acted && where != UNBIND)
        played->after_act++;
    if (played->where == where && !played->acted++)
        played->act(connection);
}

static void post_init(em_connection *connection)
{
    at(connection, POST_INIT);
}

static void connection_completed(em_connection *connection)
{
    static const char piece[PIECE_BYTES]; /* too small to leave at once */
    em_connection_set_water_marks(connection, 1, PIECE_BYTES);
    for (unsigned i = 0; i < BLOCK_BYTES / PIECE_BYTES; i++)
        em_connection_send(connection, piece, sizeof piece); /* above the mark, so that it drains some time */
    at(connection, COMPLETED);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    at(connection, DATA);
}

static void receive_end(em_connection *connection)
{
    at(connection, END);
    em_connection_close_after_writing(connection);
}

static void drained(em_connection *connection)
{
    at(connection, DRAINED);
}

static void unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    at(connection, UNBIND);
    ((script *)em_connection_get_user(connection))->unbind++;
}

static const em_handler scripted = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .unbind = unbind,
};

/* The server's side sends something and then the end, when it has read all; so every callback of the client has its
 * day. */
static void answer(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    uint64_t received;
    em_connection_get_byte_counts(connection, &received, NULL);
    if (received == length)
        em_connection_send_text(connection, "answer");
    if (received == BLOCK_BYTES)
        em_connection_close_write(connection);
}

static const em_handler answering = {.receive_data = answer};

static script *play(em_loop *loop, callback where, void (*act)(em_connection *connection))
{
    script *played = system_memory(sizeof *played);
    *played = (script){.where = where, .act = act};
    em_connect_options options = {.size = sizeof options, .user = played};
    int port = system_serve(loop, &answering, NULL);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", port, &scripted, &options, NULL), EM_OK);
    return played;
}

static void close_now(em_connection *connection)
{
    em_status expected = em_connection_get_state(connection) >= EM_STATE_RELEASING ? EM_CLOSED : EM_OK;
    assert_int_equal(em_connection_close(connection), expected);
    assert_int_equal(em_connection_close(connection), EM_CLOSED);
    assert_int_equal(em_connection_send_text(connection, "late"), EM_CLOSED);
    assert_int_equal(em_connection_close_after_writing(connection), EM_CLOSED);
    assert_int_equal(em_connection_pause(connection), EM_CLOSED);
}

static void closing_in_any_callback_leads_to_unbind_and_nothing_else(void **state)
{
    for (callback where = POST_INIT; where < CALLBACKS; where++) {
        script *played = play(*state, where, close_now);
        while (!played->unbind)
            system_turn(*state);
        system_turn(*state);
        assert_int_equal(played->acted, 1);
        assert_int_equal(played->after_act, 0);
        assert_int_equal(played->unbind, 1);
    }
}

static void closing_in_any_callback_of_an_accepted_connection_leads_to_unbind(void **state)
{
    const callback places[] = {POST_INIT, DATA, END, UNBIND};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        script *played = system_memory(sizeof *played);
        *played = (script){.where = places[i], .act = close_now};
        int client = system_connect(system_serve(*state, &scripted, played));
        system_write(client, "x", 1);
        shutdown(client, SHUT_WR);
        while (!played->unbind)
            system_turn(*state);
        assert_int_equal(played->acted, 1);
        assert_int_equal(played->after_act, 0);
        close(client);
    }
}

static void close_gently(em_connection *connection)
{
    em_status expected = em_connection_get_state(connection) >= EM_STATE_RELEASING ? EM_CLOSED : EM_OK;
    assert_int_equal(em_connection_close_after_writing(connection), expected);
    assert_int_equal(em_connection_send_text(connection, "late"), EM_CLOSED);
}

static void closing_after_writing_in_any_callback_leads_to_unbind(void **state)
{
    for (callback where = POST_INIT; where < CALLBACKS; where++) {
        script *played = play(*state, where, close_gently);
        while (!played->unbind)
            system_turn(*state);
        system_turn(*state);
        assert_int_equal(played->acted, 1);
        assert_int_equal(played->unbind, 1);
    }
}

static void stop_loop(em_connection *connection)
{
    em_loop *loop = em_connection_get_loop(connection);
    assert_int_equal(em_loop_stop(loop), EM_OK);
    assert_int_equal(em_loop_stop(loop), EM_OK);
    assert_int_equal(em_loop_is_stopping(loop), 1);
}

static void stopping_in_any_callback_ends_the_run_and_it_can_go_on(void **state)
{
    for (callback where = POST_INIT; where < CALLBACKS; where++) {
        script *played = play(*state, where, stop_loop);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(played->acted, 1);
        assert_int_equal(em_loop_is_stopping(*state), 0);
        while (!played->unbind)
            system_turn(*state);
        assert_int_equal(played->unbind, 1);
    }
}

static void stop_in_timer(em_loop *loop, em_timer timer, void *calls)
{
    (void)timer;
    ++*(unsigned *)calls;
    em_loop_stop(loop);
}

static void stop_in_call(em_loop *loop, void *calls)
{
    ++*(unsigned *)calls;
    em_loop_stop(loop);
}

static void stopping_in_a_timer_a_tick_or_a_post_ends_the_run(void **state)
{
    unsigned *calls = system_memory(sizeof *calls);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 0)
            em_loop_add_timer(*state, EM_MILLISECONDS, stop_in_timer, calls, NULL, NULL);
        if (i == 1)
            em_loop_add_timer(*state, 0, stop_in_timer, calls, NULL, NULL);
        if (i == 2)
            em_loop_next_tick(*state, stop_in_call, calls, NULL);
        if (i == 3)
            em_loop_post(*state, stop_in_call, calls, NULL);
        assert_int_equal(em_loop_run(*state), EM_OK); /* else the deadline ends the test */
        assert_int_equal(*calls, i + 1);
        assert_int_equal(em_loop_is_stopping(*state), 0);
    }
}

static void destroying_the_loop_after_a_stop_in_any_callback_unbinds_once(void **state)
{
    for (callback where = POST_INIT; where < CALLBACKS; where++) {
        em_loop *loop = system_create_loop((em_loop_options){.size = 0});
        script *played = play(loop, where, stop_loop);
        assert_int_equal(em_loop_run(loop), EM_OK);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        assert_int_equal(played->unbind, 1);
    }
    (void)state;
}

static void sending_after_closing_sends_nothing(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    char answer_bytes[16];
    assert_int_equal(em_connection_send_text(served->connection, "first"), EM_OK);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    assert_int_equal(em_connection_send_text(served->connection, "second"), EM_CLOSED);
    assert_int_equal(system_read(*state, client, answer_bytes, sizeof answer_bytes), 5);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(served->peer_had_ended, 0);
    close(client);
}

static void closing_at_once_drops_what_waits(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_send_text(served->connection, "never"), EM_OK);
    assert_int_equal(em_connection_close(served->connection), EM_OK);
    assert_int_equal(system_read_to_end(*state, client), 0);
    close(client);
    assert_int_equal(system_stats(*state).outbox_bytes, 0);
}

/* A send fails while the peer's end is still to be read, and receive_end closes with bytes that nobody can receive. */
static void close_in_background(em_connection *connection)
{
    em_connection_close_in_background(connection);
}

static void what_a_closed_peer_cannot_receive_does_not_keep_the_socket_open(void **state)
{
    static const em_handler handler = {.receive_end = close_in_background};
    int sockets[2];
    em_connection *connection;
    unix_pair(sockets);
    assert_int_equal(em_loop_attach(*state, sockets[0], &handler, NULL, &connection), EM_OK);
    assert_int_equal(em_connection_set_drain_timeout_ns(connection, EM_FOREVER), EM_OK);
    close(sockets[1]);
    assert_int_equal(em_connection_send_text(connection, "hello"), EM_OK);
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(what_a_closed_peer_cannot_receive_does_not_keep_the_socket_open),
        SYSTEM_TEST(closing_in_any_callback_leads_to_unbind_and_nothing_else),
        SYSTEM_TEST(closing_in_any_callback_of_an_accepted_connection_leads_to_unbind),
        SYSTEM_TEST(closing_after_writing_in_any_callback_leads_to_unbind),
        SYSTEM_TEST(stopping_in_any_callback_ends_the_run_and_it_can_go_on),
        SYSTEM_TEST(stopping_in_a_timer_a_tick_or_a_post_ends_the_run),
        SYSTEM_TEST(destroying_the_loop_after_a_stop_in_any_callback_unbinds_once),
        SYSTEM_TEST(sending_after_closing_sends_nothing),
        SYSTEM_TEST(closing_at_once_drops_what_waits),
    };
    return SYSTEM_RUN(tests);
}
