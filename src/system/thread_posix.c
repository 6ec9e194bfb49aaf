/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Threads by pthreads(7).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "system/system_error.h"
#include "system/thread.h"

enum { NANOSECONDS = 1000000000, LONGEST_WAIT_SECONDS = 1000000000 };

em_status emi_mutex_open(emi_mutex *mutex)
{
    return emi_status_from_errno(pthread_mutex_init(mutex, NULL));
}

void emi_mutex_close(emi_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void emi_mutex_lock(emi_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void emi_mutex_unlock(emi_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

em_status emi_condition_open(emi_condition *condition)
{
    return emi_status_from_errno(pthread_cond_init(condition, NULL));
}

void emi_condition_close(emi_condition *condition)
{
    pthread_cond_destroy(condition);
}

void emi_condition_wait(emi_condition *condition, emi_mutex *mutex)
{
    pthread_cond_wait(condition, mutex);
}

/* The monotonic clock would need pthread_condattr_setclock(3), which macOS does not have. */
bool emi_condition_wait_for(emi_condition *condition, emi_mutex *mutex, uint64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t seconds = timeout_ns / NANOSECONDS;
    if (seconds > LONGEST_WAIT_SECONDS) {
        emi_condition_wait(condition, mutex);
        return true;
    }
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + timeout_ns % NANOSECONDS;
    until.tv_sec += (time_t)(seconds + nanoseconds / NANOSECONDS);
    until.tv_nsec = (long)(nanoseconds % NANOSECONDS);
    return pthread_cond_timedwait(condition, mutex, &until) == 0;
}

void emi_condition_signal(emi_condition *condition)
{
    pthread_cond_signal(condition);
}

void emi_condition_broadcast(emi_condition *condition)
{
    pthread_cond_broadcast(condition);
}

typedef struct start {
    void (*run)(void *argument);
    void *argument;
} start;

static void *run_thread(void *argument)
{
    start given = *(start *)argument;
    free(argument);
    given.run(given.argument);
    return NULL;
}

em_status emi_thread_start(void (*run)(void *argument), void *argument)
{
    start *given = malloc(sizeof *given);
    if (!given)
        return EM_NO_MEMORY;
    *given = (start){.run = run, .argument = argument};
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_thread, given);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(given);
        return emi_status_from_errno(error) == EM_WOULD_BLOCK ? EM_LIMIT : emi_status_from_errno(error);
    }
    pthread_detach(thread);
    return EM_OK;
}

uint64_t emi_thread_number(void)
{
    static atomic_uint_least64_t last;
    static _Thread_local uint64_t own;
    if (own == 0)
        own = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return own;
}

atomic_uint emi_forks;
static atomic_bool has_forked;

void emi_note_copies(void)
{
    atomic_store_explicit(&has_forked, true, memory_order_relaxed);
}

static void count_fork(void)
{
    atomic_fetch_add_explicit(&emi_forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, emi_note_copies, count_fork);
}

unsigned emi_fork_count(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    return atomic_load_explicit(&emi_forks, memory_order_relaxed);
}

bool emi_has_forked(void)
{
    return atomic_load_explicit(&has_forked, memory_order_relaxed);
}

#endif
