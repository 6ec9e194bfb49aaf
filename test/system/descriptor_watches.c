/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of real descriptors: pipes, files, terminals, sockets that connections use as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

typedef struct watched {
    em_descriptor_watch *watch; /* NULL after unbind */
    unsigned readable, writable, unbinds;
    em_status reason;
    bool drains; /* reads one byte when it is readable */
    void (*on_readable)(struct watched *watched);
    void *other;
} watched;

static void readable(em_descriptor_watch *watch)
{
    watched *user = em_descriptor_watch_get_user(watch);
    char byte;
    user->readable++;
    if (user->drains)
        assert_in_range(read(em_descriptor_watch_get_descriptor(watch), &byte, 1), 0, 1);
    if (user->on_readable)
        user->on_readable(user);
}

static void writable(em_descriptor_watch *watch)
{
    watched *user = em_descriptor_watch_get_user(watch);
    user->writable++;
}

static void unbind(em_descriptor_watch *watch, em_status reason)
{
    watched *user = em_descriptor_watch_get_user(watch);
    user->unbinds++;
    user->reason = reason;
    user->watch = NULL;
}

static const em_descriptor_watch_handler handler = {
    .notify_readable = readable, .notify_writable = writable, .unbind = unbind};

static watched *watch(em_loop *loop, int descriptor, em_switch notify_readable, em_switch notify_writable)
{
    watched *user = system_memory(sizeof *user);
    em_descriptor_watch_options options = {
        .size = sizeof options, .user = user, .notify_readable = notify_readable, .notify_writable = notify_writable};
    assert_int_equal(em_loop_watch_descriptor(loop, descriptor, &handler, &options, &user->watch), EM_OK);
    return user;
}

static void make_pipe(int ends[2])
{
    assert_return_code(pipe2(ends, O_CLOEXEC), errno);
}

static void close_pipe(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static void detach(em_loop *loop, watched *user)
{
    assert_int_equal(em_descriptor_watch_detach(user->watch), EM_OK);
    while (!user->unbinds)
        system_turn(loop);
    assert_int_equal(user->reason, EM_OK);
}

/* The loop waits instead of spinning. */
static void expect_idle(em_loop *loop)
{
    uint64_t before_ns = system_cpu_ns();
    system_run_for(loop, 100 * EM_MILLISECONDS);
    assert_in_range(system_cpu_ns() - before_ns, 0, 80 * EM_MILLISECONDS);
}

static void a_watch_leaves_the_flags_as_they_are_and_the_descriptor_open(void **state)
{
    int ends[2];
    assert_return_code(pipe(ends), errno);
    int flags = fcntl(ends[0], F_GETFL);
    watched *user = watch(*state, ends[0], EM_ON, EM_OFF);
    system_turn(*state);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    assert_int_equal(fcntl(ends[0], F_GETFD), 0);
    detach(*state, user);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    close_pipe(ends);
}

static void readiness_is_reported_in_each_turn_as_long_as_it_lasts(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *user = watch(*state, ends[0], EM_ON, EM_OFF);
    expect_idle(*state);
    assert_int_equal(user->readable, 0);
    assert_int_equal(write(ends[1], "12345", 5), 5);
    for (unsigned i = 1; i <= 10; i++) {
        while (user->readable < i)
            system_turn(*state);
    }
    user->drains = true;
    while (user->readable < 15)
        system_turn(*state);
    expect_idle(*state);
    assert_int_equal(user->readable, 15);
    detach(*state, user);
    close_pipe(ends);
}

static void a_hang_up_is_reported_only_while_it_is_asked_for(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *user = watch(*state, ends[0], EM_OFF, EM_OFF);
    close(ends[1]);
    expect_idle(*state);
    assert_int_equal(user->readable, 0);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user->watch, EM_ON), EM_OK);
    while (user->readable < 3)
        system_turn(*state);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user->watch, EM_OFF), EM_OK);
    unsigned before = user->readable;
    expect_idle(*state);
    assert_int_equal(user->readable, before);
    detach(*state, user);
    close(ends[0]);
}

static void an_error_is_reported_as_whichever_notification_is_on(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *user = watch(*state, ends[1], EM_OFF, EM_ON);
    close(ends[0]);
    while (user->writable < 3)
        system_turn(*state);
    assert_int_equal(em_descriptor_watch_set_notify_writable(user->watch, EM_OFF), EM_OK);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user->watch, EM_ON), EM_OK);
    while (user->readable < 3)
        system_turn(*state);
    detach(*state, user);
    close(ends[1]);
}

static void regular_files_and_the_null_device_are_always_ready(void **state)
{
    static const char *const paths[] = {"/proc/self/exe", "/dev/null"};
    for (unsigned i = 0; i < 2; i++) {
        int file = open(paths[i], O_RDONLY | O_CLOEXEC);
        watched *user = watch(*state, file, EM_ON, EM_ON);
        while (user->readable < 3 || user->writable < 3)
            system_turn(*state);
        assert_int_equal(em_descriptor_watch_set_notify_readable(user->watch, EM_OFF), EM_OK);
        assert_int_equal(em_descriptor_watch_set_notify_writable(user->watch, EM_OFF), EM_OK);
        system_turn(*state);
        expect_idle(*state);
        detach(*state, user);
        close(file);
    }
}

static void an_inotify_descriptor_and_an_eventfd_can_be_watched(void **state)
{
    int descriptors[] = {inotify_init1(IN_CLOEXEC | IN_NONBLOCK), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    char path[] = "/tmp/em-watch-XXXXXX";
    uint64_t one = 1;
    int file = mkostemp(path, O_CLOEXEC);
    assert_true(inotify_add_watch(descriptors[0], path, IN_MODIFY) >= 0);
    watched *files = watch(*state, descriptors[0], EM_ON, EM_OFF);
    watched *events = watch(*state, descriptors[1], EM_ON, EM_OFF);
    system_turn(*state);
    assert_int_equal(files->readable + events->readable, 0);
    assert_int_equal(write(file, "x", 1), 1);
    assert_int_equal(write(descriptors[1], &one, sizeof one), sizeof one);
    while (files->readable == 0 || events->readable == 0)
        system_turn(*state);
    detach(*state, files);
    detach(*state, events);
    close(file);
    unlink(path);
    close(descriptors[0]);
    close(descriptors[1]);
}

static void several_watches_of_one_descriptor_are_all_served(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *first = watch(*state, ends[0], EM_ON, EM_OFF);
    watched *second = watch(*state, ends[0], EM_ON, EM_OFF);
    watched *silent = watch(*state, ends[0], EM_OFF, EM_OFF);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (first->readable < 3 || second->readable < 3)
        system_turn(*state);
    assert_int_equal(silent->readable, 0);
    detach(*state, first);
    unsigned before = second->readable;
    while (second->readable < before + 3)
        system_turn(*state);
    detach(*state, second);
    detach(*state, silent);
    expect_idle(*state);
    close_pipe(ends);
}

static void a_connection_s_descriptor_can_be_watched_as_well(void **state)
{
    int ends[2];
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_attach_options options = {.size = sizeof options, .user = record};
    em_connection *connection;
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &options, &connection), EM_OK);
    watched *user = watch(*state, ends[0], EM_OFF, EM_ON);
    while (user->writable < 3)
        system_turn(*state);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    while (record->bytes < 5)
        system_turn(*state);
    detach(*state, user);
    assert_int_equal(write(ends[1], "again", 5), 5);
    while (record->bytes < 10)
        system_turn(*state);
    close(ends[1]);
    while (!record->unbind)
        system_turn(*state);
    assert_int_equal(record->reason, EM_OK);
}

/* As a database client does: it closes its socket and opens another one, which gets the same number. */
static void watch_again(watched *user)
{
    int *ends = user->other;
    em_loop *loop = em_descriptor_watch_get_loop(user->watch);
    int number = ends[0];
    assert_int_equal(em_descriptor_watch_detach(user->watch), EM_OK);
    close_pipe(ends);
    make_pipe(ends);
    if (ends[0] != number) {
        assert_int_equal(dup3(ends[0], number, O_CLOEXEC), number);
        close(ends[0]);
        ends[0] = number;
    }
    user->on_readable = NULL;
    user->other = watch(loop, ends[0], EM_ON, EM_OFF);
}

static void a_number_can_be_closed_opened_and_watched_again_within_one_callback(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *first = watch(*state, ends[0], EM_ON, EM_OFF);
    first->on_readable = watch_again;
    first->other = ends;
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (!first->unbinds)
        system_turn(*state);
    watched *second = first->other;
    expect_idle(*state);
    assert_int_equal(first->readable, 1);
    assert_int_equal(second->readable, 0);
    assert_int_equal(write(ends[1], "y", 1), 1);
    while (second->readable < 3)
        system_turn(*state);
    detach(*state, second);
    close_pipe(ends);
}

static void stop_the_other(watched *user)
{
    watched *other = user->other;
    assert_int_equal(em_descriptor_watch_set_notify_readable(other->watch, EM_OFF), EM_OK);
}

static void what_another_callback_of_the_turn_switches_off_is_not_reported_any_more(void **state)
{
    int ends[2][2];
    watched *both[2];
    for (unsigned i = 0; i < 2; i++) {
        make_pipe(ends[i]);
        both[i] = watch(*state, ends[i][0], EM_ON, EM_OFF);
        both[i]->on_readable = stop_the_other;
        assert_int_equal(write(ends[i][1], "x", 1), 1);
    }
    both[0]->other = both[1];
    both[1]->other = both[0];
    while (both[0]->readable + both[1]->readable < 5)
        system_turn(*state);
    assert_true(both[0]->readable == 0 || both[1]->readable == 0);
    for (unsigned i = 0; i < 2; i++) {
        detach(*state, both[i]);
        close_pipe(ends[i]);
    }
}

static void after_detach_a_copy_elsewhere_causes_no_report_and_no_work(void **state)
{
    int ends[2];
    make_pipe(ends);
    int copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
    watched *user = watch(*state, ends[0], EM_ON, EM_OFF);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (user->readable == 0)
        system_turn(*state);
    unsigned before = user->readable;
    detach(*state, user);
    close(ends[0]);
    expect_idle(*state);
    assert_int_equal(user->readable, before);
    close(copy);
    close(ends[1]);
}

static void a_descriptor_closed_before_its_watch_was_detached_does_no_harm(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *user = watch(*state, ends[0], EM_ON, EM_OFF);
    system_turn(*state);
    close(ends[0]);
    expect_idle(*state);
    assert_int_equal(user->readable, 0);
    if (strcmp(system_backend(), "poll") == 0)
        assert_int_equal(user->reason, EM_BAD_DESCRIPTOR);
    else
        detach(*state, user);
    assert_int_equal(user->unbinds, 1);
    close(ends[1]);
}

static void a_closed_descriptor_and_a_directory_are_refused(void **state)
{
    em_descriptor_watch *none;
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal(em_loop_watch_descriptor(*state, directory, &handler, NULL, &none), EM_INVALID_ARGUMENT);
    close(directory);
    assert_int_equal(em_loop_watch_descriptor(*state, directory, &handler, NULL, &none), EM_BAD_DESCRIPTOR);
    assert_null(none);
}

static void a_thousand_watches_are_served(void **state)
{
    enum { WATCHES = 1000 };
    watched *all[WATCHES];
    int copies[WATCHES];
    int ends[2];
    make_pipe(ends);
    for (unsigned i = 0; i < WATCHES; i++) {
        copies[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
        if (copies[i] < 0)
            system_skip("too few descriptors are allowed");
        all[i] = watch(*state, copies[i], EM_ON, EM_OFF);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (unsigned i = 0; i < WATCHES; i++)
        while (all[i]->readable < 3)
            system_turn(*state);
    for (unsigned i = 0; i < WATCHES; i++) {
        detach(*state, all[i]);
        close(copies[i]);
    }
    close_pipe(ends);
}

static void take_over_and_watch(void *argument)
{
    watched *user = argument;
    em_loop *loop = em_descriptor_watch_get_loop(user->watch);
    system_child_check(em_loop_take_over(loop) == EM_OK, "the child takes over the loop");
    int *ends = user->other;
    system_child_check(write(ends[1], "x", 1) == 1, "the child writes");
    while (user->readable < 3)
        em_loop_run_once(loop, 10 * EM_MILLISECONDS);
    em_descriptor_watch_detach(user->watch);
    while (!user->unbinds)
        em_loop_run_once(loop, 10 * EM_MILLISECONDS);
    system_child_check(user->reason == EM_OK, "the watch ends");
    em_loop_destroy(loop);
}

static void watches_go_on_in_a_child_that_takes_over_the_loop(void **state)
{
    int ends[2];
    make_pipe(ends);
    watched *user = watch(*state, ends[0], EM_ON, EM_OFF);
    watched *second = watch(*state, ends[0], EM_ON, EM_OFF);
    user->other = ends;
    pid_t child = system_fork(take_over_and_watch, user);
    assert_int_equal(system_wait(child), 0);
    em_descriptor_watch_detach(second->watch);
    em_descriptor_watch_detach(user->watch);
    while (!user->unbinds || !second->unbinds)
        system_turn(*state);
    close_pipe(ends);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_watch_leaves_the_flags_as_they_are_and_the_descriptor_open),
        SYSTEM_TEST(readiness_is_reported_in_each_turn_as_long_as_it_lasts),
        SYSTEM_TEST(a_hang_up_is_reported_only_while_it_is_asked_for),
        SYSTEM_TEST(an_error_is_reported_as_whichever_notification_is_on),
        SYSTEM_TEST(regular_files_and_the_null_device_are_always_ready),
        SYSTEM_TEST(an_inotify_descriptor_and_an_eventfd_can_be_watched),
        SYSTEM_TEST(several_watches_of_one_descriptor_are_all_served),
        SYSTEM_TEST(a_connection_s_descriptor_can_be_watched_as_well),
        SYSTEM_TEST(a_number_can_be_closed_opened_and_watched_again_within_one_callback),
        SYSTEM_TEST(what_another_callback_of_the_turn_switches_off_is_not_reported_any_more),
        SYSTEM_TEST(after_detach_a_copy_elsewhere_causes_no_report_and_no_work),
        SYSTEM_TEST(a_descriptor_closed_before_its_watch_was_detached_does_no_harm),
        SYSTEM_TEST(a_closed_descriptor_and_a_directory_are_refused),
        SYSTEM_TEST(a_thousand_watches_are_served),
        SYSTEM_TEST(watches_go_on_in_a_child_that_takes_over_the_loop),
    };
    return SYSTEM_RUN(tests);
}
