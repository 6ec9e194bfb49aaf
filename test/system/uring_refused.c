/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * io_uring that is refused, by a seccomp filter as in many containers: the loop takes another backend and says why to
 * whom it concerns, and to nobody else. What was found out holds for a process, so each test has a child of its own,
 * which is forked before this process has made any loop. The contract of the backend itself is in test/contract.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/ring.h"
#include "support/system_peer.h"
#include "support/system_test.h"

/* A kernel as old as this has no name for the calls; their numbers are the same on all architectures. */
enum { CALL_SETUP = 425, CALL_ENTER = 426, CALL_REGISTER = 427 };

/* What the filter answers to the three calls; 0: lets them through. */
typedef struct refusal {
    unsigned setup;
    unsigned enter;
    unsigned enlist;
    const char *reason; /* a word of it */
} refusal;

static const refusal forbidden = {.setup = EPERM, .enter = EPERM, .enlist = EPERM, .reason = "forbidden"};
static const refusal missing = {.setup = ENOSYS, .enter = ENOSYS, .enlist = ENOSYS, .reason = "not in this kernel"};
static const refusal no_entering = {.enter = EPERM, .reason = "io_uring: "};
static const refusal no_entering_without_error = {.enter = ENOSYS, .reason = "io_uring: "};

/* What the log hook was told. */
typedef struct journal {
    unsigned messages;
    em_log_level level; /* of the last */
    char text[256];
} journal;

static void note(void *user, em_log_level level, const char *message)
{
    journal *kept = user;
    kept->messages++;
    kept->level = level;
    strncpy(kept->text, message, sizeof kept->text - 1);
}

static unsigned action_for(unsigned error)
{
    return error > 0 ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_ALLOW;
}

static void install(const refusal *refused)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_SETUP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action_for(refused->setup)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_ENTER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action_for(refused->enter)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_REGISTER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action_for(refused->enlist)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof instructions / sizeof *instructions, .filter = instructions};
    system_child_check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "the process gives up privileges");
    system_child_check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "the filter is installed");
}

/* A loop with a journal. */
static em_status create(const char *backend, journal *kept, em_loop **loop)
{
    em_loop_options options = {.size = sizeof options, .backend = backend, .log = note, .log_user = kept};
    *kept = (journal){.messages = 0};
    return em_loop_create(&options, loop);
}

/* An echo to and fro over a loop, which is destroyed afterwards */

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static void take_answer(em_connection *connection, const void *data, size_t length)
{
    bool *is_right = em_connection_get_user(connection);
    *is_right = length == 6 && memcmp(data, "hello!", 6) == 0;
    em_loop_stop(em_connection_get_loop(connection));
}

static void expect_echo(em_loop *loop)
{
    static const em_handler echoing = {.receive_data = echo};
    static const em_handler asking = {.receive_data = take_answer};
    bool is_right = false;
    em_server *server;
    em_connection *client;
    em_connect_options options = {.size = sizeof options, .user = &is_right};
    system_child_check(em_loop_start_server(loop, "127.0.0.1", 0, &echoing, NULL, &server) == EM_OK, "a server starts");
    int port = em_server_get_port(server);
    system_child_check(em_loop_connect(loop, "127.0.0.1", port, &asking, &options, &client) == EM_OK,
                       "a client connects");
    system_child_check(em_connection_send_text(client, "hello!") == EM_OK, "it sends");
    system_child_check(em_loop_run(loop) == EM_OK && is_right, "and is answered");
}

/* In children */

typedef struct plan {
    const refusal *refused;
    int output; /* where the child's output is to go */
} plan;

static void begin(const plan *planned)
{
    dup2(planned->output, STDOUT_FILENO);
    dup2(planned->output, STDERR_FILENO);
    unsetenv("EM_BACKEND");
    if (planned->refused)
        install(planned->refused);
}

static void expect_fallback(const plan *planned)
{
    journal kept;
    em_loop *loop;
    system_child_check(create(NULL, &kept, &loop) == EM_OK, "a loop is made all the same");
    system_child_check(strcmp(em_loop_get_backend(loop), "epoll") == 0, "over epoll");
    const char *reason = em_loop_get_backend_reason(loop);
    system_child_check(reason && strncmp(reason, "io_uring: ", 10) == 0, "it knows why");
    system_child_check(reason && strstr(reason, planned->refused->reason), "and says it");
    system_child_check(kept.messages == 1 && kept.level == EM_LOG_INFO, "the log is told once");
    system_child_check(reason && strcmp(kept.text, reason) == 0, "the same");
    expect_echo(loop);
    system_child_check(em_loop_destroy(loop) == EM_OK, "the loop ends");
}

static void expect_refusal(const plan *planned, const char *backend)
{
    journal kept;
    em_loop *loop;
    system_child_check(create(backend, &kept, &loop) == EM_UNKNOWN_BACKEND, "by name it is refused");
    system_child_check(!loop, "there is no loop");
    system_child_check(kept.messages == 1 && kept.level == EM_LOG_ERROR, "the log is told of an error");
    system_child_check(strstr(kept.text, planned->refused->reason), "and why");
}

static void live_with_refusal(void *argument)
{
    const plan *planned = argument;
    begin(planned);
    unsigned descriptors = system_descriptors();
    for (unsigned i = 0; i < 3; i++)
        expect_fallback(planned);
    expect_refusal(planned, "uring");
    setenv("EM_BACKEND", "uring", 1);
    expect_refusal(planned, NULL);
    setenv("EM_BACKEND", "epoll", 1);
    journal kept;
    em_loop *loop;
    system_child_check(create(NULL, &kept, &loop) == EM_OK, "another is to be had by name");
    system_child_check(!em_loop_get_backend_reason(loop) && kept.messages == 0, "without explanations");
    em_loop_destroy(loop);
    system_child_check(system_descriptors() == descriptors, "all descriptors are closed");
}

/* So many descriptors may be opened beyond those that are open. */
static void spare_descriptors(unsigned spare)
{
    struct rlimit limit;
    int lowest = dup(0);
    close(lowest);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)lowest + spare;
    system_child_check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "descriptors are limited");
}

static void create_with_few_descriptors(void *argument)
{
    const plan *planned = argument;
    journal kept;
    em_loop *loop;
    struct rlimit before;
    begin(planned);
    getrlimit(RLIMIT_NOFILE, &before);
    unsigned descriptors = system_descriptors();
    for (unsigned spare = 0; spare < 12; spare++) {
        spare_descriptors(spare);
        em_status status = create("uring", &kept, &loop);
        system_child_check(status == EM_OK || status == EM_NO_DESCRIPTORS || status == EM_UNKNOWN_BACKEND,
                           "it says why");
        system_child_check(status == EM_OK || !loop, "there is a loop, or there is none");
        em_loop_destroy(loop);
        setrlimit(RLIMIT_NOFILE, &before);
        system_child_check(system_descriptors() - count_rings() == descriptors,
                           "no descriptor but that of the ring is left");
        system_child_check(count_rings() <= 1, "which is kept for the next loop");
    }
    system_child_check(create("uring", &kept, &loop) == EM_OK, "with enough of them it works, as if nothing had been");
    expect_echo(loop);
    em_loop_destroy(loop);
}

static void need_one_descriptor_more(void *argument)
{
    const plan *planned = argument;
    journal kept;
    em_loop *loop;
    struct rlimit before;
    begin(planned);
    getrlimit(RLIMIT_NOFILE, &before);
    for (unsigned spare = 0; spare < 12; spare++) {
        pid_t child = fork();
        if (child == 0) { /* in which nothing is known yet */
            spare_descriptors(spare);
            create("uring", &kept, &loop);
            em_loop_destroy(loop);
            setrlimit(RLIMIT_NOFILE, &before);
            system_child_check(create("uring", &kept, &loop) == EM_OK, "a shortage is not taken for a refusal");
            expect_echo(loop);
            em_loop_destroy(loop);
            _exit(0);
        }
        system_child_check(child > 0 && system_wait(child) == 0, "a shortage passes");
    }
}

/* In the parent */

static void require_uring(void *ignored)
{
    journal kept;
    em_loop *loop;
    (void)ignored;
    em_status status = create("uring", &kept, &loop);
    em_loop_destroy(loop);
    _exit(status == EM_OK ? 0 : 1);
}

/* Runs it in a child, which must end well and print nothing. Where there is no io_uring, nothing can be refused. */
static void expect_success(void (*run)(void *planned), const refusal *refused)
{
    int ends[2];
    char printed[1024] = "";
    if (system_wait(system_fork(require_uring, NULL)) != 0)
        system_skip("this build, or this machine, has no backend \"uring\"");
    assert_int_equal(pipe(ends), 0);
    plan planned = {.refused = refused, .output = ends[1]};
    pid_t child = system_fork(run, &planned);
    close(ends[1]);
    size_t length = 0;
    for (ssize_t more = 1; more > 0 && length<sizeof printed - 1; length += more> 0 ? (size_t)more : 0)
        more = read(ends[0], printed + length, sizeof printed - 1 - length);
    close(ends[0]);
    assert_string_equal(printed, "");
    assert_int_equal(system_wait(child), 0);
}

static void where_it_is_forbidden_the_loop_takes_another_and_says_why(void **state)
{
    (void)state;
    expect_success(live_with_refusal, &forbidden);
}

static void where_it_is_missing_the_loop_takes_another_and_says_why(void **state)
{
    (void)state;
    expect_success(live_with_refusal, &missing);
}

static void a_ring_that_cannot_be_entered_is_not_used(void **state)
{
    (void)state;
    expect_success(live_with_refusal, &no_entering);
    expect_success(live_with_refusal, &no_entering_without_error);
}

static void without_descriptors_nothing_is_left_behind(void **state)
{
    (void)state;
    expect_success(create_with_few_descriptors, NULL);
}

static void a_shortage_of_descriptors_is_not_taken_for_a_refusal(void **state)
{
    (void)state;
    expect_success(need_one_descriptor_more, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is_forbidden_the_loop_takes_another_and_says_why),
        cmocka_unit_test(where_it_is_missing_the_loop_takes_another_and_says_why),
        cmocka_unit_test(a_ring_that_cannot_be_entered_is_not_used),
        cmocka_unit_test(without_descriptors_nothing_is_left_behind),
        cmocka_unit_test(a_shortage_of_descriptors_is_not_taken_for_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
