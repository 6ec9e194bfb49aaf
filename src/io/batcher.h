/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several non-blocking calls for the price of one: io_uring(7) as an accelerator of the readiness backend. Every call
 * has its result when emi_batcher_run returns, as if it had been made by itself; nothing stays under way in the kernel.
 * The same functions stand in builds without liburing, where no batcher can be created.
 */
#ifndef EMI_BATCHER_H
#define EMI_BATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

typedef struct emi_batcher emi_batcher;

enum {
    EMI_BATCH_MOST_CALLS = 64,
    EMI_BATCH_FEWEST_CALLS = 4 /* for fewer, plain calls are as fast */
};

typedef enum emi_call_kind {
    EMI_CALL_RECEIVE, /**< recv(2) with MSG_DONTWAIT */
    EMI_CALL_SEND     /**< send(2) with MSG_DONTWAIT and MSG_NOSIGNAL */
} emi_call_kind;

/** A prepared call on a socket, and its result. */
typedef struct emi_call {
    emi_call_kind kind;
    int descriptor;
    void *bytes;
    size_t length;
    em_status status; /**< EM_WOULD_BLOCK and EM_INTERRUPTED included */
    size_t done;      /**< bytes; 0 unless EM_OK */
} emi_call;

/**
 * Makes one, or takes one that is left. EM_UNKNOWN_BACKEND where the kernel refuses, see emi_batcher_refusal;
 * EM_NO_MEMORY, EM_NO_DESCRIPTORS. Its memory is malloc(3)'s, because it may outlive the loop. Any thread.
 */
em_status emi_batcher_create(emi_batcher **batcher);

/**
 * Ends its use. One is kept in the process for the next that is created: a descriptor stays open. In a forked child it
 * closes the child's copy. NULL is allowed. Any thread.
 */
void emi_batcher_destroy(emi_batcher *batcher);

/**
 * Makes at most EMI_BATCH_MOST_CALLS calls, in any order. false: the ring is broken. Then the calls it had not taken
 * were made plainly, those it had taken without a result failed with EM_SYSTEM_ERROR, and the batcher is only good for
 * being destroyed.
 */
bool emi_batcher_run(emi_batcher *batcher, emi_call *calls, unsigned count);

/** Makes the calls one by one. */
void emi_calls_run(emi_call *calls, unsigned count);

/**
 * Why io_uring cannot be used here; NULL if it can. Found out once per process, by a trial of everything that the
 * batcher rests on. Static text. Any thread.
 */
const char *emi_batcher_refusal(void);

#endif
