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
void emi_condition_signal(emi_condition *condition);
void emi_condition_broadcast(emi_condition *condition);

/**
 * Starts a detached thread with all signals blocked, so that the program's handlers run in the program's own threads.
 */
em_status emi_thread_start(void (*run)(void *argument), void *argument);

/** The number of the calling thread, from 1 on, which no other thread of this process ever has. */
uint64_t emi_thread_number(void);

/** How many forks lie between this process and the one that first called this. In a forked child it differs from
 * before. */
unsigned emi_fork_count(void);

extern atomic_uint emi_forks;

/** Whether fork(2) has come between an earlier emi_fork_count and now. Costs a load: for the hot path. */
static inline bool emi_is_forked_since(unsigned fork_count)
{
    return atomic_load_explicit(&emi_forks, memory_order_relaxed) != fork_count;
}

/** Whether this process has forked since emi_fork_count was first called: a child may hold copies of its descriptors.
 */
bool emi_has_forked(void);

/** From now on emi_has_forked returns true: this process has copies of its parent's descriptors. */
void emi_note_copies(void);

#endif
