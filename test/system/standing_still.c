/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Time passes while a program cannot look: in a long callback, or because the process is stopped. No timeout ends a
 * connection for that alone.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#define TIMEOUT_NS (300 * EM_MILLISECONDS)
#define LONGER_MS 450

static void stand_still(void)
{
    uint64_t end_ns = system_now_ns() + LONGER_MS * EM_MILLISECONDS;
    while (system_now_ns() < end_ns)
        poll(NULL, 0, 1);
}

static void work_and_answer(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    stand_still();
    em_connection_send_text(connection, "answer");
}

static void work_answer_and_set_a_timeout(em_connection *connection, const void *data, size_t length)
{
    work_and_answer(connection, data, length);
    em_connection_set_inactivity_timeout_ns(connection, TIMEOUT_NS);
}

static void note_unbind(em_connection *connection, em_status reason)
{
    system_record *record = em_connection_get_user(connection);
    record->unbind++;
    record->reason = reason;
}

/* The client asks twice. Nothing but the server's own work comes between the answer and the question. */
static void ask_twice(em_loop *loop, void (*receive_data)(em_connection *, const void *, size_t), uint64_t timeout_ns)
{
    static em_handler handler;
    handler = (em_handler){.receive_data = receive_data, .unbind = note_unbind};
    system_record *record = system_new_record(SYSTEM_NONE);
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = timeout_ns};
    int client =
        system_connect(system_serve_with(loop, &handler, (em_server_options){.user = record, .stream = &stream}, NULL));
    char text[6];
    for (unsigned i = 0; i < 2; i++) {
        system_write(client, "x", 1);
        assert_int_equal(system_read(loop, client, text, sizeof text), sizeof text);
        system_turn(loop);
        assert_int_equal(record->unbind, 0);
    }
    while (record->unbind == 0)
        system_turn(loop);
    assert_int_equal(record->reason, EM_INACTIVITY_TIMEOUT);
    close(client);
}

static void a_callback_longer_than_the_timeout_ends_no_connection(void **state)
{
    ask_twice(*state, work_and_answer, TIMEOUT_NS);
}

static void a_timeout_set_after_long_work_counts_from_then(void **state)
{
    ask_twice(*state, work_answer_and_set_a_timeout, 0);
}

/* What arrives during somebody else's long callback. */
static void input_that_waits_to_be_read_is_no_silence(void **state)
{
    static em_handler slow = {.receive_data = work_and_answer};
    system_record *served = system_new_record(SYSTEM_NONE);
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = TIMEOUT_NS};
    int port = system_serve_with(*state, &system_echo, (em_server_options){.user = served, .stream = &stream}, NULL);
    int slow_port = system_serve(*state, &slow, NULL);
    int client = system_connect(port);
    int slow_client = system_connect(slow_port);
    while (!served->connection)
        system_turn(*state);
    em_connection_pause(served->connection);
    system_write(client, "x", 1);
    char answer[6];
    for (unsigned i = 0; i < 3; i++) {
        system_write(slow_client, "x", 1);
        assert_int_equal(system_read(*state, slow_client, answer, sizeof answer), sizeof answer);
    }
    assert_int_equal(served->unbind, 0);
    em_connection_resume(served->connection);
    assert_int_equal(system_read(*state, client, answer, 1), 1);
    assert_int_equal(served->unbind, 0);
    close(client);
    close(slow_client);
}

/* A child that serves; the first bytes that it receives stop it. */

static void stop_and_echo(em_connection *connection, const void *data, size_t length)
{
    static bool has_stopped;
    em_connection_send(connection, data, length);
    if (!has_stopped)
        raise(SIGSTOP);
    has_stopped = true;
}

static void end_with_the_connection(em_connection *connection, em_status reason)
{
    system_child_check(reason == EM_OK, "the connection ended well");
    em_loop_stop(em_connection_get_loop(connection));
}

static em_loop *loop_of_child(void)
{
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *loop = NULL;
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "there is a loop");
    return loop;
}

static void serve(void *listener)
{
    static const em_handler handler = {.receive_data = stop_and_echo, .unbind = end_with_the_connection};
    em_stream_options stream = {
        .size = sizeof stream, .inactivity_timeout_ns = EM_SECONDS, .write_timeout_ns = EM_SECONDS};
    em_server_options options = {.size = sizeof options, .stream = &stream};
    em_loop *loop = loop_of_child();
    em_server *server;
    system_child_check(em_loop_attach_server(loop, *(int *)listener, &handler, &options, &server) == EM_OK,
                       "the child serves");
    em_loop_run(loop);
    em_loop_destroy(loop);
}

static void await_stop(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
}

/* The child is stopped for longer than its timeouts; the peer speaks while it is, or after. */
static void stop_a_server(bool speak_meanwhile)
{
    int port;
    char text[2];
    int listener = system_listen(8, &port);
    pid_t child = system_fork(serve, &listener);
    int client = system_connect(port);
    system_write(client, "1", 1);
    await_stop(child);
    if (speak_meanwhile)
        system_write(client, "2", 1);
    poll(NULL, 0, 1300);
    assert_return_code(kill(child, SIGCONT), errno);
    if (!speak_meanwhile)
        system_write(client, "2", 1);
    system_receive_exactly(client, text, sizeof text);
    assert_memory_equal(text, "12", 2);
    close(client);
    assert_int_equal(system_wait(child), 0);
    close(listener);
}

static void a_stopped_server_reads_what_came_meanwhile(void **state)
{
    (void)state;
    stop_a_server(true);
}

static void a_stopped_server_gives_its_peers_time_to_speak(void **state)
{
    (void)state;
    stop_a_server(false);
}

/* A server that is stopped from outside, and shows by bytes in a pipe that it turns. */
typedef struct sleeper {
    int listener;
    int pulse[2];
} sleeper;

enum { PULSE_MILLISECONDS = 10, SILENCE_MILLISECONDS = 800, STOPPED_MILLISECONDS = 2 * SILENCE_MILLISECONDS };

static void beat(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    ssize_t written = write(((sleeper *)user)->pulse[1], "x", 1);
    system_child_check(written == 1, "the pipe takes a byte");
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static void serve_and_beat(void *user)
{
    static const em_handler handler = {.receive_data = echo, .unbind = end_with_the_connection};
    sleeper *serving = user;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = SILENCE_MILLISECONDS * EM_MILLISECONDS};
    em_server_options options = {.size = sizeof options, .stream = &stream};
    em_loop *loop = loop_of_child();
    em_status status = em_loop_attach_server(loop, serving->listener, &handler, &options, NULL);
    system_child_check(status == EM_OK, "the child serves");
    em_loop_add_periodic_timer(loop, PULSE_MILLISECONDS * EM_MILLISECONDS, beat, serving, NULL, NULL);
    em_loop_run(loop);
    em_loop_destroy(loop);
}

static void drop_beats(const sleeper *serving)
{
    char dropped[4096];
    struct pollfd ready = {.fd = serving->pulse[0], .events = POLLIN};
    while (poll(&ready, 1, 0) == 1)
        assert_true(read(serving->pulse[0], dropped, sizeof dropped) > 0);
}

/* The second beat shows that the turn of the first is over, with all that was due in it. */
static void await_beats(const sleeper *serving)
{
    char one;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(read(serving->pulse[0], &one, 1), 1);
}

static void stop_for_longer_than_the_timeout(pid_t child, const sleeper *serving)
{
    drop_beats(serving);
    await_beats(serving); /* else it might be stopped while it still notes what it was told last */
    assert_return_code(kill(child, SIGSTOP), errno);
    await_stop(child);
    drop_beats(serving);
    poll(NULL, 0, STOPPED_MILLISECONDS);
    assert_return_code(kill(child, SIGCONT), errno);
    await_beats(serving);
}

static void a_server_that_is_stopped_twice_within_one_silence_still_gives_its_peers_time(void **state)
{
    (void)state;
    int port;
    char text;
    sleeper serving = {.listener = system_listen(8, &port)};
    assert_return_code(pipe(serving.pulse), errno);
    pid_t child = system_fork(serve_and_beat, &serving);
    close(serving.pulse[1]); /* if the child ends, so do the beats */
    int client = system_connect(port);
    system_write(client, "1", 1);
    assert_int_equal(system_receive(client, &text, 1), 1);
    for (unsigned i = 0; i < 2; i++)
        stop_for_longer_than_the_timeout(child, &serving);
    system_write(client, "2", 1);
    assert_int_equal(system_receive(client, &text, 1), 1);
    assert_int_equal(text, '2');
    close(client);
    assert_int_equal(system_wait(child), 0);
    close(serving.pulse[0]);
    close(serving.listener);
}

static void stop_here(em_connection *connection)
{
    (void)connection;
    raise(SIGSTOP);
}

static void close_completed(em_connection *connection)
{
    em_connection_close(connection);
}

static void connect_to(void *port)
{
    static const em_handler handler = {
        .post_init = stop_here, .connection_completed = close_completed, .unbind = end_with_the_connection};
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = TIMEOUT_NS};
    em_loop *loop = loop_of_child();
    system_child_check(em_loop_connect(loop, "127.0.0.1", *(int *)port, &handler, &options, NULL) == EM_OK,
                       "it connects");
    em_loop_run(loop);
    em_loop_destroy(loop);
}

static void what_was_connected_while_the_process_was_stopped_is_connected(void **state)
{
    (void)state;
    int port;
    int listener = system_listen(8, &port);
    pid_t child = system_fork(connect_to, &port);
    await_stop(child);
    poll(NULL, 0, LONGER_MS);
    assert_return_code(kill(child, SIGCONT), errno);
    assert_int_equal(system_wait(child), 0);
    close(listener);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_callback_longer_than_the_timeout_ends_no_connection),
        SYSTEM_TEST(a_timeout_set_after_long_work_counts_from_then),
        SYSTEM_TEST(input_that_waits_to_be_read_is_no_silence),
        SYSTEM_TEST(a_stopped_server_reads_what_came_meanwhile),
        SYSTEM_TEST(a_stopped_server_gives_its_peers_time_to_speak),
        SYSTEM_TEST(a_server_that_is_stopped_twice_within_one_silence_still_gives_its_peers_time),
        SYSTEM_TEST(what_was_connected_while_the_process_was_stopped_is_connected),
    };
    return SYSTEM_RUN(tests);
}
