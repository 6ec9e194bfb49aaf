/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A poller: the part of the readiness backend that differs from kernel to kernel. It knows descriptors and numbers, but
 * no channels; readiness.c makes a backend of it.
 *
 * One thread at a time calls its functions, with two exceptions. wake may be called by any thread and by signal
 * handlers. And while one thread is in wait, another may call watch and forget.
 */
#ifndef EMI_POLLER_H
#define EMI_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/status.h>

#include "base/memory.h"

typedef struct emi_poller emi_poller;

/** What a poller is asked for and what it reports; bits. The first two have the values of emi_interest. */
enum {
    EMI_POLL_IN = 1,  /**< asked and reported: readable (EPOLLIN, POLLIN) */
    EMI_POLL_OUT = 2, /**< asked and reported: writable (EPOLLOUT, POLLOUT) */
    /** Reported with EMI_POLL_IN: the peer's end, an error or urgent data (EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLPRI). A
     * short read proves nothing then, so the stream is read until nothing is left. */
    EMI_POLL_END = 4,
    /** Reported with EMI_POLL_IN and EMI_POLL_OUT: an error, or the end of both directions (EPOLLHUP, EPOLLERR).
     * Reading or writing finds out which. */
    EMI_POLL_ERROR = 8,
    /** Asked: report as long as the condition lasts, also if the poller is edge-triggered. */
    EMI_POLL_LEVEL = 16,
    /** Asked of level-triggered pollers: watch the descriptor also if nothing else is asked, so that EMI_POLL_ERROR is
     * reported. */
    EMI_POLL_HANGUP = 32,
    /** Reported with the others: the descriptor is not open. Pollers that cannot find out never report it. */
    EMI_POLL_INVALID = 64
};

/** One report: the numbers given to watch, and what holds. */
typedef struct emi_poll_event {
    uint32_t slot;
    uint32_t generation;
    uint32_t bits;
} emi_poll_event;

typedef struct emi_poller_operations {
    const char *name;
    /** A change is reported once; else a condition is reported as long as it lasts. */
    bool edge_triggered;

    /** Creates a poller that watches nothing. EM_NO_MEMORY, EM_NO_DESCRIPTORS. */
    em_status (*create)(const emi_memory *memory, emi_poller **poller);
    /** Frees it and closes its descriptors. Also called in a forked child, where it must do nothing to kernel objects
     * that the child shares with its parent. */
    void (*destroy)(emi_poller *poller);
    /** Changes what is watched on a descriptor from `old_bits` to `new_bits`; 0 means not watched. The descriptor's
     * events carry `slot` and `generation`. Slots are small numbers; each stands for one descriptor at a time. Several
     * slots may stand for the same descriptor, and each gets its events. EM_PERMISSION_DENIED for a descriptor that is
     * always ready and cannot be watched, such as a regular file. EM_BAD_DESCRIPTOR if it was closed meanwhile, as far
     * as the poller can tell; then nothing is watched any more if `new_bits` is 0. EM_LIMIT if it is watched too often.
     */
    em_status (*watch)(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned old_bits,
                       unsigned new_bits);
    /** The slot's descriptor is watched and about to be closed, and nothing else refers to its open file. */
    void (*forget)(emi_poller *poller, uint32_t slot);
    /** Waits for events, for `timeout_ns` rounded up to the system's unit (EM_FOREVER: without a limit). Fills in at
     * most `capacity` events and returns their number: 0 after the timeout, a wake or a signal. Returns an em_status,
     * which is negative, if waiting has become impossible. */
    int (*wait)(emi_poller *poller, uint64_t timeout_ns, emi_poll_event *events, unsigned capacity);
    /** Ends the present wait, or the next one if there is none. Any thread and any signal handler may call it. */
    void (*wake)(emi_poller *poller);
    /** A descriptor that polls readable when wait would find something; -1: this poller has none. */
    int (*get_descriptor)(const emi_poller *poller);
} emi_poller_operations;

extern const emi_poller_operations emi_poller_epoll;
extern const emi_poller_operations emi_poller_poll;

#endif
