/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Making and ending loops: options, backends by name, the hook around waits, running out of memory. Real backends.
 */
#include <eventmachine.h>

#include "support/sockets.h"
#include "support/test_clock.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const backends[] = {"epoll", "poll"};

static void do_nothing(em_loop *loop, void *user)
{
    (void)loop;
    (void)user;
}

static void stop(em_loop *loop, void *user)
{
    (void)user;
    em_loop_stop(loop);
}

static void stop_by_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    stop(loop, user);
}

static void every_backend_of_the_manual_can_be_chosen_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(backends); i++) {
        em_loop *loop;
        em_loop_options options = {.size = sizeof options, .backend = backends[i]};
        assert_int_equal(em_loop_create(&options, &loop), EM_OK);
        assert_string_equal(em_loop_get_backend(loop), backends[i]);
        assert_int_equal(em_loop_add_timer(loop, EM_MILLISECONDS, stop_by_timer, NULL, NULL, NULL), EM_OK);
        assert_int_equal(em_loop_run(loop), EM_OK);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
    }
    assert_string_equal(em_loop_get_backend(NULL), "none");
}

static void unknown_backends_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"nonesuch", "epol", "epoll2", "", "a name that is longer than any backend's"};
    for (size_t i = 0; i < COUNT(names); i++) {
        em_loop *loop = (em_loop *)(void *)&loop;
        em_loop_options options = {.size = sizeof options, .backend = names[i]};
        if (names[i][0] == '\0')
            continue; /* as good as none */
        assert_int_equal(em_loop_create(&options, &loop), EM_UNKNOWN_BACKEND);
        assert_null(loop);
    }
}

static void keep_message(void *user, em_log_level level, const char *message)
{
    assert_int_equal(level, EM_LOG_ERROR);
    snprintf(user, 512, "%s", message);
}

static void the_log_names_the_refused_backend_its_source_and_the_choices(void **state)
{
    (void)state;
    em_loop *loop;
    char message[512] = "";
    em_loop_options options = {.size = sizeof options, .log = keep_message, .log_user = message};
    setenv("EM_BACKEND", "carrier pigeons", 1);
    assert_int_equal(em_loop_create(&options, &loop), EM_UNKNOWN_BACKEND);
    assert_non_null(strstr(message, "unknown or unavailable backend \"carrier pigeons\" (EM_BACKEND)"));
    assert_non_null(strstr(message, "; choices: "));
    assert_non_null(strstr(message, "epoll, poll"));
    options.backend = "smoke";
    assert_int_equal(em_loop_create(&options, &loop), EM_UNKNOWN_BACKEND);
    assert_non_null(strstr(message, "\"smoke\" (em_loop_options)"));
    unsetenv("EM_BACKEND");
}

/* A program without a log reports at the end of main(). */
static void a_report_names_the_refused_backend_and_the_choices(void **state)
{
    (void)state;
    em_loop *loop;
    char report[512] = "";
    int ends[2];
    int saved = dup(STDERR_FILENO);
    if (saved < 0) {
        print_message("skipped: standard error is closed\n");
        skip();
    }
    assert_int_equal(pipe(ends), 0);
    setenv("EM_BACKEND", "carrier pigeons", 1);
    em_status status = em_loop_create(NULL, &loop);
    unsetenv("EM_BACKEND");
    dup2(ends[1], STDERR_FILENO);
    int result = em_status_report(status);
    dup2(saved, STDERR_FILENO);
    assert_true(read(ends[0], report, sizeof report - 1) > 0);
    assert_int_equal(result, 1);
    assert_non_null(strstr(report, "\"carrier pigeons\""));
    assert_non_null(strstr(report, "epoll, poll"));
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void the_environment_chooses_where_the_program_does_not(void **state)
{
    (void)state;
    em_loop *loop;
    em_loop_options options = {.size = sizeof options, .backend = "epoll"};
    setenv("EM_BACKEND", "poll", 1);
    assert_int_equal(em_loop_create(NULL, &loop), EM_OK);
    assert_string_equal(em_loop_get_backend(loop), "poll");
    em_loop_destroy(loop);
    assert_int_equal(em_loop_create(&options, &loop), EM_OK);
    assert_string_equal(em_loop_get_backend(loop), "epoll");
    em_loop_destroy(loop);
    setenv("EM_BACKEND", "nonesuch", 1);
    assert_int_equal(em_loop_create(NULL, &loop), EM_UNKNOWN_BACKEND);
    unsetenv("EM_BACKEND");
}

static void options_fit_older_and_newer_callers(void **state)
{
    (void)state;
    em_loop *loop;
    struct newer {
        em_loop_options known;
        uint64_t unknown[4];
    } newer = {.known = {.size = sizeof newer}};
    assert_int_equal(em_loop_create(&newer.known, &loop), EM_OK);
    em_loop_destroy(loop);
    /* An older caller's struct ends before `allocator`, whatever stands there. */
    struct older {
        size_t size;
        const char *backend;
    } *older = malloc(sizeof *older);
    assert_non_null(older);
    *older = (struct older){.size = sizeof *older, .backend = "poll"};
    assert_int_equal(em_loop_create((const em_loop_options *)(const void *)older, &loop), EM_OK);
    assert_string_equal(em_loop_get_backend(loop), "poll");
    em_loop_destroy(loop);
    free(older);
    em_loop_options unset = {.size = 0};
    assert_int_equal(em_loop_create(&unset, &loop), EM_INVALID_ARGUMENT);
    assert_null(loop);
    assert_int_equal(em_loop_create(NULL, NULL), EM_INVALID_ARGUMENT);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    em_loop *loop;
    em_loop_options large = {.size = sizeof large, .receive_buffer_bytes = 16 * 1024 * 1024 + 1};
    em_loop_options many = {.size = sizeof many, .pool_threads = 65};
    static const em_allocator empty = {.reallocate = NULL};
    em_loop_options without_memory = {.size = sizeof without_memory, .allocator = &empty};
    em_loop_options jobs = {.size = sizeof jobs, .job_limit = (1 << 28) + 1};
    assert_int_equal(em_loop_create(&jobs, &loop), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_create(&without_memory, &loop), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_create(&large, &loop), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_create(&many, &loop), EM_INVALID_ARGUMENT);
    large.receive_buffer_bytes--;
    many.pool_threads--;
    assert_int_equal(em_loop_create(&large, &loop), EM_OK);
    em_loop_destroy(loop);
    assert_int_equal(em_loop_create(&many, &loop), EM_OK);
    em_loop_destroy(loop);
}

typedef struct hook {
    unsigned calls;
    em_loop *loop;
    em_call post; /* posted by "another", just before the wait */
} hook;

static void around(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    hook *called = user;
    called->calls++;
    wait(wait_data);
}

static void open_with_hook(em_loop **loop, const char *backend, hook *called)
{
    em_loop_options options = {
        .size = sizeof options, .backend = backend, .around_wait = around, .around_wait_user = called};
    *called = (hook){.calls = 0};
    assert_int_equal(em_loop_create(&options, loop), EM_OK);
    called->loop = *loop;
}

static void the_hook_is_called_around_waits_that_may_block_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(backends); i++) {
        em_loop *loop;
        hook called;
        em_loop_stats stats;
        open_with_hook(&loop, backends[i], &called);
        assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        em_loop_next_tick(loop, do_nothing, NULL, NULL);
        em_loop_next_tick(loop, do_nothing, NULL, NULL);
        assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        assert_int_equal(called.calls, 0);
        assert_int_equal(em_loop_run_once(loop, 1), EM_OK);
        assert_int_equal(called.calls, 1);
        em_loop_post(loop, stop, NULL, NULL);
        assert_int_equal(em_loop_run(loop), EM_OK);
        assert_int_equal(called.calls, 1);
        em_loop_get_stats(loop, &stats, sizeof stats);
        assert_int_equal(stats.waits, 1);
        em_loop_destroy(loop);
    }
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

/* A client of an echo server on the loop, connected and served once. */
static int open_client(em_loop *loop)
{
    static const em_handler handler = {.receive_data = echo};
    em_server *server;
    em_address address;
    char byte;
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, &handler, NULL, &server), EM_OK);
    assert_int_equal(em_server_get_local_address(server, &address), EM_OK);
    int client = tcp_connect(&address);
    for (bool echoed = false; !echoed;) {
        send_now(client, "x", 1);
        assert_int_equal(em_loop_run_once(loop, 10 * EM_MILLISECONDS), EM_OK);
        echoed = receive_now(client, &byte, 1, NULL) == 1;
    }
    return client;
}

static void a_busy_loop_never_calls_the_hook(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(backends); i++) {
        em_loop *loop;
        hook called;
        open_with_hook(&loop, backends[i], &called);
        int client = open_client(loop);
        unsigned before = called.calls;
        for (unsigned round = 0; round < 100; round++) {
            assert_int_equal(send_now(client, "x", 1), 1);
            assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_OK);
        }
        assert_int_equal(called.calls, before);
        close_with_reset(client);
        em_loop_destroy(loop);
    }
}

static void wake(em_loop *loop, void *user)
{
    (void)user;
    em_loop_wake(loop);
}

/* The first wait, which is short and keeps the host's lock, takes the wake; the second must know of it. */
static void a_wake_after_the_calls_of_the_turn_is_not_lost_between_the_two_waits(void **state)
{
    (void)state;
    deadline_start(20);
    for (size_t i = 0; i < COUNT(backends); i++) {
        em_loop *loop;
        hook called;
        open_with_hook(&loop, backends[i], &called);
        int client = open_client(loop);
        for (unsigned round = 0; round < 10; round++) {
            assert_int_equal(send_now(client, "x", 1), 1);
            assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_OK);
            assert_int_equal(em_loop_next_tick(loop, wake, NULL, NULL), EM_OK);
            assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_OK);
        }
        close_with_reset(client);
        em_loop_destroy(loop);
    }
    deadline_stop();
}

static void the_descriptor_becomes_readable_when_there_are_events(void **state)
{
    (void)state;
    em_loop *loop;
    int descriptor;
    em_loop_options options = {.size = sizeof options, .backend = "epoll"};
    assert_int_equal(em_loop_create(&options, &loop), EM_OK);
    assert_int_equal(em_loop_get_descriptor(loop, &descriptor), EM_OK);
    assert_false(wait_until_readable(descriptor, 0));
    em_loop_post(loop, do_nothing, NULL, NULL);
    assert_true(wait_until_readable(descriptor, 0));
    assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
    assert_false(wait_until_readable(descriptor, 0));
    assert_int_equal(em_loop_get_descriptor(loop, NULL), EM_INVALID_ARGUMENT);
    em_loop_destroy(loop);
    options.backend = "poll";
    assert_int_equal(em_loop_create(&options, &loop), EM_OK);
    assert_int_equal(em_loop_get_descriptor(loop, &descriptor), EM_UNSUPPORTED);
    em_loop_destroy(loop);
}

static void without_memory_no_loop_is_created_and_nothing_leaks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(backends); i++) {
        em_status status = EM_NO_MEMORY;
        for (unsigned long n = 1; status != EM_OK; n++) {
            failing_allocator allocator;
            em_loop *loop;
            em_loop_options options = {.size = sizeof options, .backend = backends[i]};
            unsigned descriptors = count_descriptors();
            failing_allocator_init(&allocator);
            options.allocator = &allocator.allocator;
            failing_allocator_fail(&allocator, n, EM_OFF);
            status = em_loop_create(&options, &loop);
            assert_true(n < 100);
            assert_int_equal(status, atomic_load(&allocator.failures) > 0 ? EM_NO_MEMORY : EM_OK);
            if (status != EM_OK)
                assert_null(loop);
            em_loop_destroy(loop);
            assert_int_equal(atomic_load(&allocator.live), 0);
            assert_int_equal(count_descriptors(), descriptors);
            assert_true(n > 1 || status == EM_NO_MEMORY);
        }
    }
}

static void two_loops_are_independent(void **state)
{
    (void)state;
    em_loop *loops[2];
    assert_int_equal(em_loop_create(NULL, &loops[0]), EM_OK);
    assert_int_equal(em_loop_create(NULL, &loops[1]), EM_OK);
    assert_int_equal(em_loop_stop(loops[0]), EM_OK);
    assert_int_equal(em_loop_is_stopping(loops[1]), 0);
    em_loop_next_tick(loops[1], stop, NULL, NULL);
    assert_int_equal(em_loop_run(loops[1]), EM_OK);
    assert_int_equal(em_loop_is_stopping(loops[0]), 1);
    em_loop_destroy(loops[0]);
    em_loop_destroy(loops[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_backend_of_the_manual_can_be_chosen_by_name),
        cmocka_unit_test(unknown_backends_are_refused),
        cmocka_unit_test(the_log_names_the_refused_backend_its_source_and_the_choices),
        cmocka_unit_test(a_report_names_the_refused_backend_and_the_choices),
        cmocka_unit_test(the_environment_chooses_where_the_program_does_not),
        cmocka_unit_test(options_fit_older_and_newer_callers),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(the_hook_is_called_around_waits_that_may_block_and_no_others),
        cmocka_unit_test(a_busy_loop_never_calls_the_hook),
        cmocka_unit_test(a_wake_after_the_calls_of_the_turn_is_not_lost_between_the_two_waits),
        cmocka_unit_test(the_descriptor_becomes_readable_when_there_are_events),
        cmocka_unit_test(without_memory_no_loop_is_created_and_nothing_leaks),
        cmocka_unit_test(two_loops_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
