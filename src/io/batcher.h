/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A batcher makes several non-blocking calls on sockets by one system call, io_uring_enter(2). It accelerates the
 * readiness backend. Every call has its result when emi_batcher_run returns, as if it had been made alone; nothing
 * stays under way in the kernel. Builds without liburing have the same functions, but there no batcher can be created.
 */
#ifndef EMI_BATCHER_H
#define EMI_BATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

typedef struct emi_batcher emi_batcher;

enum {
    EMI_BATCH_MOST_CALLS = 64,
    EMI_BATCH_FEWEST_CALLS = 4 /* fewer are as fast as plain calls */
};

typedef enum emi_call_kind {
    EMI_CALL_RECEIVE, /**< recv(2) with MSG_DONTWAIT */
    EMI_CALL_SEND     /**< send(2) with MSG_DONTWAIT and MSG_NOSIGNAL */
} emi_call_kind;

/** A call to make on a socket, and its result. */
typedef struct emi_call {
    emi_call_kind kind;
    int descriptor;
    void *bytes;
    size_t length;
    em_status status; /**< result: may be EM_WOULD_BLOCK or EM_INTERRUPTED */
    size_t done;      /**< result: bytes received or sent; 0 unless status is EM_OK */
} emi_call;

/**
 * Creates a batcher, or takes the one that the process keeps, see emi_batcher_destroy. EM_UNKNOWN_BACKEND if the kernel
 * refuses, see emi_batcher_refusal; EM_NO_MEMORY, EM_NO_DESCRIPTORS. It is allocated by malloc(3) because it may
 * outlive the loop. Any thread may call this.
 */
em_status emi_batcher_create(emi_batcher **batcher);

/**
 * Ends the use of a batcher. The process keeps one, with its descriptor, for the next emi_batcher_create. In a forked
 * child this closes the child's copy. NULL is allowed. Any thread may call this.
 */
void emi_batcher_destroy(emi_batcher *batcher);

/**
 * Makes at most EMI_BATCH_MOST_CALLS calls, in any order. Returns false if the ring is broken. Then calls that the
 * kernel had not taken were made plainly, calls that it had taken without a result failed with EM_SYSTEM_ERROR, and the
 * only thing left to do with the batcher is to destroy it.
 */
bool emi_batcher_run(emi_batcher *batcher, emi_call *calls, unsigned count);

/** Makes the calls one by one, each by a system call of its own. */
void emi_calls_run(emi_call *calls, unsigned count);

/**
 * Returns why io_uring cannot be used here, as static text; NULL if it can. The first call in a process tries
 * everything that the batcher needs, see batcher_trial.c. Any thread may call this.
 */
const char *emi_batcher_refusal(void);

#endif
