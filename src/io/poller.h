/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A poller: the part of a readiness backend that differs from one kernel to the other. It knows descriptors and
 * numbers, no channels; readiness.c makes a backend of it.
 */
#ifndef EMI_POLLER_H
#define EMI_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/status.h>

#include "base/memory.h"

typedef struct emi_poller emi_poller;

/** What is asked and what is reported; bits. The first two as in emi_interest. */
enum {
    EMI_POLL_IN = 1,
    EMI_POLL_OUT = 2,
    EMI_POLL_END = 4,    /**< reported: hang-up, error, or urgent data: read until nothing is left */
    EMI_POLL_ERROR = 8,  /**< reported: failed; reading or writing reports why */
    EMI_POLL_LEVEL = 16, /**< asked: report as long as it lasts, even if the poller is edge-triggered */
    EMI_POLL_HANGUP = 32 /**< asked: nothing else, so that EMI_POLL_ERROR is reported at least */
};

typedef struct emi_poll_event {
    uint32_t slot;
    uint32_t generation;
    uint32_t bits;
} emi_poll_event;

typedef struct emi_poller_operations {
    const char *name;
    bool edge_triggered; /**< reports changes, once; else reports as long as a condition lasts */

    em_status (*create)(const emi_memory *memory, emi_poller **poller);
    /** Also in a forked child: closes descriptors and nothing else. */
    void (*destroy)(emi_poller *poller);
    /** Changes what is watched on a descriptor from `old_bits` to `new_bits`; 0 is nothing. slot and generation are
     * reported along with its events. Slots are small numbers, each with one descriptor at a time. EM_FILE_EXISTS if a
     * descriptor that is to be watched with EMI_POLL_LEVEL is watched already. */
    em_status (*watch)(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned old_bits,
                       unsigned new_bits);
    /** The descriptor is about to be closed while watched. */
    void (*forget)(emi_poller *poller, int descriptor, uint32_t slot, unsigned old_bits);
    /** Waits; fills in at most `capacity` events and returns how many: 0 when the time is over, when woken,
     * interrupted. An em_status if it can never find anything again. */
    int (*wait)(emi_poller *poller, uint64_t timeout_ns, emi_poll_event *events, unsigned capacity);
    /** Ends the present or the next wait. Any thread, signal handlers. */
    void (*wake)(emi_poller *poller);
    /** A descriptor that polls readable when wait would find something; -1: there is none. */
    int (*get_descriptor)(const emi_poller *poller);
} emi_poller_operations;

extern const emi_poller_operations emi_poller_epoll;
extern const emi_poller_operations emi_poller_poll;

#endif
