/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A peer that sends much and then resets: everything that had arrived is delivered before unbind, as with any other
 * end, also where the handler answers, which is what finds the reset first.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* Fits into a socket's buffer on any machine. */
enum { SENT_BYTES = 96 * 1024, PIECE_BYTES = 16 * 1024, TINY_BYTES = 64, ARRIVING_MILLISECONDS = 5000 };

typedef struct reading {
    em_connection *connection;
    size_t bytes;
    unsigned pieces;
    unsigned pause_at; /* that piece */
    unsigned unbinds;
    em_status reason;
} reading;

static void begin(em_connection *connection)
{
    reading *made = em_connection_get_user(connection);
    made->connection = connection;
}

static void answer(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    reading *made = em_connection_get_user(connection);
    made->bytes += length;
    if (++made->pieces == made->pause_at)
        assert_int_equal(em_connection_pause(connection), EM_OK);
    else
        em_connection_send_text(connection, "ok");
}

static void end(em_connection *connection, em_status reason)
{
    reading *made = em_connection_get_user(connection);
    made->unbinds++;
    made->reason = reason;
    made->connection = NULL;
}

static const em_handler answering = {.post_init = begin, .receive_data = answer, .unbind = end};

/* All is at the other side. */
static void await_acknowledgement(int client)
{
    int unacknowledged = 1;
    uint64_t end_ns = system_now_ns() + ARRIVING_MILLISECONDS * EM_MILLISECONDS;
    while (unacknowledged > 0 && system_now_ns() < end_ns) {
        assert_return_code(ioctl(client, TIOCOUTQ, &unacknowledged), errno);
        poll(NULL, 0, 1);
    }
    assert_int_equal(unacknowledged, 0);
}

static void await_reset(const em_connection *connection)
{
    struct pollfd reset = {.fd = em_connection_get_descriptor(connection)};
    assert_int_equal(poll(&reset, 1, ARRIVING_MILLISECONDS), 1);
    assert_true(reset.revents & POLLERR);
}

/* Data and reset are both there before the loop looks. */
static void send_and_reset(em_loop *loop, reading *made)
{
    static const char data[SENT_BYTES];
    em_stream_options stream = {.size = sizeof stream, .receive_buffer_bytes = 4 * SENT_BYTES};
    int port = system_serve_with(loop, &answering, (em_server_options){.user = made, .stream = &stream}, NULL);
    int client = system_connect(port);
    while (!made->connection)
        system_turn(loop);
    system_write(client, data, sizeof data);
    await_acknowledgement(client);
    system_reset(client);
    await_reset(made->connection);
}

static void expect_all(em_loop *loop, const reading *made)
{
    while (made->unbinds == 0)
        system_turn(loop);
    assert_int_equal(made->bytes, SENT_BYTES);
    assert_int_equal(made->unbinds, 1);
    assert_true(made->reason == EM_CONNECTION_RESET || made->reason == EM_BROKEN_PIPE);
}

static void run_reading(reading *made, size_t piece_bytes, void (*check)(em_loop *loop, reading *made))
{
    em_loop *loop = system_create_loop((em_loop_options){.receive_buffer_bytes = piece_bytes});
    send_and_reset(loop, made);
    check(loop, made);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

static void pause_and_resume(em_loop *loop, reading *made)
{
    while (made->pieces < made->pause_at)
        system_turn(loop);
    size_t bytes_at_pause = made->bytes;
    system_run_for(loop, 50 * EM_MILLISECONDS);
    assert_int_equal(made->bytes, bytes_at_pause);
    assert_int_equal(made->unbinds, 0);
    assert_int_equal(em_connection_resume(made->connection), EM_OK);
    expect_all(loop, made);
}

static void a_pause_between_data_and_a_reset_keeps_both_for_later(void **state)
{
    (void)state;
    for (unsigned pause_at = 1; pause_at <= 3; pause_at++) {
        reading made = {.pause_at = pause_at};
        run_reading(&made, PIECE_BYTES, pause_and_resume);
    }
}

static void take_all(em_loop *loop, reading *made)
{
    expect_all(loop, made);
}

static void a_handler_that_answers_receives_all_before_a_reset_however_small_the_pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = {PIECE_BYTES, TINY_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        reading made = {.pause_at = 0};
        run_reading(&made, sizes[i], take_all);
        assert_true(made.pieces >= SENT_BYTES / sizes[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_pause_between_data_and_a_reset_keeps_both_for_later),
        SYSTEM_TEST(a_handler_that_answers_receives_all_before_a_reset_however_small_the_pieces),
    };
    return SYSTEM_RUN(tests);
}
