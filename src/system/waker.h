/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A waker: a descriptor that one thread polls and that any thread or signal handler makes readable.
 */
#ifndef EMI_WAKER_H
#define EMI_WAKER_H

#include <eventmachine/status.h>

typedef struct emi_waker {
    int poll_descriptor;  /**< becomes readable */
    int write_descriptor; /**< the same as poll_descriptor with eventfd(2) */
} emi_waker;

em_status emi_waker_open(emi_waker *waker);
void emi_waker_close(emi_waker *waker);

/** Makes it readable. Any thread and any signal handler may call this. errno stays as it was. */
void emi_waker_wake(const emi_waker *waker);

/** Makes it unreadable until the next wake. */
void emi_waker_drain(const emi_waker *waker);

#endif
