/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files from disks that are slow or fail, and by a sendfile(2) that does everything its manual page allows. The
 * system calls are replaced for the whole program. A disk that does not answer is one whose reads wait, in the threads
 * that make them, until the test says otherwise.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "support/filtered_connections.h"
#include "support/system_file.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

/* The thread sanitizer refuses threads in a forked child unless it is told otherwise; elsewhere nobody calls this. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void); /* NOLINT: its name */
const char *__tsan_default_options(void)                                         /* NOLINT */
{
    return "die_after_fork=0";
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static bool is_held;           /* reads in threads wait; guarded by the mutex */
static unsigned held;          /* that wait now; guarded by the mutex */
static atomic_uint fetches;    /* reads by threads of the first byte of a window */
static atomic_int read_error;  /* of all reads in threads */
static atomic_int probe_error; /* what preadv2 fails with; 0: it works */
static int send_error;         /* what sendfile fails with */
static unsigned sends_left;    /* before it fails */
static size_t most_sent;       /* by one sendfile; 0: no limit */
static bool fails_after_part;  /* sendfile fails after it has sent a part, as its `offset` shows */
static bool has_no_threads;
static pthread_t loop_thread;

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    if (send_error != 0 && sends_left-- == 0) {
        errno = send_error;
        send_error = errno == EINTR ? 0 : send_error;
        sends_left = 0;
        return -1;
    }
    if (most_sent > 0 && count > most_sent)
        count = most_sent;
    ssize_t result = syscall(SYS_sendfile, out, in, offset, count);
    if (fails_after_part && result > 0) {
        errno = EIO;
        return -1;
    }
    return result;
}

ssize_t preadv2(int fd, const struct iovec *spans, int count, off_t offset, int flags)
{
    if (probe_error != 0) {
        errno = probe_error;
        return -1;
    }
    return syscall(SYS_preadv2, fd, spans, count, offset, (off_t)0, flags);
}

/* The temporary directory may be in tmpfs, whose files count as cached. */
int fstatfs(int fd, struct statfs *found)
{
    (void)fd;
    *found = (struct statfs){.f_type = 0};
    return 0;
}

static void wait_for_disk(off_t offset)
{
    if (offset % MIB == 0)
        atomic_fetch_add(&fetches, 1);
    pthread_mutex_lock(&mutex);
    held++;
    while (is_held)
        pthread_cond_wait(&answered, &mutex);
    held--;
    pthread_mutex_unlock(&mutex);
}

ssize_t pread(int fd, void *buffer, size_t capacity, off_t offset)
{
    if (!pthread_equal(pthread_self(), loop_thread)) {
        wait_for_disk(offset);
        if (atomic_load(&read_error) != 0) {
            errno = atomic_load(&read_error);
            return -1;
        }
    }
    return syscall(SYS_pread64, fd, buffer, capacity, offset);
}

static int really_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, run, argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return has_no_threads ? EAGAIN : really_create(thread, attributes, run, argument);
}

static void hold_disk(bool holds)
{
    pthread_mutex_lock(&mutex);
    is_held = holds;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&mutex);
}

static unsigned held_reads(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = held;
    pthread_mutex_unlock(&mutex);
    return count;
}

static int set_up(void **state)
{
    hold_disk(false);
    atomic_store(&fetches, 0);
    atomic_store(&read_error, 0);
    probe_error = 0;
    send_error = 0;
    sends_left = 0;
    most_sent = 0;
    fails_after_part = false;
    has_no_threads = false;
    return system_set_up(state);
}

static int tear_down(void **state)
{
    hold_disk(false);
    return system_tear_down(state);
}

/* A client, the connection to it, and a file that is being sent over it. */
typedef struct transfer {
    em_loop *loop;
    system_record *served;
    system_file *file;
    system_sent *sent;
    int client;
} transfer;

static transfer begin(em_loop *loop, uint64_t length)
{
    transfer own = {.loop = loop,
                    .served = system_new_record(SYSTEM_NONE),
                    .file = system_new_file(length),
                    .sent = system_new_sent()};
    own.client = system_connected_client(loop, &system_recorder, own.served);
    assert_int_equal(system_send_whole(own.served->connection, own.file, own.sent), EM_OK);
    return own;
}

static void await_done(const transfer *own)
{
    while (own->sent->done == 0)
        system_turn(own->loop);
}

static void expect_whole(const transfer *own, uint64_t length)
{
    system_expect_pattern(own->loop, own->client, length, 0);
    await_done(own);
    assert_int_equal(own->sent->status, EM_OK);
    assert_int_equal(own->sent->bytes, length);
}

static void end(const transfer *own)
{
    system_file_close(own->file);
    close(own->client);
}

/* sendfile(2) */

static void a_file_that_the_system_refuses_to_send_is_read(void **state)
{
    static const int refusals[] = {EINVAL, ENOSYS, EOVERFLOW, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        send_error = refusals[i];
        transfer own = begin(*state, 3 * MIB);
        expect_whole(&own, 3 * MIB);
        end(&own);
    }
}

static void a_file_that_the_system_stops_sending_in_the_middle_is_read_from_there(void **state)
{
    send_error = EINVAL;
    sends_left = 3;
    transfer own = begin(*state, 3 * MIB);
    expect_whole(&own, 3 * MIB);
    end(&own);
}

static void interrupted_and_short_sends_go_on(void **state)
{
    send_error = EINTR;
    sends_left = 2;
    most_sent = 1001;
    transfer own = begin(*state, 300 * KIB);
    expect_whole(&own, 300 * KIB);
    end(&own);
}

static void a_part_that_was_sent_before_a_failure_counts(void **state)
{
    fails_after_part = true;
    most_sent = 1001;
    transfer own = begin(*state, 100 * KIB);
    expect_whole(&own, 100 * KIB);
    end(&own);
}

static void a_disk_that_fails_ends_the_connection(void **state)
{
    if (connections_are_filtered()) {
        system_skip("behind a filter nothing is sent by sendfile(2)");
        return;
    }
    send_error = EIO;
    sends_left = 2;
    transfer own = begin(*state, 3 * MIB);
    system_await_unbind(*state, own.served);
    assert_int_equal(own.served->reason, EM_IO_ERROR);
    assert_int_equal(own.sent->done, 1);
    assert_int_equal(own.sent->status, EM_IO_ERROR);
    assert_in_range(own.sent->bytes, 1, MIB);
    end(&own);
}

/* The disk */

static void a_file_in_the_page_cache_needs_no_thread(void **state)
{
    has_no_threads = true;
    transfer own = begin(*state, 5 * MIB);
    expect_whole(&own, 5 * MIB);
    assert_int_equal(atomic_load(&fetches), 0);
    end(&own);
}

static void a_file_on_the_disk_is_fetched_window_by_window(void **state)
{
    probe_error = EAGAIN;
    transfer own = begin(*state, 5 * MIB + 1);
    expect_whole(&own, 5 * MIB + 1);
    assert_int_equal(atomic_load(&fetches), 6);
    end(&own);
}

static void where_the_page_cache_cannot_be_asked_everything_is_fetched(void **state)
{
    probe_error = EOPNOTSUPP;
    transfer own = begin(*state, 3 * MIB);
    expect_whole(&own, 3 * MIB);
    assert_int_equal(atomic_load(&fetches), 3);
    end(&own);
}

static void without_threads_the_loop_reads_the_disk_itself(void **state)
{
    probe_error = EAGAIN;
    has_no_threads = true;
    transfer own = begin(*state, 3 * MIB);
    expect_whole(&own, 3 * MIB);
    end(&own);
}

static void await_held_read(em_loop *loop)
{
    while (held_reads() == 0)
        system_turn(loop);
}

static void a_disk_that_does_not_answer_holds_up_nobody_else(void **state)
{
    em_loop *loop = *state;
    system_record *echoing = system_new_record(SYSTEM_NONE);
    int other = system_connected_client(loop, &system_echo, echoing);
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(loop, 3 * MIB);
    await_held_read(loop);
    uint64_t turns = system_stats(loop).turns;
    system_run_for(loop, 50 * EM_MILLISECONDS);
    assert_in_range(system_stats(loop).turns - turns, 1, 20); /* and does not spin */
    system_write(other, "?", 1);
    system_expect_text(loop, other, "?");
    assert_true(system_is_silent(own.client));
    assert_int_equal(em_connection_get_outbound_bytes(own.served->connection), 3 * MIB);
    hold_disk(false);
    expect_whole(&own, 3 * MIB);
    end(&own);
    close(other);
}

static void what_is_before_the_file_does_not_wait_for_the_disk(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, MIB);
    await_held_read(*state);
    em_connection_send_text(own.served->connection, "behind");
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_send_text(served->connection, "before");
    em_connection_send_file(served->connection, own.file->path, 0, 10, NULL);
    system_expect_text(*state, client, "before");
    assert_true(system_is_silent(own.client));
    hold_disk(false);
    system_expect_pattern(*state, client, 10, 0);
    expect_whole(&own, MIB);
    system_expect_text(*state, own.client, "behind");
    end(&own);
    close(client);
}

static void the_timeouts_for_the_peer_do_not_count_the_disks_time(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, MIB);
    em_connection_set_write_timeout_ns(own.served->connection, 20 * EM_MILLISECONDS);
    em_connection_set_drain_timeout_ns(own.served->connection, 20 * EM_MILLISECONDS);
    em_connection_close_after_writing(own.served->connection);
    await_held_read(*state);
    system_run_for(*state, 150 * EM_MILLISECONDS);
    assert_int_equal(own.served->unbind, 0);
    em_connection_set_write_timeout_ns(own.served->connection, 0);
    em_connection_set_drain_timeout_ns(own.served->connection, 0);
    hold_disk(false);
    expect_whole(&own, MIB);
    system_await_unbind(*state, own.served);
    assert_int_equal(own.served->reason, EM_OK);
    end(&own);
}

static void pausing_and_resuming_while_the_disk_does_not_answer_loses_nothing(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, 3 * MIB);
    await_held_read(*state);
    assert_int_equal(em_connection_pause(own.served->connection), EM_OK);
    hold_disk(false);
    while (held_reads() > 0 || atomic_load(&fetches) == 0)
        system_turn(*state);
    for (unsigned i = 0; i < 5; i++)
        system_turn(*state);
    assert_true(system_is_silent(own.client));
    assert_int_equal(em_connection_resume(own.served->connection), EM_OK);
    expect_whole(&own, 3 * MIB);
    end(&own);
}

static void closing_while_the_disk_does_not_answer_does_not_wait_for_it(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, 3 * MIB);
    await_held_read(*state);
    em_connection_close(own.served->connection);
    system_await_unbind(*state, own.served);
    assert_int_equal(own.sent->done, 1);
    assert_int_equal(own.sent->status, EM_CLOSED);
    assert_int_equal(own.sent->bytes, 0);
    assert_int_equal(held_reads(), 1);
    unsigned descriptors = system_descriptors();
    hold_disk(false);
    while (system_descriptors() == descriptors) /* the thread closes the file when its read returns */
        system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors - 1);
    end(&own);
}

static void a_peers_reset_is_noticed_while_the_disk_does_not_answer(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, 3 * MIB);
    await_held_read(*state);
    system_reset(own.client);
    system_await_unbind(*state, own.served);
    assert_int_equal(own.sent->status, EM_CONNECTION_RESET);
    hold_disk(false);
    system_file_close(own.file);
}

static void a_read_that_fails_in_a_thread_ends_the_connection(void **state)
{
    probe_error = EAGAIN;
    atomic_store(&read_error, EIO);
    transfer own = begin(*state, 3 * MIB);
    system_await_unbind(*state, own.served);
    assert_int_equal(own.served->reason, EM_IO_ERROR);
    assert_int_equal(own.sent->status, EM_IO_ERROR);
    assert_int_equal(own.sent->bytes, 0);
    end(&own);
}

static void destroying_the_loop_while_the_disk_does_not_answer_does_not_wait_for_it(void **state)
{
    probe_error = EAGAIN;
    hold_disk(true);
    transfer own = begin(*state, 3 * MIB);
    await_held_read(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(own.sent->done, 1);
    assert_int_equal(own.sent->status, EM_CLOSED);
    hold_disk(false);
    end(&own);
    /* The thread ends with its read and closes the file. */
    while (held_reads() > 0)
        usleep(1000);
}

/* A forked child */

static void destroy_in_child(void *argument)
{
    transfer *own = argument;
    system_child_check(em_loop_destroy(own->loop) == EM_OK, "the child destroys its copy");
    system_child_check(own->sent->done == 1 && own->sent->status == EM_CLOSED, "done is called there, too");
}

static void a_forked_child_that_destroys_its_copy_leaves_the_parents_file_alone(void **state)
{
    transfer own = begin(*state, 20 * MIB);
    system_expect_pattern(*state, own.client, 100, 0);
    assert_int_equal(system_wait(system_fork(destroy_in_child, &own)), 0);
    system_expect_pattern(*state, own.client, 20 * MIB - 100, 100);
    await_done(&own);
    assert_int_equal(own.sent->status, EM_OK);
    end(&own);
}

static void finish_in_child(void *argument)
{
    transfer *own = argument;
    system_child_check(em_loop_take_over(own->loop) == EM_OK, "the child takes it over");
    while (own->sent->done == 0)
        em_loop_run_once(own->loop, 10 * EM_MILLISECONDS);
    system_child_check(own->sent->status == EM_OK, "all of it was sent");
    system_child_check(em_loop_destroy(own->loop) == EM_OK, "and ends");
}

static void a_forked_child_that_takes_over_sends_the_rest(void **state)
{
    transfer own = begin(*state, 20 * MIB);
    system_expect_pattern(*state, own.client, 100, 0);
    pid_t child = system_fork(finish_in_child, &own);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    static char rest[20 * MIB - 100];
    system_receive_exactly(own.client, rest, sizeof rest);
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    end(&own);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    loop_thread = pthread_self();
    static const struct CMUnitTest tests[] = {
        TEST(a_file_that_the_system_refuses_to_send_is_read),
        TEST(a_file_that_the_system_stops_sending_in_the_middle_is_read_from_there),
        TEST(interrupted_and_short_sends_go_on),
        TEST(a_part_that_was_sent_before_a_failure_counts),
        TEST(a_disk_that_fails_ends_the_connection),
        TEST(a_file_in_the_page_cache_needs_no_thread),
        TEST(a_file_on_the_disk_is_fetched_window_by_window),
        TEST(where_the_page_cache_cannot_be_asked_everything_is_fetched),
        TEST(without_threads_the_loop_reads_the_disk_itself),
        TEST(a_disk_that_does_not_answer_holds_up_nobody_else),
        TEST(what_is_before_the_file_does_not_wait_for_the_disk),
        TEST(the_timeouts_for_the_peer_do_not_count_the_disks_time),
        TEST(pausing_and_resuming_while_the_disk_does_not_answer_loses_nothing),
        TEST(closing_while_the_disk_does_not_answer_does_not_wait_for_it),
        TEST(a_peers_reset_is_noticed_while_the_disk_does_not_answer),
        TEST(a_read_that_fails_in_a_thread_ends_the_connection),
        TEST(destroying_the_loop_while_the_disk_does_not_answer_does_not_wait_for_it),
        TEST(a_forked_child_that_destroys_its_copy_leaves_the_parents_file_alone),
        TEST(a_forked_child_that_takes_over_sends_the_rest),
    };
    return SYSTEM_RUN(tests);
}
