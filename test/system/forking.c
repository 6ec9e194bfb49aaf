/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * fork(2) with a live loop: the loop stays the parent's. The child can only destroy its copy, and whatever it does, the
 * parent's connections go on.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* A server with one client, both of the parent's loop, the client also bare. */
typedef struct fixture {
    em_loop *loop;
    system_record *served;
    em_connection *connection; /* of the server, to the client */
    int client;
    int port;
    int ends[2]; /* of a pipe that keeps a child waiting until the parent lets it go */
} fixture;

static fixture *fixture_create(em_loop *loop)
{
    fixture *set = system_memory(sizeof *set);
    set->loop = loop;
    set->served = system_new_record(SYSTEM_NONE);
    set->port = system_serve(loop, &system_echo, set->served);
    set->client = system_connect(set->port);
    assert_int_equal(pipe(set->ends), 0);
    while (!set->served->connection)
        system_turn(loop);
    set->connection = set->served->connection;
    return set;
}

static void fixture_free(fixture *set)
{
    close(set->client);
    close(set->ends[0]);
    close(set->ends[1]);
}

/* The connection from before and a new one both work. */
static void expect_all_goes_on(const fixture *set)
{
    char answer[4];
    for (unsigned i = 0; i < 3; i++) {
        system_write(set->client, "on?", 3);
        assert_int_equal(system_read(set->loop, set->client, answer, 3), 3);
        assert_memory_equal(answer, "on?", 3);
    }
    assert_int_equal(set->served->unbind, 0);
    int newcomer = system_connect(set->port);
    system_write(newcomer, "new", 3);
    assert_int_equal(system_read(set->loop, newcomer, answer, 3), 3);
    close(newcomer);
    while (system_stats(set->loop).connections_open > 1)
        system_turn(set->loop);
    assert_int_equal(set->served->unbind, 1);
}

static void nothing(em_loop *loop, void *user)
{
    (void)loop;
    (void)user;
}

static void use_loop_in_child(void *user)
{
    fixture *set = user;
    em_loop *loop = set->loop;
    system_child_check(em_loop_run(loop) == EM_FORKED, "run says that the loop is the parent's");
    system_child_check(em_loop_run_once(loop, EM_FOREVER) == EM_FORKED, "so does run_once");
    em_status status = em_loop_connect(loop, "127.0.0.1", set->port, &system_recorder, NULL, NULL);
    system_child_check(status == EM_FORKED, "so does connecting");
    status = em_loop_start_server(loop, "127.0.0.1", 0, &system_recorder, NULL, NULL);
    system_child_check(status == EM_FORKED, "so does starting a server");
    em_connection_send_text(set->connection, "from the child");
    em_connection_close(set->connection);
    em_loop_next_tick(loop, nothing, NULL, NULL);
    em_loop_wake(loop);
    em_loop_stop(loop);
    system_child_check(em_loop_run(loop) == EM_FORKED, "still");
}

static void a_child_that_uses_the_loop_gets_EM_FORKED_and_does_no_harm(void **state)
{
    fixture *set = fixture_create(*state);
    pid_t child = system_fork(use_loop_in_child, set);
    assert_int_equal(system_wait(child), 0);
    assert_true(system_is_silent(set->client));
    assert_int_equal(em_loop_is_stopping(*state), 0);
    expect_all_goes_on(set);
    fixture_free(set);
}

static void destroy_loop_in_child(void *user)
{
    fixture *set = user;
    int descriptor = em_connection_get_descriptor(set->connection);
    unsigned open_before = system_descriptors();
    system_child_check(em_loop_destroy(set->loop) == EM_OK, "a child may destroy its copy");
    system_child_check(set->served->unbind == 1, "its copy of the connection is unbound");
    system_child_check(close(descriptor) < 0, "its copy of the socket is closed");
    system_child_check(system_descriptors() <= open_before - 3, "server, connection and the loop's own, too");
    em_loop *own; /* and it may have one of its own */
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    system_child_check(em_loop_create(&options, &own) == EM_OK, "the child makes a loop");
    system_child_check(em_loop_run_once(own, 0) == EM_OK, "and runs it");
    system_child_check(em_loop_destroy(own) == EM_OK, "and destroys it");
}

static void a_child_that_destroys_the_loop_closes_only_its_copies(void **state)
{
    fixture *set = fixture_create(*state);
    pid_t child = system_fork(destroy_loop_in_child, set);
    assert_int_equal(system_wait(child), 0);
    assert_true(system_is_silent(set->client));
    expect_all_goes_on(set);
    fixture_free(set);
}

/* What the loop holds that does not run before the child is made. */
typedef struct left_over {
    em_loop *loop;
    unsigned calls;
    unsigned disposals;
} left_over;

static void note_call(em_loop *loop, void *user)
{
    left_over *left = user;
    (void)loop;
    left->calls++;
}

static void note_disposal(void *user)
{
    left_over *left = user;
    left->disposals++;
}

static void destroy_and_count(void *user)
{
    left_over *left = user;
    system_child_check(em_loop_destroy(left->loop) == EM_OK, "a child may destroy its copy");
    system_child_check(left->disposals == 2 && left->calls == 0, "its copies of what was queued are disposed of");
}

static void a_child_that_destroys_the_loop_disposes_of_its_copies_and_the_parents_calls_run(void **state)
{
    left_over *left = system_memory(sizeof *left);
    left->loop = *state;
    em_loop_post(*state, note_call, left, note_disposal);
    em_loop_next_tick(*state, note_call, left, note_disposal);
    assert_int_equal(system_wait(system_fork(destroy_and_count, left)), 0);
    assert_int_equal(left->disposals, 0);
    while (left->calls < 2)
        system_turn(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(left->disposals, 0);
}

static void look_at_servers(void *user)
{
    const left_over *left = user;
    note_disposal(user);
    system_child_check(system_stats(left->loop).servers_open == 0, "no server is open while the loop is destroyed");
}

static void look_at_servers_in_unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    look_at_servers(em_connection_get_user(connection));
}

static void a_child_that_destroys_the_loop_has_no_server_left_in_its_last_callbacks(void **state)
{
    static const em_handler handler = {.unbind = look_at_servers_in_unbind};
    left_over *left = system_memory(sizeof *left);
    left->loop = *state;
    int port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    system_dial(*state, port, &handler, left);
    em_loop_post(*state, note_call, left, look_at_servers);
    assert_int_equal(system_wait(system_fork(destroy_and_count, left)), 0);
    assert_int_equal(system_stats(*state).servers_open, 1);
    while (left->calls == 0)
        system_turn(*state);
}

/* A loop that is destroyed, and whose first unbind does something. */
typedef struct destruction {
    unsigned connections;
    unsigned unbinds;
    unsigned disposals;
    bool forks; /* else it hands the loop over */
    pid_t child;
} destruction;

static void count_connection(em_connection *connection)
{
    destruction *seen = em_connection_get_user(connection);
    seen->connections++;
}

static void fork_or_hand_over(em_connection *connection, em_status reason)
{
    destruction *seen = em_connection_get_user(connection);
    (void)reason;
    if (seen->unbinds++ > 0)
        return;
    if (seen->forks)
        seen->child = fork();
    else
        em_loop_hand_over(em_connection_get_loop(connection));
}

static void count_disposal_of(void *user)
{
    destruction *seen = user;
    seen->disposals++;
}

static void expect_whole_destruction(bool forks)
{
    static const em_handler handler = {.post_init = count_connection, .unbind = fork_or_hand_over};
    enum { CLIENTS = 5 };
    int clients[CLIENTS];
    destruction *seen = system_memory(sizeof *seen);
    seen->forks = forks;
    seen->child = -1;
    em_loop_destroy(system_create_loop((em_loop_options){.size = 0})); /* it may leave a ring to the next loop */
    unsigned open_before = system_descriptors();
    em_loop *loop = system_create_loop((em_loop_options){.size = 0});
    int port = system_serve(loop, &handler, seen);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (seen->connections < CLIENTS)
        system_turn(loop);
    em_loop_next_tick(loop, nothing, seen, count_disposal_of);
    em_status status = em_loop_destroy(loop);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    bool is_whole = status == EM_OK && seen->unbinds == CLIENTS && seen->disposals == 1;
    if (seen->child == 0)
        _exit(is_whole && system_descriptors() <= open_before ? 0 : 1);
    assert_true(is_whole);
    assert_int_equal(system_descriptors(), open_before);
    if (forks)
        assert_int_equal(system_wait(seen->child), 0);
}

static void a_fork_in_unbind_while_the_loop_is_destroyed_ends_all_in_both_processes(void **state)
{
    expect_whole_destruction(true);
    (void)state;
}

static void handing_over_in_unbind_while_the_loop_is_destroyed_ends_all(void **state)
{
    expect_whole_destruction(false);
    (void)state;
}

static void stay_alive(void *user)
{
    const fixture *set = user;
    char byte;
    close(set->ends[1]);
    system_child_check(read(set->ends[0], &byte, 1) == 0, "the parent lets go");
}

static void a_child_that_keeps_running_does_not_keep_the_parents_connections_open(void **state)
{
    fixture *set = fixture_create(*state);
    pid_t child = system_fork(stay_alive, set);
    expect_all_goes_on(set);
    em_connection_close(set->connection);
    assert_int_equal(system_read_to_end(*state, set->client), 0);
    close(set->ends[1]);
    set->ends[1] = -1;
    assert_int_equal(system_wait(child), 0);
    fixture_free(set);
}

static void a_connection_closed_while_a_child_has_a_copy_makes_nothing_spin(void **state)
{
    fixture *set = fixture_create(*state);
    pid_t child = system_fork(stay_alive, set);
    em_connection_close(set->connection);
    assert_int_equal(system_read_to_end(*state, set->client), 0);
    system_write(set->client, "anybody?", 8); /* the child's copy receives it, and nobody reads it */
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 10);
    close(set->ends[1]);
    set->ends[1] = -1;
    assert_int_equal(system_wait(child), 0);
    fixture_free(set);
}

static void destroy_at_once(void *loop)
{
    system_child_check(em_loop_destroy(loop) == EM_OK, "a child may destroy its copy at any time");
}

static void a_child_may_destroy_the_loop_while_names_are_resolved(void **state)
{
    enum { NAMES = 20 };
    system_record *record = system_new_record(SYSTEM_NONE);
    system_record *served = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    int port = system_serve(*state, &system_recorder, served);
    for (unsigned i = 0; i < NAMES; i++)
        assert_int_equal(em_loop_connect(*state, "localhost", port, &system_recorder, &options, NULL), EM_OK);
    pid_t child = system_fork(destroy_at_once, *state);
    assert_int_equal(system_wait(child), 0);
    while (record->completed < NAMES)
        system_turn(*state);
    assert_int_equal(record->unbind, 0);
}

static pid_t child_of_callback;

/* Forks within the loop; the child goes on as if nothing had happened, and comes back from em_loop_run. */
static void fork_in_callback(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
    if (child_of_callback < 0)
        child_of_callback = fork();
    em_loop_stop(em_connection_get_loop(connection));
}

static void a_child_made_in_a_callback_leaves_the_loop_and_touches_no_connection(void **state)
{
    static const em_handler forking = {.receive_data = fork_in_callback};
    char answer[64];
    int port = system_serve(*state, &forking, NULL);
    int clients[3];
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = system_connect(port);
        system_turn(*state);
    }
    child_of_callback = -1;
    for (unsigned i = 0; i < 3; i++)
        system_write(clients[i], "once", 4); /* all three are ready in one turn, and one of them forks */
    em_status status = em_loop_run(*state);
    if (child_of_callback == 0)
        _exit(status == EM_FORKED && em_loop_destroy(*state) == EM_OK ? 0 : 1);
    assert_int_equal(status, EM_OK);
    assert_int_equal(system_wait(child_of_callback), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(system_read(*state, clients[i], answer, 4), 4);
        system_turn(*state);
        assert_true(system_is_silent(clients[i])); /* the child has not sent it, too */
        close(clients[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_child_that_uses_the_loop_gets_EM_FORKED_and_does_no_harm),
        SYSTEM_TEST(a_child_that_destroys_the_loop_closes_only_its_copies),
        SYSTEM_TEST(a_child_that_destroys_the_loop_disposes_of_its_copies_and_the_parents_calls_run),
        SYSTEM_TEST(a_child_that_destroys_the_loop_has_no_server_left_in_its_last_callbacks),
        SYSTEM_TEST(a_fork_in_unbind_while_the_loop_is_destroyed_ends_all_in_both_processes),
        SYSTEM_TEST(handing_over_in_unbind_while_the_loop_is_destroyed_ends_all),
        SYSTEM_TEST(a_child_that_keeps_running_does_not_keep_the_parents_connections_open),
        SYSTEM_TEST(a_connection_closed_while_a_child_has_a_copy_makes_nothing_spin),
        SYSTEM_TEST(a_child_may_destroy_the_loop_while_names_are_resolved),
        SYSTEM_TEST(a_child_made_in_a_callback_leaves_the_loop_and_touches_no_connection),
    };
    return SYSTEM_RUN(tests);
}
