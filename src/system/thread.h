/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Threads, locks, and the detection of fork(2).
 */
#ifndef EMI_THREAD_H
#define EMI_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/status.h>

typedef pthread_mutex_t emi_mutex;
typedef pthread_cond_t emi_condition;

em_status emi_mutex_open(emi_mutex *mutex);
void emi_mutex_close(emi_mutex *mutex);
void emi_mutex_lock(emi_mutex *mutex);
void emi_mutex_unlock(emi_mutex *mutex);

em_status emi_condition_open(emi_condition *condition);
void emi_condition_close(emi_condition *condition);
void emi_condition_wait(emi_condition *condition, emi_mutex *mutex);

/** Like emi_condition_wait, but returns false after timeout_ns (EM_FOREVER: never) without a signal. It follows the
 * wall clock, so only for waits whose length is of no consequence. */
bool emi_condition_wait_for(emi_condition *condition, emi_mutex *mutex, uint64_t timeout_ns);
void emi_condition_signal(emi_condition *condition);
void emi_condition_broadcast(emi_condition *condition);

/**
 * Starts a detached thread. All signals are blocked in it, so the program's handlers run in the program's own threads.
 */
em_status emi_thread_start(void (*run)(void *argument), void *argument);

/** Returns the number of the calling thread, counted from 1. No other thread of this process ever has the same. */
uint64_t emi_thread_number(void);

/** Returns how many forks lie between this process and the one that first called this function. A forked child gets
 * another number than its parent. */
unsigned emi_fork_count(void);

extern atomic_uint emi_forks;

/** Whether this process was forked after emi_fork_count returned this number. It costs one load, for the hot path. */
static inline bool emi_is_forked_since(unsigned fork_count)
{
    return atomic_load_explicit(&emi_forks, memory_order_relaxed) != fork_count;
}

/** Whether a forked process may share this one's descriptors: it has forked since the first emi_fork_count. */
bool emi_has_forked(void);

/** Makes emi_has_forked return true from now on: this process has copies of its parent's descriptors. */
void emi_note_copies(void);

#endif
