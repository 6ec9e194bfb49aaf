/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Invariants: in a build with sanitizers one that does not hold ends the program and says which; elsewhere none is
 * checked.
 */
#include "base/invariant.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/features.h"
#include "base/handle_table.h"
#include "base/list.h"
#include "base/outbox.h"
#include "base/timer_queue.h"
#include "support/unit.h"

/* Runs in a child; what it writes to standard error is kept. Returns its status as of waitpid(2). */
static int run_in_child(void (*run)(void), char *output, size_t capacity)
{
    int ends[2];
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's would go on with the next test */
        dup2(ends[1], STDERR_FILENO);
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got = 1; got > 0 && length<capacity - 1; length += got> 0 ? (size_t)got : 0)
        got = read(ends[0], output + length, capacity - 1 - length);
    output[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void state_a_falsehood(void)
{
    EMI_INVARIANT(1 + 1 == 3);
}

static void state_a_truth(void)
{
    EMI_INVARIANT(1 + 1 == 2);
}

static void overwrite_a_link(void)
{
    emi_list list, first, second;
    emi_list_init(&list);
    emi_list_append(&list, &first);
    emi_list_append(&list, &second);
    first.next = &first;
    emi_list_remove(&second);
}

static void remove_a_timer_twice(void)
{
    emi_timer_queue queue;
    emi_timer timer;
    emi_timer_init(&timer);
    emi_timer_queue_init(&queue, 0);
    emi_timer_queue_add(&queue, &timer, 1);
    emi_timer_queue_remove(&queue, &timer);
    emi_timer_queue_remove(&queue, &timer);
}

static void give_a_number_back_twice(void)
{
    emi_memory memory;
    emi_handle_table table;
    emi_handle handle;
    uint64_t serial = 0;
    emi_memory_init(&memory, NULL);
    emi_handle_table_init(&table, &memory, &serial);
    emi_handle_table_add(&table, &handle);
    emi_handle copy = handle;
    emi_handle_table_remove(&table, &handle);
    emi_handle_table_remove(&table, &copy);
}

static void miscount_an_outbox(void)
{
    emi_memory memory;
    emi_outbox_pool pool;
    static emi_outbox outbox;
    emi_memory_init(&memory, NULL);
    emi_outbox_pool_init(&pool, &memory, 0);
    emi_outbox_append(&outbox, &pool, "four", 4);
    pool.bytes = 3;
    emi_outbox_clear(&outbox, &pool);
}

static void expect_death(void (*run)(void), const char *condition)
{
    char output[4096];
    int status = run_in_child(run, output, sizeof output);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("\"%s\" is broken and nobody notices: status %d", condition, status);
    assert_non_null(strstr(output, "broken invariant: "));
    assert_non_null(strstr(output, condition));
}

static void a_broken_invariant_ends_a_program_with_sanitizers_and_says_which(void **state)
{
    (void)state;
    if (!EMI_CHECK_INVARIANTS) {
        print_message("skipped: invariants are checked in builds with sanitizers only\n");
        skip();
    }
    expect_death(state_a_falsehood, "1 + 1 == 3");
    expect_death(overwrite_a_link, "link->previous->next == link");
    expect_death(remove_a_timer_twice, "emi_timer_is_pending(timer)");
    expect_death(give_a_number_back_twice, "== handle");
    expect_death(miscount_an_outbox, "outbox->bytes <= pool->bytes");
}

static void an_invariant_that_holds_is_silent(void **state)
{
    char output[64];
    (void)state;
    assert_int_equal(run_in_child(state_a_truth, output, sizeof output), 0);
    assert_string_equal(output, "");
}

static void other_builds_check_none(void **state)
{
    char output[64];
    (void)state;
    if (EMI_CHECK_INVARIANTS) {
        print_message("skipped: this build has sanitizers\n");
        skip();
    }
    assert_int_equal(run_in_child(state_a_falsehood, output, sizeof output), 0);
    assert_string_equal(output, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_invariant_ends_a_program_with_sanitizers_and_says_which),
        cmocka_unit_test(an_invariant_that_holds_is_silent),
        cmocka_unit_test(other_builds_check_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
