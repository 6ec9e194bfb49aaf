/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Finds out whether io_uring can make batches of calls here. A kernel may be too old, lack operations, forbid io_uring
 * (seccomp(2), the sysctl kernel.io_uring_disabled), or block in calls that must not block. So a batch of each kind of
 * call that the backend makes is tried, once per process, which takes well under a millisecond.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <stdatomic.h>
#include <string.h>

#include "io/batcher_private.h"
#include "system/socket.h"

enum { PAIRS = 3, TEXT_BYTES = 5, FILL_BYTES = 4096, MOST_FILLS = 4096 };

typedef enum verdict { UNKNOWN, FIT, TOO_OLD, NOT_THERE, FORBIDDEN, NO_RESOURCES, UNFIT } verdict;

static const char *const refusals[] = {
    [FIT] = NULL,
    [TOO_OLD] = "io_uring: this kernel's is too old",
    [NOT_THERE] = "io_uring: not in this kernel, or hidden by a seccomp filter (ENOSYS)",
    [FORBIDDEN] = "io_uring: forbidden by a seccomp filter or kernel.io_uring_disabled (EPERM)",
    [NO_RESOURCES] = "io_uring: no memory or no descriptors for a ring",
    [UNFIT] = "io_uring: its self-test failed",
};

static emi_call call_on(int descriptor, emi_call_kind kind, void *bytes, size_t length)
{
    return (emi_call){.kind = kind, .descriptor = descriptor, .bytes = bytes, .length = length};
}

/* Three sockets: one has bytes, one has ended, one has nothing to read. */
static bool receives(emi_batcher *batcher, int pairs[PAIRS][2])
{
    char bytes[PAIRS][TEXT_BYTES + 1];
    emi_call calls[PAIRS];
    for (unsigned i = 0; i < PAIRS; i++)
        calls[i] = call_on(pairs[i][0], EMI_CALL_RECEIVE, bytes[i], sizeof bytes[i]);
    size_t sent;
    if (emi_socket_send_bytes(pairs[0][1], "trial", TEXT_BYTES, &sent) != EM_OK || sent != TEXT_BYTES ||
        emi_socket_shutdown_write(pairs[1][1]) != EM_OK || !emi_batcher_run(batcher, calls, PAIRS))
        return false;
    return calls[0].status == EM_OK && calls[0].done == TEXT_BYTES && memcmp(bytes[0], "trial", TEXT_BYTES) == 0 &&
           calls[1].status == EM_OK && calls[1].done == 0 && calls[2].status == EM_WOULD_BLOCK;
}

/* Three sockets: one takes the bytes, one is full, the peer of one has closed. */
static bool sends(emi_batcher *batcher, int pairs[PAIRS][2])
{
    static char fill[FILL_BYTES];
    char text[] = "trial";
    emi_call calls[PAIRS];
    for (unsigned i = 0; i < PAIRS; i++)
        calls[i] = call_on(pairs[i][0], EMI_CALL_SEND, text, TEXT_BYTES);
    size_t sent;
    for (unsigned fills = 0; emi_socket_send_bytes(pairs[1][0], fill, sizeof fill, &sent) == EM_OK; fills++)
        if (fills > MOST_FILLS)
            return false;
    emi_socket_close(pairs[2][1]);
    pairs[2][1] = EMI_NO_SOCKET;
    if (!emi_batcher_run(batcher, calls, PAIRS))
        return false;
    return calls[0].status == EM_OK && calls[0].done == TEXT_BYTES && calls[1].status == EM_WOULD_BLOCK &&
           calls[2].status == EM_BROKEN_PIPE;
}

static verdict try_calls(emi_batcher *batcher)
{
    int pairs[PAIRS][2];
    bool fit = true;
    unsigned opened = 0;
    for (; opened < PAIRS; opened++)
        if (emi_socket_pair(pairs[opened]) != EM_OK)
            break;
    bool has_pairs = opened == PAIRS;
    if (has_pairs)
        fit = receives(batcher, pairs) && sends(batcher, pairs);
    while (opened-- > 0) {
        emi_socket_close(pairs[opened][0]);
        emi_socket_close(pairs[opened][1]);
    }
    return !has_pairs ? NO_RESOURCES : fit ? FIT : UNFIT;
}

static verdict try_ring(void)
{
    emi_batcher *batcher;
    em_status status = emi_batcher_try(&batcher);
    if (status == EM_OK) {
        verdict found = try_calls(batcher);
        emi_batcher_destroy(batcher);
        return found;
    }
    switch (status) {
    case EM_UNSUPPORTED:
        return NOT_THERE;
    case EM_PERMISSION_DENIED:
        return FORBIDDEN;
    case EM_INVALID_ARGUMENT:
        return TOO_OLD;
    default:
        return NO_RESOURCES;
    }
}

const char *emi_batcher_refusal(void)
{
    static atomic_int known = UNKNOWN;
    verdict found = (verdict)atomic_load(&known);
    if (found == UNKNOWN) {
        found = try_ring();
        if (found != NO_RESOURCES) /* a later trial may succeed */
            atomic_store(&known, (int)found);
    }
    return refusals[found];
}

#endif
