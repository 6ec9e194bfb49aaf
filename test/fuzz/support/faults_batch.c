/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Faults of calls that go to the kernel as a batch, through io_uring. Entries are changed before they are submitted:
 * some get less room, others a socket that stands in for theirs, one that has nothing to read, takes nothing, or was
 * reset. The kernel may also take the first few of a batch only, or none.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/support/faults.h"
#include "support/bytes.h"
#include "support/sockets.h"

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

enum { MOST_STAND_INS = 64 };

/* Both ends of those of one batch, to be closed after it. */
typedef struct stand_ins {
    unsigned count;
    int descriptors[MOST_STAND_INS * 2];
} stand_ins;

typedef enum stand_in_kind {
    QUIET, /* receiving: EAGAIN */
    FULL,  /* sending: EAGAIN */
    GONE   /* receiving: ECONNRESET, sending: EPIPE */
} stand_in_kind;

static int stand_in(stand_ins *made, stand_in_kind kind)
{
    int *ends = made->descriptors + (size_t)made->count * 2;
    char bytes[1000] = "";
    faults *before = faults_use(NULL);
    unix_pair(ends);
    made->count++;
    if (kind == FULL)
        while (send_now(ends[0], bytes, sizeof bytes) > 0)
            ;
    if (kind == GONE) {
        /* An end that closes with something unread resets the other. */
        send_now(ends[0], bytes, 1);
        close(ends[1]);
        ends[1] = -1;
    }
    faults_use(before);
    return ends[0];
}

static void close_all(const stand_ins *made)
{
    for (unsigned i = 0; i < made->count * 2; i++)
        if (made->descriptors[i] >= 0)
            close(made->descriptors[i]);
}

static bool is_reading(const struct io_uring_sqe *entry)
{
    return entry->opcode == IORING_OP_RECV || entry->opcode == IORING_OP_READ;
}

static bool is_writing(const struct io_uring_sqe *entry)
{
    return entry->opcode == IORING_OP_SEND || entry->opcode == IORING_OP_SENDMSG;
}

static void change_entry(struct io_uring_sqe *entry, stand_ins *made)
{
    static const int failing[] = {ECONNRESET, 0};
    int error;
    size_t length = entry->len;
    if ((!is_reading(entry) && !is_writing(entry)) || (entry->flags & IOSQE_FIXED_FILE))
        return;
    int fd = entry->fd;
    if (made->count < MOST_STAND_INS && faults_fail(failing, &error)) {
        entry->fd = stand_in(made, GONE);
    } else if (made->count < MOST_STAND_INS && faults_refuse()) {
        entry->fd = stand_in(made, is_reading(entry) ? QUIET : FULL);
        faults_report_again(fd);
    } else if (entry->opcode != IORING_OP_SENDMSG && faults_cut(&length)) {
        entry->len = (unsigned)length;
        faults_report_again(fd);
    }
}

static void change_batch(struct io_uring_sq *queue, stand_ins *made)
{
    for (unsigned i = queue->sqe_head; i != queue->sqe_tail; i++)
        change_entry(&queue->sqes[i & *queue->kring_mask], made);
}

/* The kernel stops after some, and then does not wait either. What is left is submitted with the next batch. */
static bool submit_a_part(struct io_uring *ring, int *submitted)
{
    size_t count = ring->sq.sqe_tail - ring->sq.sqe_head;
    if (random_below(&faults_current()->random, 4) != 0 || !faults_cut(&count))
        return false;
    unsigned tail = ring->sq.sqe_tail;
    ring->sq.sqe_tail = ring->sq.sqe_head + (unsigned)count;
    *submitted = __real_io_uring_submit(ring);
    ring->sq.sqe_tail = tail;
    return true;
}

static int submit(struct io_uring *ring, unsigned count)
{
    static const int errors[] = {EAGAIN, EBUSY, EINTR, ENOMEM, 0};
    int result;
    stand_ins made;
    made.count = 0;
    if (faults_fail(errors, &result))
        return -result;
    faults *wanted = faults_current();
    if (!wanted)
        return __real_io_uring_submit_and_wait(ring, count);
    if (submit_a_part(ring, &result))
        return result;
    change_batch(&ring->sq, &made);
    faults_use(NULL);
    result = __real_io_uring_submit_and_wait(ring, count);
    close_all(&made);
    faults_use(wanted);
    return result;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    return submit(ring, 0);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    return submit(ring, count);
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EPERM, 0};
    int error;
    if (faults_fail(errors, &error))
        return -error;
    return __real_io_uring_queue_init_params(entries, ring, params);
}

#endif
