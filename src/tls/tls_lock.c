/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The spinlocks of contexts. They protect a few instructions, and are taken a few times per handshake. A mutex would
 * stay locked forever in a child that was forked while another thread held it.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <sched.h>
#include <unistd.h>

#include "tls/tls_private.h"

void emi_tls_lock_take(emi_tls_lock *lock)
{
    long self = (long)getpid();
    long holder = 0;
    while (!atomic_compare_exchange_weak_explicit(&lock->holder, &holder, self, memory_order_acquire,
                                                  memory_order_relaxed)) {
        if (holder == self) {
            sched_yield();
            holder = 0;
        }
        /* Any other holder is a thread of the parent. It is not in this process, so the next round replaces it. */
    }
}

void emi_tls_lock_give(emi_tls_lock *lock)
{
    atomic_store_explicit(&lock->holder, 0, memory_order_release);
}

#endif
