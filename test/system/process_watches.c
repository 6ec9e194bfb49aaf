/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of processes: children of the program's own, those of the library, and strangers.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_process.h"
#include "support/system_test.h"

typedef struct watched {
    em_process_watch *watch; /* NULL after its unbind */
    unsigned exited;
    unsigned unbind;
    em_status reason;
} watched;

static void exited(em_process_watch *watch)
{
    watched *record = em_process_watch_get_user(watch);
    record->exited++;
    assert_int_equal(record->unbind, 0);
}

static void unbind(em_process_watch *watch, em_status reason)
{
    watched *record = em_process_watch_get_user(watch);
    record->unbind++;
    record->reason = reason;
    record->watch = NULL;
}

static const em_process_watch_handler recorder = {.process_exited = exited, .unbind = unbind};

static watched *start_watch(em_loop *loop, int pid)
{
    watched *record = system_memory(sizeof *record);
    em_process_watch_options options = {.size = sizeof options, .user = record};
    assert_int_equal(em_loop_watch_process(loop, pid, &recorder, &options, &record->watch), EM_OK);
    assert_int_equal(em_process_watch_get_pid(record->watch), pid);
    return record;
}

static void await_exit(em_loop *loop, const watched *record)
{
    while (!record->unbind)
        system_turn(loop);
    assert_int_equal(record->exited, 1);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_OK);
}

/* A child that ends when something is written, or when the other end is closed. */
static pid_t fork_waiting(int *end)
{
    int ends[2];
    char byte;
    assert_return_code(pipe(ends), errno);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        ssize_t length = read(ends[0], &byte, 1);
        _exit(length >= 0 ? 66 : 1);
    }
    close(ends[0]);
    *end = ends[1];
    return pid;
}

static void the_end_of_a_child_is_reported_and_its_status_left_to_the_program(void **state)
{
    int end, status;
    pid_t pid = fork_waiting(&end);
    watched *first = start_watch(*state, pid);
    watched *second = start_watch(*state, pid);
    system_run_for(*state, 5 * EM_MILLISECONDS);
    assert_int_equal(first->exited + second->exited, 0);
    close(end);
    await_exit(*state, first);
    await_exit(*state, second);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 66);
}

static void a_child_that_has_ended_before_is_reported(void **state)
{
    int end;
    siginfo_t info;
    pid_t pid = fork_waiting(&end);
    close(end);
    assert_return_code(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), errno);
    watched *record = start_watch(*state, pid);
    assert_int_equal(record->exited, 0);
    await_exit(*state, record);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_end_of_a_process_that_is_no_child_is_reported(void **state)
{
    system_process *shell = system_start_shell(*state, "sleep 1000 >/dev/null 2>&1 & echo $!; wait");
    while (!strchr(shell->output->text, '\n'))
        system_turn(*state);
    int pid = atoi(shell->output->text);
    watched *record = start_watch(*state, pid);
    system_run_for(*state, 5 * EM_MILLISECONDS);
    assert_int_equal(record->exited, 0);
    kill(pid, SIGKILL);
    await_exit(*state, record);
    system_await_process_unbind(*state, shell);
}

static void a_process_of_the_librarys_can_be_watched_too(void **state)
{
    system_process *shell = system_start_shell(*state, "cat; exit 3");
    watched *record = start_watch(*state, em_process_get_pid(shell->process));
    em_connection_close_write(shell->input->connection);
    await_exit(*state, record);
    system_await_process_unbind(*state, shell);
    assert_int_equal(shell->status.exit_status, 3);
}

static void a_watch_that_was_stopped_reports_nothing(void **state)
{
    int end;
    pid_t pid = fork_waiting(&end);
    watched *record = start_watch(*state, pid);
    em_process_watch_stop(record->watch);
    em_process_watch_stop(record->watch);
    em_process_watch_stop(NULL);
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(record->unbind, 0);
    while (!record->unbind)
        system_turn(*state);
    system_run_for(*state, 5 * EM_MILLISECONDS);
    assert_int_equal(record->exited, 0);
    assert_int_equal(record->unbind, 1);
}

static void stop_other(em_process_watch *watch)
{
    em_process_watch **other = em_process_watch_get_user(watch);
    assert_non_null(*other);
    em_process_watch_stop(*other);
    *other = NULL;
}

static void a_watch_may_stop_another_whose_process_has_ended(void **state)
{
    static const em_process_watch_handler handler = {.process_exited = stop_other};
    em_process_watch **others = system_memory(2 * sizeof *others); /* of each, the other */
    int end;
    pid_t pid = fork_waiting(&end);
    for (unsigned i = 0; i < 2; i++) {
        em_process_watch_options options = {.size = sizeof options, .user = &others[i]};
        assert_int_equal(em_loop_watch_process(*state, pid, &handler, &options, &others[1 - i]), EM_OK);
    }
    close(end);
    while (others[0] && others[1])
        system_turn(*state);
    system_run_for(*state, 5 * EM_MILLISECONDS); /* the other one is silent: its `others` is still there */
    assert_true(others[0] || others[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_is_no_process_is_refused(void **state)
{
    em_process_watch *watch = (em_process_watch *)state;
    em_process_watch_handler unknown = {.reserved = {(void (*)(void))abort}};
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(em_loop_watch_process(*state, pid, &recorder, NULL, &watch), EM_NO_SUCH_PROCESS);
    assert_null(watch);
    assert_int_equal(em_loop_watch_process(*state, 0, &recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_process(*state, -1, &recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_process(*state, getpid(), NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_process(*state, getpid(), &unknown, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_process(NULL, getpid(), &recorder, NULL, NULL), EM_INVALID_ARGUMENT);
}

static void a_number_finds_a_watch_until_its_unbind_returns(void **state)
{
    watched *record = start_watch(*state, getpid());
    em_signature number = em_process_watch_get_signature(record->watch);
    assert_ptr_equal(em_loop_find_process_watch(*state, number), record->watch);
    assert_ptr_equal(em_process_watch_get_loop(record->watch), *state);
    assert_null(em_loop_find_process(*state, number));
    em_process_watch_stop(record->watch);
    while (!record->unbind)
        system_turn(*state);
    assert_null(em_loop_find_process_watch(*state, number));
}

static void destroying_the_loop_ends_watches(void **state)
{
    watched *record = start_watch(*state, getpid());
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->exited, 0);
    assert_int_equal(record->unbind, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(the_end_of_a_child_is_reported_and_its_status_left_to_the_program),
        SYSTEM_TEST(a_child_that_has_ended_before_is_reported),
        SYSTEM_TEST(the_end_of_a_process_that_is_no_child_is_reported),
        SYSTEM_TEST(a_process_of_the_librarys_can_be_watched_too),
        SYSTEM_TEST(a_watch_that_was_stopped_reports_nothing),
        SYSTEM_TEST(a_watch_may_stop_another_whose_process_has_ended),
        SYSTEM_TEST(what_is_no_process_is_refused),
        SYSTEM_TEST(a_number_finds_a_watch_until_its_unbind_returns),
        SYSTEM_TEST(destroying_the_loop_ends_watches),
    };
    return SYSTEM_RUN(tests);
}
