/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches and their loop: many events, descriptors, memory, forks, wrong arguments.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/system_peer.h"
#include "support/system_test.h"
#include "support/watched_directory.h"

#define WATCH_TEST(function)                                                                                           \
    cmocka_unit_test_setup_teardown(function, watched_directory_set_up, watched_directory_tear_down)

static watch_record *others[2];

static watch_record *watch(em_loop *loop, const char *path)
{
    watch_record *record = system_memory(sizeof *record);
    watch_path(loop, path, record);
    return record;
}

static void lost_events_are_reported_by_every_watch_and_later_ones_as_well(void **state)
{
    enum { MORE_THAN_THE_QUEUE_TAKES = 70000 };
    write_file("a", "");
    write_file("b", "");
    int a = open("a", O_WRONLY);
    int b = open("b", O_WRONLY);
    watch_record *records[] = {watch(*state, "a"), watch(*state, "b"), watch(*state, ".")};
    watch_record *gone = watch(*state, "b");
    for (unsigned i = 0; i < MORE_THAN_THE_QUEUE_TAKES / 4; i++)
        assert_true(write(a, "x", 1) == 1 && write(b, "x", 1) == 1);
    em_file_watch_stop(gone->watch);
    settle_watches(*state);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(records[i]->lost, 1);
        records[i]->modified = 0;
    }
    assert_int_equal(gone->lost, 0);
    assert_true(write(a, "x", 1) == 1 && write(b, "x", 1) == 1);
    settle_watches(*state);
    assert_int_equal(records[0]->modified, 1);
    assert_int_equal(records[1]->modified, 1);
    assert_int_equal(records[2]->modified, 2);
    close(a);
    close(b);
}

static void count_tick(em_loop *loop, void *user)
{
    ++*(unsigned *)user;
    em_loop_next_tick(loop, count_tick, user, NULL);
}

static void many_events_do_not_hold_up_the_loop(void **state)
{
    enum { EVENTS = 4000 };
    unsigned *ticks = system_memory(sizeof *ticks);
    write_file("a", "");
    write_file("b", "");
    watch_record *a = watch(*state, "a");
    watch_record *b = watch(*state, "b");
    for (unsigned i = 0; i < EVENTS / 2; i++) {
        assert_int_equal(truncate("a", i % 2), 0);
        assert_int_equal(truncate("b", i % 2), 0);
    }
    assert_int_equal(em_loop_next_tick(*state, count_tick, ticks, NULL), EM_OK);
    while (a->modified + b->modified < EVENTS)
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_true(*ticks >= EVENTS / 256);
}

static unsigned inotify_descriptors(int *one)
{
    unsigned count = 0;
    for (int descriptor = 0; descriptor < 256; descriptor++) {
        char path[64];
        char target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "inotify")) {
            *one = descriptor;
            count++;
        }
    }
    return count;
}

static void a_loop_has_one_descriptor_as_long_as_it_watches(void **state)
{
    int descriptor = -1;
    write_file("file", "");
    for (unsigned round = 0; round < 3; round++) {
        while (inotify_descriptors(&descriptor) > 0)
            sched_yield(); /* a thread closes it */
        watch_record *records[] = {watch(*state, "file"), watch(*state, "."), watch(*state, "file")};
        assert_int_equal(inotify_descriptors(&descriptor), 1);
        assert_true(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
        for (unsigned i = 0; i < 3; i++)
            em_file_watch_stop(records[i]->watch);
        settle_watches(*state);
    }
}

static void destroying_the_loop_ends_its_watches(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    write_file("file", "x");
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_OK);
}

static void wrong_arguments_are_refused(void **state)
{
    em_file_watch *made = (em_file_watch *)*state; /* anything but NULL */
    em_file_watch_options wrong = {.size = sizeof wrong, .follow_links = (em_switch)7};
    em_file_watch_options future = {.size = sizeof future, .reserved = 1};
    em_file_watch_options unset = {.size = 0};
    em_file_watch_handler unknown = {.reserved = {(void (*)(void))wrong_arguments_are_refused}};
    write_file("file", "");
    assert_int_equal(em_loop_watch_file(*state, NULL, &recording_watches, NULL, &made), EM_INVALID_ARGUMENT);
    assert_null(made);
    assert_int_equal(em_loop_watch_file(*state, "", &recording_watches, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "file", NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "file", &unknown, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "file", &recording_watches, &wrong, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "file", &recording_watches, &future, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "file", &recording_watches, &unset, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(NULL, "file", &recording_watches, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_file(*state, "nothing", &recording_watches, NULL, NULL), EM_NO_SUCH_FILE);
    assert_int_equal(em_loop_watch_file(*state, "file/below", &recording_watches, NULL, NULL), EM_NO_SUCH_FILE);
    assert_int_equal(system_stats(*state).file_watches_open, 0);
    em_file_watch_stop(NULL);
    assert_null(em_file_watch_get_loop(NULL));
    assert_null(em_file_watch_get_user(NULL));
    assert_string_equal(em_file_watch_get_path(NULL), "");
    assert_int_equal(em_file_watch_get_signature(NULL), 0);
}

static void a_long_path_is_refused_and_a_thousand_failures_leave_nothing_behind(void **state)
{
    char *path = system_memory(100000);
    memset(path, 'x', 99999);
    unsigned before = system_descriptors();
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(em_loop_watch_file(*state, path, &recording_watches, NULL, NULL), EM_PATH_TOO_LONG);
        assert_int_equal(em_loop_watch_file(*state, "nothing", &recording_watches, NULL, NULL), EM_NO_SUCH_FILE);
    }
    assert_int_equal(system_descriptors(), before);
}

static void without_memory_a_watch_is_refused_and_others_go_on(void **state)
{
    failing_allocator memory;
    failing_allocator_init(&memory);
    em_loop_destroy(*state);
    em_loop *loop = *state = system_create_loop((em_loop_options){.allocator = &memory.allocator});
    write_file("file", "");
    watch_record *records[40];
    for (unsigned i = 0; i < 40; i++) {
        records[i] = system_memory(sizeof **records);
        em_file_watch_options options = {.size = sizeof options, .user = records[i]};
        em_status status = EM_NO_MEMORY;
        char path[16];
        snprintf(path, sizeof path, "file%u", i / 2);
        write_file(path, "x"); /* the second watch of a file finds an event that was not read */
        for (unsigned long n = 1; status != EM_OK; n++) {
            failing_allocator_fail(&memory, n, EM_OFF);
            status = em_loop_watch_file(loop, path, &recording_watches, &options, &records[i]->watch);
            assert_true(status == EM_OK || status == EM_NO_MEMORY);
        }
        failing_allocator_fail(&memory, 0, EM_OFF);
        write_file(path, "x");
    }
    settle_watches(loop);
    for (unsigned i = 0; i < 40; i++)
        assert_true(records[i]->modified >= 1);
    em_loop_destroy(loop);
    *state = NULL;
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(records[i]->unbind, 1);
    assert_int_equal(atomic_load(&memory.live), 0);
}

static void leave_in_child(void *user)
{
    em_loop *loop = user;
    watch_record *record = others[0];
    system_child_check(em_loop_watch_file(loop, "file", &recording_watches, NULL, NULL) == EM_FORKED, "refused");
    em_file_watch_stop(record->watch);
    system_child_check(em_loop_destroy(loop) == EM_OK, "destroyed");
    system_child_check(record->unbind == 1, "its copy of the watch has ended");
}

static void a_forked_child_does_not_end_the_watches_of_its_parent(void **state)
{
    write_file("file", "");
    others[0] = watch(*state, "file");
    assert_int_equal(system_wait(system_fork(leave_in_child, *state)), 0);
    write_file("file", "x");
    settle_watches(*state);
    assert_int_equal(others[0]->modified, 1);
}

static void go_on_in_child(void *user)
{
    em_loop *loop = user;
    em_file_watch_stop(others[1]->watch);
    system_child_check(em_loop_take_over(loop) == EM_OK, "taken over");
    write_file("file", "x");
    settle_watches(loop);
    system_child_check(others[0]->modified == 1, "reported in the child");
    em_file_watch_stop(others[0]->watch);
    settle_watches(loop);
    system_child_check(others[0]->unbind == 1 && others[1]->unbind == 1, "ended in the child");
    system_child_check(em_loop_destroy(loop) == EM_OK, "destroyed");
}

static void watches_go_on_in_a_child_that_takes_over_the_loop(void **state)
{
    write_file("file", "");
    write_file("other", "");
    others[0] = watch(*state, "file");
    others[1] = watch(*state, "other");
    pid_t child = system_fork(go_on_in_child, *state);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(system_wait(child), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WATCH_TEST(lost_events_are_reported_by_every_watch_and_later_ones_as_well),
        WATCH_TEST(many_events_do_not_hold_up_the_loop),
        WATCH_TEST(a_loop_has_one_descriptor_as_long_as_it_watches),
        WATCH_TEST(destroying_the_loop_ends_its_watches),
        WATCH_TEST(wrong_arguments_are_refused),
        WATCH_TEST(a_long_path_is_refused_and_a_thousand_failures_leave_nothing_behind),
        WATCH_TEST(without_memory_a_watch_is_refused_and_others_go_on),
        WATCH_TEST(a_forked_child_does_not_end_the_watches_of_its_parent),
        WATCH_TEST(watches_go_on_in_a_child_that_takes_over_the_loop),
    };
    return SYSTEM_RUN(tests);
}
