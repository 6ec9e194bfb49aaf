/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Waiting for the end of processes.
 */
#include "loop/exit_watch.h"

#include "system/child.h"
#include "system/pidfd.h"
#include "system/socket.h"

#define FIRST_INTERVAL_NS EM_MILLISECONDS
#define LONGEST_INTERVAL_NS (100 * EM_MILLISECONDS)

static emi_exit_watch *watch_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, emi_exit_watch, channel);
}

static int descriptor_of(const emi_exit_watch *watch)
{
    return watch->channel.backend ? watch->channel.descriptor : EMI_NO_SOCKET;
}

/* As emi_exit_watch_reap. */
static em_status look(emi_exit_watch *watch, int *wait_status)
{
    *wait_status = 0;
    if (watch->is_child)
        return emi_child_reap(watch->pid, descriptor_of(watch), wait_status);
    if (descriptor_of(watch) >= 0 && emi_pidfd_get_wait_status(descriptor_of(watch), wait_status) == EM_OK)
        return EM_OK;
    return emi_process_look(watch->pid) == EM_OK ? EM_NO_SUCH_PROCESS : EM_WOULD_BLOCK;
}

static void end(emi_exit_watch *watch, bool is_known, int wait_status)
{
    watch->has_ended = true;
    emi_loop_timer_cancel(watch->loop, &watch->timer);
    if (watch->channel.backend && !watch->channel.released)
        emi_channel_poll(&watch->channel, EMI_NO_INTEREST);
    watch->events->exited(watch, is_known, wait_status);
}

static void schedule(emi_exit_watch *watch)
{
    emi_loop_timer_set(watch->loop, &watch->timer, emi_loop_due_ns(watch->loop, watch->interval_ns));
}

/* The descriptor is readable as soon as the process has ended. A child may have to be waited for nevertheless: while a
 * debugger traces it, the debugger gets its status first. */
static void ready(emi_channel *channel, unsigned interests)
{
    emi_exit_watch *watch = watch_of(channel);
    int wait_status;
    (void)interests;
    if (watch->has_ended)
        return;
    em_status status = look(watch, &wait_status);
    if (status != EM_WOULD_BLOCK || !watch->is_child) {
        end(watch, status == EM_OK, wait_status);
        return;
    }
    emi_channel_poll(channel, EMI_NO_INTEREST);
    schedule(watch);
}

static void released(emi_channel *channel)
{
    emi_exit_watch *watch = watch_of(channel);
    emi_loop_note_released(watch->loop, channel);
    channel->backend = NULL;
    watch->events->released(watch);
}

static const emi_channel_events channel_events = {.ready = ready, .released = released};

static void fire(emi_loop_timer *timer)
{
    emi_exit_watch *watch = EMI_CONTAINER(timer, emi_exit_watch, timer);
    int wait_status;
    em_status status = look(watch, &wait_status);
    if (status != EM_WOULD_BLOCK) {
        end(watch, status == EM_OK, wait_status);
        return;
    }
    if (watch->interval_ns < LONGEST_INTERVAL_NS)
        watch->interval_ns *= 2;
    if (watch->interval_ns > LONGEST_INTERVAL_NS)
        watch->interval_ns = LONGEST_INTERVAL_NS;
    schedule(watch);
}

/* On failure nothing is left of it. */
static em_status poll_descriptor(emi_exit_watch *watch)
{
    int descriptor;
    em_status status = emi_pidfd_open(watch->pid, &descriptor);
    if (status != EM_OK)
        return status;
    emi_channel_init(&watch->channel, &channel_events);
    status = emi_loop_attach_channel(watch->loop, &watch->channel, EMI_POLLED, descriptor, EMI_OURS);
    if (status != EM_OK) {
        watch->channel.backend = NULL;
        emi_socket_close(descriptor);
        return status;
    }
    return emi_channel_poll(&watch->channel, EMI_READABLE);
}

/* The descriptor may be impossible to have: an older kernel, a sandbox, no descriptors left. */
static void begin(emi_exit_watch *watch, em_loop *loop, int pid, const emi_exit_watch_events *events)
{
    emi_loop_refresh_time(loop);
    watch->loop = loop;
    watch->pid = pid;
    watch->events = events;
    watch->interval_ns = FIRST_INTERVAL_NS;
    emi_loop_timer_init(&watch->timer, fire);
    if (poll_descriptor(watch) != EM_OK)
        schedule(watch);
}

void emi_exit_watch_start_child(emi_exit_watch *watch, em_loop *loop, int pid, const emi_exit_watch_events *events)
{
    watch->is_child = true;
    begin(watch, loop, pid, events);
}

em_status emi_exit_watch_start(emi_exit_watch *watch, em_loop *loop, int pid, const emi_exit_watch_events *events)
{
    em_status status = emi_process_signal(pid, EMI_NO_SOCKET, 0);
    if (status == EM_NO_SUCH_PROCESS)
        return status;
    begin(watch, loop, pid, events);
    return EM_OK;
}

void emi_exit_watch_disown(emi_exit_watch *watch)
{
    watch->is_child = false;
}

bool emi_exit_watch_stop(emi_exit_watch *watch)
{
    watch->has_ended = true;
    if (!watch->loop)
        return false;
    emi_loop_timer_cancel(watch->loop, &watch->timer);
    if (!watch->channel.backend)
        return false;
    if (!watch->channel.released)
        emi_channel_release(&watch->channel);
    return true;
}

em_status emi_exit_watch_reap(emi_exit_watch *watch, int *wait_status)
{
    em_status status = look(watch, wait_status);
    if (status != EM_WOULD_BLOCK)
        watch->has_ended = true;
    return status;
}

em_status emi_exit_watch_send_signal(emi_exit_watch *watch, int signal)
{
    if (watch->has_ended)
        return EM_NO_SUCH_PROCESS;
    return emi_process_signal(watch->pid, descriptor_of(watch), signal);
}
