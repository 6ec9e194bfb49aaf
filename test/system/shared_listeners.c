/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A listening socket that several loops share, in one process or in several: no client waits for one that is stopped or
 * dead, and one that stops accepting loses no client. How the work is spread is tested in
 * test/ruby/shared_listener_test.rb.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 20, WORKERS = 4, BACKLOG = 512 };

/* A listening socket with clients in its queue, who have all asked for something. */
typedef struct fixture {
    int listener;
    int port;
    int clients[CLIENTS];
} fixture;

static fixture *fixture_create(void)
{
    fixture *set = system_memory(sizeof *set);
    set->listener = system_listen(BACKLOG, &set->port);
    for (unsigned i = 0; i < CLIENTS; i++) {
        set->clients[i] = system_connect(set->port);
        system_write(set->clients[i], "x", 1);
    }
    return set;
}

static void fixture_free(fixture *set)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        close(set->clients[i]);
    close(set->listener);
}

/* A server of the loop over a copy of the socket; accept_batch 0: the default. */
static em_server *share(em_loop *loop, const fixture *set, const em_handler *handler, unsigned accept_batch, void *user)
{
    em_server_options options = {.size = sizeof options, .accept_batch = accept_batch, .user = user};
    em_server *server;
    int copy = dup(set->listener);
    assert_int_equal(em_loop_attach_server(loop, copy, handler, &options, &server), EM_OK);
    return server;
}

/* Whether the client receives a byte. Otherwise it sees an end, or a reset because nobody has read its request. */
static bool receives_answer(em_loop *loop, int client)
{
    char answer;
    system_await(loop, client);
    return recv(client, &answer, 1, MSG_DONTWAIT) == 1;
}

/* How many clients have received their byte, and how many an end instead. */
typedef struct outcome {
    unsigned served;
    unsigned ended;
} outcome;

static outcome await_outcomes(em_loop *loop, const fixture *set)
{
    outcome sum = {.served = 0};
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (receives_answer(loop, set->clients[i]))
            sum.served++;
        else
            sum.ended++;
    }
    return sum;
}

static void stop_in_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    em_loop_stop(loop);
}

static void a_loop_that_was_stopped_accepts_no_more_clients(void **state)
{
    fixture *set = fixture_create();
    em_loop *other = system_create_loop((em_loop_options){.size = 0});
    share(*state, set, &system_echo, 64, system_new_record(SYSTEM_NONE));
    share(other, set, &system_echo, 64, system_new_record(SYSTEM_NONE));
    assert_int_equal(em_loop_add_timer(*state, 0, stop_in_timer, NULL, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(system_stats(*state).connections_accepted, 0);
    outcome seen = await_outcomes(other, set);
    assert_int_equal(seen.served, CLIENTS);
    assert_int_equal(em_loop_destroy(other), EM_OK);
    fixture_free(set);
}

static void a_loop_that_is_stopped_in_post_init_has_accepted_one_client(void **state)
{
    fixture *set = fixture_create();
    em_loop *leaving = system_create_loop((em_loop_options){.size = 0});
    share(leaving, set, &system_echo, 64, system_new_record(SYSTEM_POST_INIT));
    share(*state, set, &system_echo, 64, system_new_record(SYSTEM_NONE));
    assert_int_equal(em_loop_run(leaving), EM_OK);
    assert_int_equal(system_stats(leaving).connections_accepted, 1);
    assert_int_equal(em_loop_destroy(leaving), EM_OK);
    outcome seen = await_outcomes(*state, set);
    assert_int_equal(seen.served, CLIENTS - 1);
    assert_int_equal(seen.ended, 1);
    fixture_free(set);
}

static void a_loop_that_runs_again_goes_on_accepting(void **state)
{
    fixture *set = fixture_create();
    system_record *record = system_new_record(SYSTEM_POST_INIT);
    share(*state, set, &system_echo, 64, record);
    for (unsigned i = 1; i <= CLIENTS; i++) {
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(record->post_init, i);
    }
    assert_int_equal(await_outcomes(*state, set).served, CLIENTS);
    fixture_free(set);
}

static void stop_server(em_connection *connection)
{
    em_server **server = em_connection_get_user(connection);
    em_server_stop(*server);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static void a_server_that_stops_serves_whom_it_has_and_leaves_the_rest_to_others(void **state)
{
    static const em_handler stopping = {.post_init = stop_server, .receive_data = echo};
    fixture *set = fixture_create();
    em_loop *other = system_create_loop((em_loop_options){.size = 0});
    em_server *server;
    server = share(*state, set, &stopping, 64, &server);
    while (system_stats(*state).servers_open > 0)
        system_turn(*state);
    assert_int_equal(system_stats(*state).connections_accepted, 1);
    share(other, set, &system_echo, 64, system_new_record(SYSTEM_NONE));
    while (system_stats(other).connections_accepted < CLIENTS - 1)
        system_turn(other);
    while (system_stats(other).bytes_received < CLIENTS - 1)
        system_turn(other);
    assert_int_equal(await_outcomes(*state, set).served, CLIENTS);
    assert_int_equal(em_loop_destroy(other), EM_OK);
    fixture_free(set);
}

/* A turn that another event has woken may accept none. */
static void accept_in_turns(em_loop *loop, unsigned batch, unsigned batches)
{
    uint64_t before = system_stats(loop).connections_accepted;
    for (unsigned seen = 0; seen < batches;) {
        assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_OK);
        uint64_t accepted = system_stats(loop).connections_accepted - before;
        if (accepted == seen * batch)
            continue;
        seen++;
        assert_int_equal(accepted, seen * batch);
    }
}

static void expect_accepts_per_turn(em_loop *loop, const fixture *set, unsigned accept_batch, unsigned expected)
{
    em_server *server = share(loop, set, &system_echo, accept_batch, system_new_record(SYSTEM_NONE));
    accept_in_turns(loop, expected, 3);
    assert_int_equal(em_server_stop(server), EM_OK);
}

static void a_socket_that_was_given_is_accepted_from_once_in_a_turn_or_as_often_as_the_user_says(void **state)
{
    fixture *set = fixture_create();
    expect_accepts_per_turn(*state, set, 0, 1);
    expect_accepts_per_turn(*state, set, 1, 1);
    expect_accepts_per_turn(*state, set, 4, 4);
    fixture_free(set);
}

/* Which would happen if epoll went on watching a socket because there is a copy of it. */
static void a_server_that_has_stopped_is_not_woken_for_clients_of_others(void **state)
{
    int port;
    fixture set = {.listener = system_listen(BACKLOG, &port)};
    struct pollfd polled = {.fd = -1, .events = POLLIN};
    em_status status = em_loop_get_descriptor(*state, &polled.fd);
    assert_int_equal(em_server_stop(share(*state, &set, &system_echo, 0, NULL)), EM_OK);
    do
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    while (system_stats(*state).servers_open > 0 || (status == EM_OK && poll(&polled, 1, 0) > 0));
    int client = system_connect(port);
    int found = poll(&polled, 1, 0);
    close(client);
    close(set.listener);
    if (status != EM_OK)
        system_skip("poll has no descriptor, and watches nothing between waits");
    assert_int_equal(found, 0);
}

static void a_socket_of_its_own_is_accepted_from_as_often_in_a_turn_as_the_user_says(void **state)
{
    em_server_options options = {.accept_batch = 2, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    int clients[6];
    int port = system_serve_with(*state, &system_echo, options, &server);
    for (unsigned i = 0; i < 6; i++)
        clients[i] = system_connect(port);
    accept_in_turns(*state, 2, 3);
    for (unsigned i = 0; i < 6; i++)
        close(clients[i]);
}

/* Processes */

typedef struct worker {
    int listener;
    char name;
    int ready; /* where it reports that it serves */
} worker;

static void answer_with_name(em_connection *connection, const void *data, size_t length)
{
    const worker *self = em_connection_get_user(connection);
    (void)data;
    (void)length;
    em_connection_send(connection, &self->name, 1);
    em_connection_close_after_writing(connection);
}

static void serve(void *argument)
{
    static const em_handler handler = {.receive_data = answer_with_name};
    worker *self = argument;
    em_loop_options loop_options = {.size = sizeof loop_options, .backend = system_backend()};
    em_server_options options = {.size = sizeof options, .user = self};
    em_loop *loop;
    system_child_check(em_loop_create(&loop_options, &loop) == EM_OK, "a worker has a loop");
    em_status status = em_loop_attach_server(loop, self->listener, &handler, &options, NULL);
    system_child_check(status == EM_OK, "and serves the socket");
    system_child_check(em_loop_run_once(loop, 0) == EM_OK && write(self->ready, "!", 1) == 1, "and says so");
    system_child_check(em_loop_run(loop) == EM_OK, "until it is killed");
}

static pid_t start_worker(int listener, char name)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    worker self = {.listener = listener, .name = name, .ready = ends[1]};
    pid_t pid = system_fork(serve, &self);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void kill_worker(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static char ask(em_loop *loop, int port)
{
    char answer = '\0';
    int client = system_connect(port);
    system_write(client, "?", 1);
    assert_int_equal(system_read(loop, client, &answer, 1), 1);
    close(client);
    return answer;
}

static void no_client_waits_for_a_process_that_is_stopped_or_killed(void **state)
{
    int port;
    int status;
    pid_t workers[WORKERS];
    int listener = system_listen(BACKLOG, &port);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(listener, (char)('a' + i));
    assert_int_equal(kill(workers[0], SIGSTOP), 0);
    assert_int_equal(waitpid(workers[0], &status, WUNTRACED), workers[0]);
    kill_worker(workers[1]);
    for (unsigned i = 0; i < 200; i++)
        assert_in_range(ask(*state, port), 'c', 'd');
    assert_int_equal(kill(workers[0], SIGCONT), 0);
    kill_worker(workers[2]);
    kill_worker(workers[3]);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ask(*state, port), 'a');
    kill_worker(workers[0]);
    close(listener);
}

/* The listener is the child's alone, with clients that it serves and others in its queue. */
static void a_killed_process_leaves_its_port_free_and_its_clients_with_an_end(void **state)
{
    int port;
    int on = 1;
    int clients[10];
    int listener = system_listen(BACKLOG, &port);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    pid_t pid = start_worker(listener, 'k');
    close(listener);
    for (unsigned i = 0; i < 10; i++)
        clients[i] = system_connect(port);
    assert_int_equal(ask(*state, port), 'k');
    kill_worker(pid);
    em_server *server;
    assert_int_equal(em_loop_start_server(*state, "127.0.0.1", port, &system_recorder, NULL, &server), EM_OK);
    for (unsigned i = 0; i < 10; i++) {
        assert_false(receives_answer(*state, clients[i]));
        close(clients[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_loop_that_was_stopped_accepts_no_more_clients),
        SYSTEM_TEST(a_loop_that_is_stopped_in_post_init_has_accepted_one_client),
        SYSTEM_TEST(a_loop_that_runs_again_goes_on_accepting),
        SYSTEM_TEST(a_server_that_stops_serves_whom_it_has_and_leaves_the_rest_to_others),
        SYSTEM_TEST(a_socket_that_was_given_is_accepted_from_once_in_a_turn_or_as_often_as_the_user_says),
        SYSTEM_TEST(a_server_that_has_stopped_is_not_woken_for_clients_of_others),
        SYSTEM_TEST(a_socket_of_its_own_is_accepted_from_as_often_in_a_turn_as_the_user_says),
        SYSTEM_TEST(no_client_waits_for_a_process_that_is_stopped_or_killed),
        SYSTEM_TEST(a_killed_process_leaves_its_port_free_and_its_clients_with_an_end),
    };
    return SYSTEM_RUN(tests);
}
