/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the system refuses to file watches, and numbers of the kernel that are used again. The calls of inotify(7) and
 * read(2) are replaced for the whole program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/counted_memory.h"
#include "support/system_test.h"
#include "support/watched_directory.h"

#define WATCH_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, watched_directory_tear_down)

/* What fails, with which error number; 0: nothing. */
static struct {
    int init;
    int add;
    int read;
    int descriptor; /* of inotify */
    bool unmounts;  /* changes of content are read as the end of the file system */
    int shift;      /* between the kernel's numbers and those that the library sees */
} failing;

int inotify_init1(int flags)
{
    if (failing.init) {
        errno = failing.init;
        return -1;
    }
    failing.descriptor = (int)syscall(SYS_inotify_init1, flags);
    return failing.descriptor;
}

/* The prototype of glibc, whose last argument is an unsigned 32-bit number. */
int inotify_add_watch(int descriptor, const char *path, uint32_t mask)
{
    if (failing.add) {
        errno = failing.add;
        return -1;
    }
    return (int)syscall(SYS_inotify_add_watch, descriptor, path, mask) - failing.shift;
}

int inotify_rm_watch(int descriptor, int number)
{
    return (int)syscall(SYS_inotify_rm_watch, descriptor, number + failing.shift);
}

ssize_t read(int descriptor, void *memory, size_t bytes)
{
    bool is_inotify = descriptor == failing.descriptor;
    if (is_inotify && failing.read) {
        errno = failing.read;
        return -1;
    }
    ssize_t count = syscall(SYS_read, descriptor, memory, bytes);
    for (ssize_t at = 0; is_inotify && at < count;) {
        struct inotify_event event;
        memcpy(&event, (char *)memory + at, sizeof event);
        /* Numbers at or below the shift belong to files of before, as if the kernel had begun again at 1. */
        event.wd -= event.wd > failing.shift ? failing.shift : 0;
        if (failing.unmounts && event.mask & IN_MODIFY)
            event.mask = IN_UNMOUNT;
        memcpy((char *)memory + at, &event, sizeof event);
        at += (ssize_t)(sizeof event + event.len);
    }
    return count;
}

static int set_up(void **state)
{
    memset(&failing, 0, sizeof failing);
    failing.descriptor = -1;
    return watched_directory_set_up(state);
}

static em_status try_to_watch(em_loop *loop, const char *path)
{
    em_file_watch *watch = (em_file_watch *)loop;
    em_status status = em_loop_watch_file(loop, path, &recording_watches, NULL, &watch);
    assert_null(watch);
    assert_int_equal(system_stats(loop).file_watches_open, 0);
    return status;
}

static void too_many_watches_name_their_limit(void **state)
{
    write_file("file", "");
    unsigned before = system_descriptors();
    failing.add = ENOSPC;
    assert_int_equal(try_to_watch(*state, "file"), EM_LIMIT);
    const char *detail = em_status_get_detail(EM_LIMIT);
    assert_non_null(strstr(detail, strerror(ENOSPC)));
    assert_non_null(strstr(detail, "fs.inotify.max_user_watches"));
    assert_int_equal(system_descriptors(), before);
}

static void too_many_instances_name_their_limit(void **state)
{
    write_file("file", "");
    failing.init = EMFILE;
    assert_int_equal(try_to_watch(*state, "file"), EM_NO_DESCRIPTORS);
    const char *detail = em_status_get_detail(EM_NO_DESCRIPTORS);
    assert_non_null(strstr(detail, strerror(EMFILE)));
    assert_non_null(strstr(detail, "fs.inotify.max_user_instances"));
}

static void other_failures_are_returned_as_they_are(void **state)
{
    static const struct {
        int error;
        em_status status;
    } failures[] = {{EACCES, EM_PERMISSION_DENIED}, {ENOENT, EM_NO_SUCH_FILE}, {ENAMETOOLONG, EM_PATH_TOO_LONG}};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        failing.add = failures[i].error;
        assert_int_equal(try_to_watch(*state, "."), failures[i].status);
        assert_int_equal(em_status_get_system_error(failures[i].status), failures[i].error);
        failing.add = 0;
        failing.init = failures[i].error;
        assert_int_equal(try_to_watch(*state, "."), failures[i].status);
        failing.init = 0;
    }
}

static void a_refused_watch_leaves_the_others_alone(void **state)
{
    write_file("file", "");
    watch_record *record = system_memory(sizeof *record);
    watch_path(*state, "file", record);
    failing.add = ENOSPC;
    assert_int_equal(em_loop_watch_file(*state, ".", &recording_watches, NULL, NULL), EM_LIMIT);
    failing.add = 0;
    write_file("file", "x");
    settle_watches(*state);
    assert_int_equal(record->modified, 1);
}

static void a_failing_read_ends_all_watches_with_its_reason_and_does_not_spin(void **state)
{
    watch_record *records[] = {system_memory(sizeof **records), system_memory(sizeof **records)};
    write_file("file", "");
    watch_path(*state, "file", records[0]);
    watch_path(*state, ".", records[1]);
    failing.read = EIO;
    write_file("file", "x");
    settle_watches(*state);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(records[i]->unbind, 1);
        assert_int_equal(records[i]->reason, EM_IO_ERROR);
        assert_int_equal(watch_reports(records[i]), 1);
    }
    failing.read = 0;
    watch_path(*state, "file", records[0]);
    write_file("file", "x");
    settle_watches(*state);
    assert_int_equal(records[0]->modified, 1);
}

static void an_unmounted_file_system_ends_its_watches(void **state)
{
    watch_record *records[] = {system_memory(sizeof **records), system_memory(sizeof **records)};
    write_file("file", "");
    for (unsigned i = 0; i < 2; i++)
        watch_path(*state, "file", records[i]);
    failing.unmounts = true;
    write_file("file", "x");
    settle_watches(*state);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(records[i]->unbind, 1);
        assert_int_equal(records[i]->reason, EM_NO_SUCH_FILE);
        assert_int_equal(watch_reports(records[i]), 1);
    }
}

static void a_read_that_finds_nothing_or_is_interrupted_is_harmless(void **state)
{
    watch_record *record = system_memory(sizeof *record);
    write_file("file", "");
    watch_path(*state, "file", record);
    write_file("file", "x");
    failing.read = EAGAIN;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_int_equal(watch_reports(record), 0);
    failing.read = 0;
    settle_watches(*state);
    assert_int_equal(record->modified, 1);
}

static void unread_events_of_a_former_file_with_the_same_number_are_dropped(void **state)
{
    watch_record *keeps = system_memory(sizeof *keeps);
    watch_record *former = system_memory(sizeof *former);
    watch_record *present = system_memory(sizeof *present);
    write_file("former", "");
    write_file("present", "");
    watch_path(*state, "former", former);
    write_file("former", "x");
    em_file_watch_stop(former->watch);
    failing.shift = 1; /* the kernel's next number is 2, and the library sees 1 again */
    watch_path(*state, "present", present);
    settle_watches(*state);
    assert_int_equal(watch_reports(present), 0);
    assert_int_equal(former->modified, 0);
    write_file("present", "x");
    settle_watches(*state);
    assert_int_equal(present->modified, 1);
    em_file_watch_stop(present->watch);
    watch_path(*state, ".", keeps);
    settle_watches(*state);
    assert_int_equal(present->unbind, 1);
}

static void watches_take_a_bounded_amount_of_memory_each(void **state)
{
    enum { MANY = 10000, MOST_BYTES = 320 };
    em_loop_destroy(*state);
    em_loop *loop = *state = system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
    watch_record *record = system_memory(sizeof *record);
    em_file_watch_options options = {.size = sizeof options, .user = record};
    long before = counted_memory_get().bytes;
    for (unsigned i = 0; i < MANY; i++) {
        char path[32];
        snprintf(path, sizeof path, "file%u", i);
        write_file(path, "");
        assert_int_equal(em_loop_watch_file(loop, path, &recording_watches, &options, NULL), EM_OK);
    }
    long each = (counted_memory_get().bytes - before) / MANY;
    print_message("%ld bytes for each of %u watches\n", each, MANY);
    assert_true(each <= MOST_BYTES);
    em_loop_destroy(loop);
    *state = NULL;
    assert_int_equal(record->unbind, MANY);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WATCH_TEST(too_many_watches_name_their_limit),
        WATCH_TEST(too_many_instances_name_their_limit),
        WATCH_TEST(other_failures_are_returned_as_they_are),
        WATCH_TEST(a_refused_watch_leaves_the_others_alone),
        WATCH_TEST(a_failing_read_ends_all_watches_with_its_reason_and_does_not_spin),
        WATCH_TEST(an_unmounted_file_system_ends_its_watches),
        WATCH_TEST(a_read_that_finds_nothing_or_is_interrupted_is_harmless),
        WATCH_TEST(unread_events_of_a_former_file_with_the_same_number_are_dropped),
        WATCH_TEST(watches_take_a_bounded_amount_of_memory_each),
    };
    return SYSTEM_RUN(tests);
}
