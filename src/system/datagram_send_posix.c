/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending datagrams in batches. Datagrams of equal size that follow each other to one peer may go as one message, which
 * the system cuts into segments as late as it can.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <string.h>
#include <sys/uio.h>

#include "base/span.h"
#include "system/messages.h"
#include "system/packet_info.h"
#include "system/system_error.h"

enum {
    MOST_SEGMENTS = 64,               /* of one message: UDP_MAX_SEGMENTS of older kernels */
    MOST_SEGMENTED_BYTES = 65535 - 48 /* an IP packet without its headers */
};

typedef struct control_memory {
    _Alignas(struct cmsghdr) unsigned char bytes[EMI_CONTROL_BYTES];
} control_memory;

/* The messages of a batch, and what they consist of. */
typedef struct batch {
    unsigned count;
    unsigned datagrams[EMI_MOST_SENT]; /* in each message */
    emi_message messages[EMI_MOST_SENT];
    struct iovec pieces[EMI_MOST_SENT]; /* of each datagram */
    control_memory controls[EMI_MOST_SENT];
} batch;

static bool have_same_address(const void *one, uint32_t one_bytes, const void *other, uint32_t other_bytes)
{
    return one_bytes == other_bytes && (one_bytes == 0 || memcmp(one, other, one_bytes) == 0);
}

/* Whether a datagram may follow the first one of a message as a segment. Only the last segment may be smaller. */
static bool may_follow(const emi_outgoing *first, const emi_outgoing *previous, const emi_outgoing *next)
{
    return previous->length == first->length && next->length > 0 && next->length <= first->length &&
           have_same_address(first->peer, first->peer_bytes, next->peer, next->peer_bytes) &&
           have_same_address(first->local, first->local_bytes, next->local, next->local_bytes);
}

/* How many datagrams the next message consists of. */
static unsigned count_run(const emi_outgoing *list, unsigned count, bool segments)
{
    size_t bytes = list[0].length;
    unsigned run = 1;
    while (segments && run < count && run < MOST_SEGMENTS && may_follow(&list[0], &list[run - 1], &list[run]) &&
           bytes + list[run].length <= MOST_SEGMENTED_BYTES)
        bytes += list[run++].length;
    return run;
}

static void add_message(batch *made, const emi_outgoing *first, struct iovec *pieces, unsigned run)
{
    union {
        const void *constant;
        void *name; /* sendmsg(2) does not write to it */
    } peer = {.constant = first->peer};
    emi_message *message = &made->messages[made->count];
    message->header = (struct msghdr){.msg_iov = pieces, .msg_iovlen = run};
    if (first->peer_bytes > 0) {
        message->header.msg_name = peer.name;
        message->header.msg_namelen = first->peer_bytes;
    }
    if (first->local_bytes > 0 || run > 1)
        emi_packet_info_write(&message->header, made->controls[made->count].bytes, first, run > 1 ? first->length : 0);
    made->datagrams[made->count++] = run;
}

static void fill(batch *made, const emi_outgoing *list, unsigned count, bool segments)
{
    made->count = 0;
    for (unsigned i = 0; i < count;) {
        unsigned run = count_run(list + i, count - i, segments);
        for (unsigned k = i; k < i + run; k++) {
            emi_span span = emi_span_of(list[k].data, list[k].length);
            made->pieces[k] = (struct iovec){.iov_base = span.data, .iov_len = span.length};
        }
        add_message(made, &list[i], &made->pieces[i], run);
        i += run;
    }
}

/* Polling says that a Unix-domain socket can send, although the queue of this peer is full. */
static em_status explain(em_status status, const emi_outgoing *first)
{
    sa_family_t family = AF_UNSPEC;
    if (first->peer_bytes > 0)
        memcpy(&family, (const unsigned char *)first->peer + offsetof(struct sockaddr, sa_family), sizeof family);
    return status == EM_WOULD_BLOCK && family == AF_UNIX ? EM_NO_BUFFERS : status;
}

static emi_sending send_batch(int fd, const emi_outgoing *list, unsigned count, bool segments, unsigned *first_run)
{
    batch made;
    fill(&made, list, count, segments);
    *first_run = made.datagrams[0];
    int result = emi_messages_send(fd, made.messages, made.count);
    if (result < 0)
        return (emi_sending){.status = explain(emi_last_status(), list)};
    emi_sending done = {.status = EM_OK};
    for (int i = 0; i < result; i++)
        done.sent += made.datagrams[i];
    return done;
}

static bool is_about_segments(em_status status)
{
    return status == EM_IO_ERROR || status == EM_INVALID_ARGUMENT || status == EM_MESSAGE_TOO_LONG ||
           status == EM_UNSUPPORTED || status == EM_NO_PROTOCOL_OPTION;
}

/* Segments are refused where they do not fit into a packet of the network, or where the device cannot compute their
 * checksums (EIO). Then the datagrams go one by one. */
emi_sending emi_datagrams_send(int fd, const emi_outgoing *list, unsigned count, bool segments)
{
    unsigned run;
    emi_sending done = send_batch(fd, list, count, segments, &run);
    if (run == 1 || !is_about_segments(done.status))
        return done;
    bool no_segments = done.status != EM_INVALID_ARGUMENT && done.status != EM_MESSAGE_TOO_LONG;
    done = send_batch(fd, list, run, false, &run);
    done.no_segments = no_segments;
    return done;
}

#endif
