/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signals of the process, each for any number of receivers. The first receiver of a signal installs a handler, and the
 * last one puts back what was there before.
 */
#ifndef EMI_SIGNALS_H
#define EMI_SIGNALS_H

#include <stdbool.h>

#include <eventmachine/status.h>

typedef struct emi_signal_receiver emi_signal_receiver;

/** Embedded in its owner, who sets `arrived`. */
struct emi_signal_receiver {
    int signal_number;
    emi_signal_receiver *next; /**< of the same signal */
    /** Called within the signal handler, in any thread, with all signals blocked: may do only what signal-safety(7)
     * allows. Returns false if the owner belongs to another process: this one's child has inherited it. */
    bool (*arrived)(emi_signal_receiver *receiver);
};

/** Begins to receive a signal. EM_INVALID_ARGUMENT, with details: it cannot be received. */
em_status emi_signal_receiver_open(emi_signal_receiver *receiver, int signal_number);

/** In a forked child that receives from now on: a signal may have put back what was there before. */
void emi_signal_receiver_renew(const emi_signal_receiver *receiver);

/** Ends that. `arrived` is not called any more. */
void emi_signal_receiver_close(emi_signal_receiver *receiver);

#endif
