/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signals by sigaction(2). A handler, and not signalfd(2): that would need the signal to be blocked in every thread of
 * the program, also in those that other libraries start, and programs that it starts would inherit the blocked mask.
 *
 * The handler may run in any thread, while another thread opens or closes a receiver. Both take a spinlock. Who holds
 * it has all signals blocked, so the handler never waits for the thread that it has interrupted. A lock that a thread
 * of the parent held during fork(2) is taken away from it in the child, as in tls_lock.c.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/status_detail.h"
#include "system/signals.h"
#include "system/system_error.h"

/* Signals have small numbers everywhere: NSIG is 65 on Linux and at most 129 elsewhere. */
enum { SIGNALS = 129 };

static struct {
    atomic_long holder;
    emi_signal_receiver *receivers[SIGNALS];
    struct sigaction before[SIGNALS]; /* what was there before the handler */
    /* Others have installed a handler over ours, which may call ours: what was there before both. */
    struct sigaction before_covered[SIGNALS];
    atomic_bool is_covered[SIGNALS];
} all;

/* The signal that this thread handles, if others have once covered the handler. */
static _Thread_local volatile sig_atomic_t handled;

/* Those that the kernel sends because of what a thread has just done, and that must be handled right there. */
static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static bool is_synchronous(int signal_number)
{
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        if (synchronous[i] == signal_number)
            return true;
    return false;
}

/* With all signals blocked. */
static void take_lock(void)
{
    long self = (long)getpid();
    long holder = 0;
    while (!atomic_compare_exchange_weak_explicit(&all.holder, &holder, self, memory_order_acquire,
                                                  memory_order_relaxed)) {
        if (holder == self) {
            sched_yield();
            holder = 0;
        }
        /* Any other holder is a thread of the parent, which is not in this process: the next round replaces it. */
    }
}

static void give_lock(void)
{
    atomic_store_explicit(&all.holder, 0, memory_order_release);
}

static void fill_mask(sigset_t *mask)
{
    sigfillset(mask);
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        sigdelset(mask, synchronous[i]);
}

static void handle(int signal_number, siginfo_t *info, void *context);

/* What would have happened without the handler. */
static void act_as_before(const struct sigaction *before, int signal_number, siginfo_t *info, void *context)
{
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signal_number, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(signal_number);
}

static bool is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

/* It takes effect when the handler returns, because the signal is blocked until then. A handler that others have
 * installed and that has called ours stays: for it, the default was no handler to call. */
static void send_again(const struct sigaction *before, int signal_number)
{
    struct sigaction now;
    if (sigaction(signal_number, NULL, &now) < 0 || !is_ours(&now))
        return;
    sigaction(signal_number, before, NULL);
    raise(signal_number);
}

/* A child that has not taken over the loop has inherited the handler, but nobody there looks at what arrives. So the
 * signal does what it did before, such as ending the process. */
static void receive(int signal_number, siginfo_t *info, void *context)
{
    bool is_received = false;
    take_lock();
    for (emi_signal_receiver *receiver = all.receivers[signal_number]; receiver; receiver = receiver->next)
        is_received |= receiver->arrived(receiver);
    struct sigaction before = all.before[signal_number];
    give_lock();
    if (is_default(&before) && !is_received)
        send_again(&before, signal_number);
    else
        act_as_before(&before, signal_number, info, context);
}

/*
 * The handler of before may be one that others had installed over ours, and that calls ours in turn. Such a call goes
 * on with what was there before both. If a handler has left by siglongjmp(3), one later signal is taken for such a
 * call.
 */
static void handle(int signal_number, siginfo_t *info, void *context)
{
    int saved = errno;
    sig_atomic_t outer = handled;
    if (!atomic_load(&all.is_covered[signal_number])) {
        receive(signal_number, info, context);
    } else if (outer == signal_number) {
        handled = 0;
        act_as_before(&all.before_covered[signal_number], signal_number, info, context);
    } else {
        handled = signal_number;
        receive(signal_number, info, context);
        handled = outer;
    }
    errno = saved;
}

static em_status refuse(const char *text)
{
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

static em_status check(int signal_number)
{
    if (signal_number <= 0 || signal_number >= SIGNALS)
        return refuse("there is no signal with this number");
    if (signal_number == SIGKILL || signal_number == SIGSTOP)
        return refuse("SIGKILL and SIGSTOP cannot be watched");
    if (is_synchronous(signal_number))
        return refuse("a signal that reports a fault of the program itself cannot be watched");
    return EM_OK;
}

/* For SIGCHLD, which child processes leave zombies and which of their changes count stays as it was. Who ignores the
 * signal wants none, sigaction(2). */
static int flags_about_children(const struct sigaction *before)
{
    bool is_ignored = !(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_IGN;
    return (before->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) | (is_ignored ? SA_NOCLDWAIT : 0);
}

/* With the lock. System calls that the signal interrupts are restarted, as far as signal(7) says so. */
static int set_handler(int signal_number)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    if (signal_number == SIGCHLD)
        action.sa_flags |= flags_about_children(&all.before[signal_number]);
    action.sa_sigaction = handle;
    fill_mask(&action.sa_mask);
    return sigaction(signal_number, &action, NULL);
}

/* With the lock. */
static em_status install(int signal_number)
{
    if (sigaction(signal_number, NULL, &all.before[signal_number]) == 0 && set_handler(signal_number) == 0)
        return EM_OK;
    return errno == EINVAL ? refuse("the system reserves this signal, or has none with this number")
                           : emi_last_status();
}

/* With the lock. */
static void note_covered(int signal_number)
{
    if (atomic_load(&all.is_covered[signal_number]))
        return;
    all.before_covered[signal_number] = all.before[signal_number];
    atomic_store(&all.is_covered[signal_number], true);
}

/* With the lock. A handler that others have installed meanwhile stays. */
static void uninstall(int signal_number)
{
    struct sigaction now;
    if (sigaction(signal_number, NULL, &now) < 0)
        return;
    if (is_ours(&now))
        sigaction(signal_number, &all.before[signal_number], NULL);
    else
        note_covered(signal_number);
}

/* Whoever changes the lists has all signals blocked, as the handler has. */
static void begin(sigset_t *mask_before)
{
    sigset_t mask;
    fill_mask(&mask);
    pthread_sigmask(SIG_BLOCK, &mask, mask_before);
    take_lock();
}

static void end(const sigset_t *mask_before)
{
    give_lock();
    pthread_sigmask(SIG_SETMASK, mask_before, NULL);
}

em_status emi_signal_receiver_open(emi_signal_receiver *receiver, int signal_number)
{
    em_status status = check(signal_number);
    if (status != EM_OK)
        return status;
    sigset_t mask_before;
    begin(&mask_before);
    if (!all.receivers[signal_number])
        status = install(signal_number);
    if (status == EM_OK) {
        receiver->signal_number = signal_number;
        receiver->next = all.receivers[signal_number];
        all.receivers[signal_number] = receiver;
    }
    end(&mask_before);
    return status;
}

void emi_signal_receiver_renew(const emi_signal_receiver *receiver)
{
    struct sigaction now;
    sigset_t mask_before;
    begin(&mask_before);
    if (sigaction(receiver->signal_number, NULL, &now) == 0 && is_default(&now))
        set_handler(receiver->signal_number);
    end(&mask_before);
}

void emi_signal_receiver_close(emi_signal_receiver *receiver)
{
    sigset_t mask_before;
    begin(&mask_before);
    emi_signal_receiver **link = &all.receivers[receiver->signal_number];
    while (*link != receiver)
        link = &(*link)->next;
    *link = receiver->next;
    if (!all.receivers[receiver->signal_number])
        uninstall(receiver->signal_number);
    end(&mask_before);
}

#endif
