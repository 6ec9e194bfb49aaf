/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop that passes from a process to its forked child, as when a program goes into the background: em_loop_take_over
 * and em_loop_hand_over. The test plays the client, with bare sockets, since the loop is the child's.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/pool.h"
#include "support/filtered_connections.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 3, CALLS = 5, NAMES = 8, POOL_THREADS = 4, CHILD_SECONDS = 40 };

/* The thread sanitizer refuses threads in a forked child unless it is told otherwise; elsewhere nobody calls this. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void); /* NOLINT: its name */
const char *__tsan_default_options(void)                                         /* NOLINT */
{
    return "die_after_fork=0";
}

/* What the child has seen; the parent's copy stays as it was at the fork. */
typedef struct seen {
    unsigned timers;
    unsigned ticks;
    unsigned posts;
} seen;

static void count(em_loop *loop, void *user)
{
    (void)loop;
    ++*(unsigned *)user;
}

static void count_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    count(loop, user);
}

/* Echoes; "q" stops the loop. */
static void echo_or_stop(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
    if (memchr(data, 'q', length))
        em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler serving = {.receive_data = echo_or_stop};

/* Reads exactly this; the loop runs in another process, so this one may wait. */
static void expect_answer(int client, const char *text)
{
    char answer[16] = "";
    system_receive_exactly(client, answer, strlen(text));
    assert_string_equal(answer, text);
}

static void ask(int client, const char *text)
{
    system_write(client, text, strlen(text));
    expect_answer(client, text);
}

static int connect_and_settle(em_loop *loop, int port)
{
    int client = system_connect(port);
    char answer;
    system_write(client, "?", 1);
    assert_int_equal(system_read(loop, client, &answer, 1), 1);
    return client;
}

static void let_go(void **state)
{
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_run_once(*state, 0), EM_FORKED);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
}

static void serve_in_child(void *loop)
{
    system_child_check(em_loop_run(loop) == EM_FORKED, "the loop is the parent's at first");
    system_child_check(em_loop_take_over(loop) == EM_OK, "the child takes it over");
    system_child_check(em_loop_take_over(loop) == EM_INVALID_STATE, "once");
    system_child_check(em_loop_run(loop) == EM_OK, "it runs until it is stopped");
    system_child_check(em_loop_destroy(loop) == EM_OK, "and ends");
}

static void a_child_goes_on_with_old_and_new_connections(void **state)
{
    int port = system_serve(*state, &serving, NULL);
    int client = connect_and_settle(*state, port);
    int waiting = system_connect(port); /* in the listener's queue at the fork */
    system_write(client, "before", 6);  /* there at the fork, and not read */
    pid_t child = system_fork(serve_in_child, *state);
    let_go(state);
    expect_answer(client, "before");
    ask(client, "old");
    ask(waiting, "waiting");
    int newcomer = system_connect(port);
    ask(newcomer, "new");
    ask(client, "q");
    assert_int_equal(system_wait(child), 0);
    char end;
    assert_int_equal(system_receive(newcomer, &end, 1), 0);
    close(client);
    close(waiting);
    close(newcomer);
}

typedef struct plans {
    em_loop *loop;
    seen *seen;
    system_record *record;
} plans;

static void *post_from_thread(void *user)
{
    const plans *made = user;
    for (unsigned i = 0; i < CALLS; i++)
        em_loop_post(made->loop, count, &made->seen->posts, NULL);
    return NULL;
}

/*
 * Work that keeps all threads of the pool busy in the parent, so that at the fork they are where they hold no lock of
 * the sanitizer's allocator (glibc's malloc would not mind); the names wait behind it.
 */
static struct {
    pid_t parent;
    int gate[2]; /* of a pipe that the parent closes */
    atomic_uint begun;
    atomic_uint ended;
    unsigned done;
} blocked;

static void work(emi_job *job)
{
    char byte;
    (void)job;
    atomic_fetch_add(&blocked.begun, 1);
    if (getpid() == blocked.parent && read(blocked.gate[0], &byte, 1) < 0)
        abort();
    atomic_fetch_add(&blocked.ended, 1);
}

static void dispose(emi_job *job)
{
    free(job);
}

static void await(atomic_uint *threads)
{
    while (atomic_load(threads) < POOL_THREADS)
        sched_yield();
}

static void finish(emi_job *job)
{
    blocked.done++;
    dispose(job);
}

static void keep_pool_busy(em_loop *loop)
{
    blocked.parent = getpid();
    blocked.done = 0;
    atomic_store(&blocked.begun, 0);
    atomic_store(&blocked.ended, 0);
    assert_int_equal(pipe(blocked.gate), 0);
    for (unsigned i = 0; i < POOL_THREADS; i++) {
        emi_job *job = calloc(1, sizeof *job);
        assert_non_null(job);
        *job = (emi_job){.work = work, .done = finish, .dispose = dispose};
        assert_int_equal(emi_pool_submit(loop, job), EM_OK);
    }
    await(&blocked.begun);
}

static void carry_out_plans(void *user)
{
    const plans *made = user;
    pthread_t thread;
    system_child_check(em_loop_take_over(made->loop) == EM_OK, "the child takes the loop over");
    system_child_check(pthread_create(&thread, NULL, post_from_thread, user) == 0, "threads of its own may post");
    while (made->seen->timers < 1 || made->seen->posts < 1 + CALLS || made->record->completed < NAMES ||
           blocked.done < POOL_THREADS)
        system_child_check(em_loop_run_once(made->loop, 10 * EM_MILLISECONDS) == EM_OK, "it turns");
    pthread_join(thread, NULL);
    system_child_check(made->seen->timers == 1 && made->seen->ticks == 1, "what was planned comes once");
    system_child_check(made->seen->posts == 1 + CALLS, "whoever has posted it");
    system_child_check(blocked.done == POOL_THREADS, "work under way was done again");
    system_child_check(em_loop_destroy(made->loop) == EM_OK, "and all ends");
}

static void a_child_goes_on_with_timers_calls_and_names(void **state)
{
    plans *made = system_memory(sizeof *made);
    made->loop = *state;
    made->seen = system_memory(sizeof *made->seen);
    made->record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = made->record};
    int port = system_serve(*state, &serving, NULL);
    keep_pool_busy(*state);
    for (unsigned i = 0; i < NAMES; i++)
        assert_int_equal(em_loop_connect(*state, "localhost", port, &system_recorder, &options, NULL), EM_OK);
    assert_int_equal(em_loop_add_timer(*state, 20 * EM_MILLISECONDS, count_timer, &made->seen->timers, NULL, NULL),
                     EM_OK);
    assert_int_equal(em_loop_next_tick(*state, count, &made->seen->ticks, NULL), EM_OK);
    assert_int_equal(em_loop_post(*state, count, &made->seen->posts, NULL), EM_OK);
    pid_t child = system_fork(carry_out_plans, made);
    let_go(state);
    assert_int_equal(system_wait(child), 0);
    close(blocked.gate[1]);
    await(&blocked.ended);
    close(blocked.gate[0]);
}

/* Forks in a callback; see a_callback_that_forks. */
static struct {
    pid_t child; /* -1: not forked yet */
    bool take_over_within;
} forking;

static void fork_once(em_loop *loop)
{
    if (forking.child >= 0)
        return;
    forking.child = fork();
    if (forking.child == 0) {
        alarm(CHILD_SECONDS);
        if (forking.take_over_within && em_loop_take_over(loop) != EM_OK)
            _exit(1);
    } else {
        em_loop_hand_over(loop);
    }
}

static void fork_and_echo(em_connection *connection, const void *data, size_t length)
{
    fork_once(em_connection_get_loop(connection));
    echo_or_stop(connection, data, length);
}

static void fork_in_call(em_loop *loop, void *user)
{
    fork_once(loop);
    count(loop, user);
}

static void fork_in_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    fork_in_call(loop, user);
}

/* The parent's loop is left at once; the child's goes on until a client stops it. */
static void run(void **state)
{
    em_status status = em_loop_run(*state);
    if (forking.child > 0) {
        assert_int_equal(status, EM_FORKED);
        return;
    }
    if (!forking.take_over_within) {
        system_child_check(status == EM_FORKED, "the callback's turn has ended");
        system_child_check(em_loop_take_over(*state) == EM_OK, "the child takes the loop over");
        status = em_loop_run(*state);
    }
    system_child_check(status == EM_OK, "the loop has run until it was stopped");
}

static void what_was_being_delivered_is_delivered_in_the_child(void **state)
{
    static const em_handler handler = {.receive_data = fork_and_echo};
    if (connections_are_filtered() && !forking.take_over_within)
        system_skip("a child cannot send through a filter before it takes the loop over");
    int port = system_serve(*state, &handler, NULL);
    int clients[CLIENTS];
    forking.child = -1;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = system_connect(port);
        system_turn(*state);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "once", 4); /* all are ready in one turn, and the first one forks */
    run(state);
    if (forking.child == 0)
        _exit(em_loop_destroy(*state) == EM_OK ? 0 : 1);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    for (unsigned i = 0; i < CLIENTS; i++)
        expect_answer(clients[i], "once");
    ask(clients[0], "q");
    assert_int_equal(system_wait(forking.child), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* Timers, posts and ticks, in each phase one that forks before one that does not. */
static void plan(em_loop *loop, seen *planned, unsigned phase)
{
    em_loop_add_timer(loop, 0, phase == 0 ? fork_in_timer : count_timer, &planned->timers, NULL, NULL);
    em_loop_add_timer(loop, 0, count_timer, &planned->timers, NULL, NULL);
    em_loop_post(loop, phase == 1 ? fork_in_call : count, &planned->posts, NULL);
    em_loop_post(loop, count, &planned->posts, NULL);
    em_loop_next_tick(loop, phase == 2 ? fork_in_call : count, &planned->ticks, NULL);
    em_loop_next_tick(loop, count, &planned->ticks, NULL);
}

static void the_rest_of_a_phase_runs_in_the_child_once(void **state)
{
    int port = system_serve(*state, &serving, NULL);
    int client = connect_and_settle(*state, port);
    seen *planned = system_memory(sizeof *planned);
    for (unsigned phase = 0; phase < 3; phase++) {
        *planned = (seen){.timers = 0};
        forking.child = -1;
        plan(*state, planned, phase);
        run(state);
        if (forking.child == 0)
            _exit(planned->timers == 2 && planned->posts == 2 && planned->ticks == 2 ? 0 : 1);
        assert_int_equal(planned->timers + planned->posts + planned->ticks, 1 + 2 * phase);
        ask(client, "q");
        assert_int_equal(system_wait(forking.child), 0);
        /* The loop was handed over: the next phase gets another one. */
        em_loop_destroy(*state);
        close(client);
        em_loop_options options = {.size = sizeof options};
        *state = system_create_loop(options);
        port = system_serve(*state, &serving, NULL);
        client = connect_and_settle(*state, port);
    }
    close(client);
}

static void fork_in_unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    fork_once(em_connection_get_loop(connection));
    ++*(unsigned *)em_connection_get_user(connection);
}

static void connections_that_end_with_the_one_that_forks_end_in_the_child(void **state)
{
    static const em_handler handler = {.receive_data = echo_or_stop, .unbind = fork_in_unbind};
    unsigned *unbound = system_memory(sizeof *unbound);
    int server_port = system_serve(*state, &handler, unbound);
    int clients[CLIENTS];
    forking.child = -1;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = connect_and_settle(*state, server_port);
    int last = connect_and_settle(*state, server_port);
    for (unsigned i = 0; i < CLIENTS; i++)
        shutdown(clients[i], SHUT_WR);
    run(state);
    if (forking.child == 0) {
        system_child_check(*unbound == CLIENTS, "each is unbound once");
        system_child_check(system_stats(*state).connections_open == 1, "and gone");
        _exit(0);
    }
    assert_in_range(*unbound, 1, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char byte;
        assert_int_equal(system_receive(clients[i], &byte, 1), 0); /* the parent's copy has not kept it open */
        close(clients[i]);
    }
    ask(last, "q");
    assert_int_equal(system_wait(forking.child), 0);
    close(last);
}

/* Each test that forks in a callback runs twice: the child takes over within the callback, or outside. */
#define WITHIN(test)                                                                                                   \
    static void test##_within(void **state)                                                                            \
    {                                                                                                                  \
        forking.take_over_within = true;                                                                               \
        test(state);                                                                                                   \
        forking.take_over_within = false;                                                                              \
    }
WITHIN(what_was_being_delivered_is_delivered_in_the_child)
WITHIN(the_rest_of_a_phase_runs_in_the_child_once)
WITHIN(connections_that_end_with_the_one_that_forks_end_in_the_child)

static void wake_and_watch(void *user)
{
    em_loop *loop = user;
    system_child_check(em_loop_wake(loop) == EM_FORKED, "before, nothing can be woken");
    system_child_check(em_loop_post(loop, count, NULL, NULL) == EM_FORKED, "nor posted");
    unsigned descriptors = system_descriptors();
    system_child_check(em_loop_take_over(loop) == EM_OK, "the child takes the loop over");
    system_child_check(system_descriptors() == descriptors, "and leaves no descriptor behind");
    em_loop_wake(loop);
    system_child_check(em_loop_run_once(loop, EM_FOREVER) == EM_OK, "a wake ends the wait");
    system_serve(loop, &serving, NULL);
    em_loop_wake(loop);
}

static void the_two_processes_share_no_object_of_the_kernel(void **state)
{
    int descriptor;
    int port = system_serve(*state, &serving, NULL);
    int client = connect_and_settle(*state, port);
    while (em_loop_get_timeout_ns(*state) == 0)
        system_turn(*state);
    system_turn(*state);
    assert_int_equal(system_wait(system_fork(wake_and_watch, *state)), 0);
    /* The parent's loop, which it kept, was not woken by the child. */
    if (em_loop_get_descriptor(*state, &descriptor) == EM_OK)
        assert_int_equal(poll(&(struct pollfd){.fd = descriptor, .events = POLLIN}, 1, 0), 0);
    char answer;
    system_write(client, "!", 1);
    assert_int_equal(system_read(*state, client, &answer, 1), 1);
    close(client);
}

static void take_over_without_descriptors(void *loop)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    system_child_check(em_loop_take_over(loop) == EM_NO_DESCRIPTORS, "that is said");
    system_child_check(em_loop_run(loop) == EM_FORKED, "and the loop is still the parent's");
    setrlimit(RLIMIT_NOFILE, &limit);
    serve_in_child(loop);
}

static void a_child_without_descriptors_may_try_again(void **state)
{
    int port = system_serve(*state, &serving, NULL);
    int client = connect_and_settle(*state, port);
    pid_t child = system_fork(take_over_without_descriptors, *state);
    let_go(state);
    ask(client, "q");
    assert_int_equal(system_wait(child), 0);
    close(client);
}

static void close_at_word(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    em_connection_close(connection);
    em_loop_stop(em_connection_get_loop(connection));
}

static void a_peer_that_the_child_closes_sees_it_although_the_parent_has_a_copy(void **state)
{
    static const em_handler closing = {.receive_data = close_at_word};
    int port = system_serve(*state, &closing, NULL);
    int client = system_connect(port);
    while (system_stats(*state).connections_open == 0)
        system_turn(*state);
    pid_t child = system_fork(serve_in_child, *state);
    system_write(client, "word", 4);
    char end;
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(system_receive(client, &end, 1), 0);
    let_go(state);
    close(client);
}

static void nobody_takes_over_what_is_his_own(void **state)
{
    assert_int_equal(em_loop_take_over(*state), EM_INVALID_STATE);
    assert_int_equal(em_loop_take_over(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_hand_over(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_child_goes_on_with_old_and_new_connections),
        SYSTEM_TEST(a_child_goes_on_with_timers_calls_and_names),
        SYSTEM_TEST(what_was_being_delivered_is_delivered_in_the_child),
        SYSTEM_TEST(what_was_being_delivered_is_delivered_in_the_child_within),
        SYSTEM_TEST(the_rest_of_a_phase_runs_in_the_child_once),
        SYSTEM_TEST(the_rest_of_a_phase_runs_in_the_child_once_within),
        SYSTEM_TEST(connections_that_end_with_the_one_that_forks_end_in_the_child),
        SYSTEM_TEST(connections_that_end_with_the_one_that_forks_end_in_the_child_within),
        SYSTEM_TEST(the_two_processes_share_no_object_of_the_kernel),
        SYSTEM_TEST(a_child_without_descriptors_may_try_again),
        SYSTEM_TEST(a_peer_that_the_child_closes_sees_it_although_the_parent_has_a_copy),
        SYSTEM_TEST(nobody_takes_over_what_is_his_own),
    };
    return SYSTEM_RUN(tests);
}
