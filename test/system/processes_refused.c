/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The system has too few processes, descriptors or memory for another process. posix_spawn(3) is replaced for the whole
 * program, so that it can fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/system_process.h"
#include "support/system_test.h"

typedef int (*spawn_function)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                              char *const[], char *const[]);

static int spawn_error;

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    union {
        void *object;
        spawn_function function;
    } real = {.object = dlsym(RTLD_NEXT, "posix_spawn")};
    return spawn_error != 0 ? spawn_error : real.function(pid, path, actions, attributes, arguments, environment);
}

static em_status start(em_loop *loop, system_process *record)
{
    em_process_stream_options streams[3];
    for (unsigned i = 0; i < 3; i++)
        streams[i] = (em_process_stream_options){
            .size = sizeof streams[i], .kind = EM_PROCESS_PIPE, .handler = &system_recorder, .user = record->output};
    em_process_options options = {.size = sizeof options,
                                  .user = record,
                                  .command = "echo text; exit 3",
                                  .environment_changes = (const char *const[]){"A=b", NULL},
                                  .input = &streams[0],
                                  .output = &streams[1],
                                  .error = &streams[2]};
    return em_loop_start_process(loop, &options, &system_process_recorder, &record->process);
}

static void expect_nothing(em_loop *loop, const system_process *record)
{
    system_turn(loop);
    system_turn(loop);
    assert_null(record->process);
    assert_int_equal(record->exited + record->unbind, 0);
    assert_int_equal(record->output->post_init + record->output->unbind, 0);
    assert_int_equal(system_stats(loop).connections_open, 0);
}

static void too_many_processes_are_a_status(void **state)
{
    system_process *record = system_new_process();
    spawn_error = EAGAIN;
    assert_int_equal(start(*state, record), EM_LIMIT);
    assert_non_null(strstr(em_status_get_detail(EM_LIMIT), "no more processes"));
    expect_nothing(*state, record);
    spawn_error = ENOMEM;
    assert_int_equal(start(*state, record), EM_NO_MEMORY);
    spawn_error = 0;
    expect_nothing(*state, record);
    assert_int_equal(start(*state, record), EM_OK);
    system_await_process_unbind(*state, record);
    assert_int_equal(record->status.exit_status, 3);
}

/* With one descriptor more in each attempt, until it is enough for all but the descriptor of the process itself, and
 * then for that, too. */
static void too_few_descriptors_are_a_status(void **state)
{
    struct rlimit saved, limit;
    system_process *record = system_new_process();
    assert_int_equal(system_run_shell(*state, "exit 0"), 0);
    system_turn(*state);
    getrlimit(RLIMIT_NOFILE, &saved);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
    close(lowest);
    em_status status = EM_NO_DESCRIPTORS;
    unsigned refusals = 0;
    for (rlim_t more = 0; status != EM_OK; more++) {
        limit = saved;
        limit.rlim_cur = (rlim_t)lowest + more;
        setrlimit(RLIMIT_NOFILE, &limit);
        status = start(*state, record);
        setrlimit(RLIMIT_NOFILE, &saved);
        if (status == EM_OK)
            break;
        assert_int_equal(status, EM_NO_DESCRIPTORS);
        expect_nothing(*state, record);
        refusals++;
    }
    assert_in_range(refusals, 1, 20);
    system_await_process_unbind(*state, record);
    assert_int_equal(record->status.exit_status, 3);
}

/* Within one turn, with descriptors for one attempt only. */
static void programs_that_cannot_be_executed_leave_no_descriptors(void **state)
{
    struct rlimit saved, limit;
    system_process *record = system_new_process();
    assert_int_equal(system_run_shell(*state, "exit 0"), 0);
    system_turn(*state);
    unsigned descriptors = system_descriptors();
    getrlimit(RLIMIT_NOFILE, &saved);
    limit = saved;
    limit.rlim_cur = descriptors + 20;
    setrlimit(RLIMIT_NOFILE, &limit);
    spawn_error = ENOEXEC;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(start(*state, record), EM_SYSTEM_ERROR);
        assert_int_equal(system_descriptors(), descriptors);
    }
    spawn_error = 0;
    setrlimit(RLIMIT_NOFILE, &saved);
    expect_nothing(*state, record);
}

static void too_little_memory_is_a_status_at_every_allocation(void **state)
{
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    (void)state;
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator.allocator});
    system_process *record = system_new_process();
    em_status status = EM_NO_MEMORY;
    unsigned refusals = 0;
    for (unsigned long request = 1; status != EM_OK; request++, refusals++) {
        failing_allocator_fail(&allocator, request, EM_OFF);
        status = start(loop, record);
        failing_allocator_fail(&allocator, 0, EM_DEFAULT);
        if (status == EM_OK)
            break;
        assert_int_equal(status, EM_NO_MEMORY);
        expect_nothing(loop, record);
    }
    assert_true(refusals > 5);
    system_await_process_unbind(loop, record);
    assert_int_equal(record->status.exit_status, 3);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    assert_int_equal(allocator.live, 0);
}

static void too_little_memory_while_it_runs_loses_no_end(void **state)
{
    (void)state;
    for (unsigned long request = 1; request < 20; request++) {
        failing_allocator allocator;
        failing_allocator_init(&allocator);
        em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator.allocator});
        system_process *record = system_new_process();
        assert_int_equal(start(loop, record), EM_OK);
        failing_allocator_fail(&allocator, request, EM_ON);
        em_process_terminate(record->process);
        system_await_process_unbind(loop, record);
        assert_int_equal(record->exited, 1);
        failing_allocator_fail(&allocator, 0, EM_DEFAULT);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        assert_int_equal(allocator.live, 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(too_many_processes_are_a_status),
        SYSTEM_TEST(too_few_descriptors_are_a_status),
        SYSTEM_TEST(programs_that_cannot_be_executed_leave_no_descriptors),
        SYSTEM_TEST(too_little_memory_is_a_status_at_every_allocation),
        SYSTEM_TEST(too_little_memory_while_it_runs_loses_no_end),
    };
    return SYSTEM_RUN(tests);
}
