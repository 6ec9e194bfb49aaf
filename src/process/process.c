/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The life of a process:
 *
 *   RUNS ──► ENDED ──► UNBOUND
 *     │                   ▲
 *     └───────────────────┘ given up, or the loop is destroyed
 *
 * It has ended when it was reaped. It is unbound when its streams have been unbound, too; its channel is released after
 * that. One that was given up is reaped after it was unbound, whenever that is possible.
 */
#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "process/process_private.h"
#include "system/child.h"
#include "system/child_streams.h"

static em_process *process_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_process, object);
}

static void free_process(emi_object *object)
{
    em_process *process = process_of(object);
    emi_process_stop_steps(process);
    if (process->exit.loop)
        emi_loop_timer_cancel(object->loop, &process->exit.timer);
    emi_object_remove(object);
    emi_release(&object->loop->memory, process);
}

void emi_process_free(em_process *process)
{
    free_process(&process->object);
}

/* Its end */

static void note_status(em_process *process, bool is_known, int wait_status)
{
    em_process_status *status = &process->status;
    process->object.state = EMI_PROCESS_ENDED;
    if (!is_known) {
        status->end = EM_PROCESS_LOST;
        return;
    }
    status->wait_status = wait_status;
    status->signal = emi_wait_status_get_signal(wait_status, &status->has_dumped);
    status->end = status->signal > 0 ? EM_PROCESS_SIGNALED : EM_PROCESS_EXITED;
    if (status->end == EM_PROCESS_EXITED)
        status->exit_status = emi_wait_status_get_exit_status(wait_status);
}

static void end(em_process *process, bool is_known, int wait_status)
{
    note_status(process, is_known, wait_status);
    emi_process_stop_steps(process);
    if (process->handler && process->handler->exited)
        process->handler->exited(process, &process->status);
}

/* Callbacks may do anything, so what follows `exited` follows in reap. */
static void exited(emi_exit_watch *watch, bool is_known, int wait_status)
{
    em_process *process = EMI_CONTAINER(watch, em_process, exit);
    if (process->object.state != EMI_PROCESS_UNBOUND) {
        end(process, is_known, wait_status);
        emi_process_end_streams(process);
    }
    emi_object_list(&process->object);
}

static void released(emi_exit_watch *watch)
{
    emi_process_free(EMI_CONTAINER(watch, em_process, exit));
}

static const emi_exit_watch_events exit_events = {.exited = exited, .released = released};

void emi_process_watch_exit(em_process *process, int pid)
{
    emi_exit_watch_start_child(&process->exit, process->object.loop, pid, &exit_events);
}

/* Looks once more at one that runs as far as is known, because the loop is being destroyed. */
static void look_last(em_process *process)
{
    int wait_status;
    if (emi_loop_is_forked(process->object.loop))
        return; /* it is the parent's child, or that of the process that has taken over the loop */
    em_status status = emi_exit_watch_reap(&process->exit, &wait_status);
    if (status != EM_WOULD_BLOCK)
        end(process, status == EM_OK, wait_status);
    else if (process->destroy_signal > 0)
        emi_exit_watch_send_signal(&process->exit, process->destroy_signal);
}

/* One that was given up is still to be reaped, unless it belongs to another process. */
static bool is_to_be_reaped(const em_process *process)
{
    return process->status.end == EM_PROCESS_RUNNING && process->exit.is_child && !process->exit.has_ended;
}

static void leave(em_process *process)
{
    em_loop *loop = process->object.loop;
    int wait_status;
    if (emi_loop_is_forked(loop))
        return;
    if (is_to_be_reaped(process) && !loop->closing) {
        process->is_awaited = true;
        return;
    }
    if (is_to_be_reaped(process) && process->is_awaited)
        emi_exit_watch_reap(&process->exit, &wait_status);
    if (!emi_exit_watch_stop(&process->exit))
        emi_process_free(process);
}

void emi_process_finish(em_process *process)
{
    if (process->object.state == EMI_PROCESS_UNBOUND || process->open_streams > 0)
        return;
    if (process->object.state == EMI_PROCESS_RUNS && process->object.loop->closing)
        look_last(process);
    if (process->object.state == EMI_PROCESS_RUNS && !process->is_given_up)
        return;
    emi_process_stop_steps(process);
    if (process->handler && process->handler->unbind)
        process->handler->unbind(process, &process->status);
    process->object.state = EMI_PROCESS_UNBOUND;
    if (process->object.is_listed)
        return; /* left by reap */
    leave(process);
}

/* What the loop calls */

static void reap(emi_object *object)
{
    em_process *process = process_of(object);
    if (object->state == EMI_PROCESS_UNBOUND)
        leave(process);
    else
        emi_process_finish(process);
}

static void close_process(emi_object *object)
{
    em_process *process = process_of(object);
    if (object->state != EMI_PROCESS_UNBOUND) {
        process->is_given_up = true;
        emi_process_drop_streams(process);
    } else if (!process->is_awaited) {
        return;
    }
    emi_object_list(object);
}

static void child_unbound(emi_object *object, emi_object *child)
{
    em_process *process = process_of(object);
    (void)child;
    process->open_streams--;
    emi_process_finish(process);
}

/* One that was unbound in the child before it took the loop over still has a channel. */
static void renew(emi_object *object)
{
    emi_exit_watch_disown(&process_of(object)->exit);
    if (object->state == EMI_PROCESS_UNBOUND && !object->is_listed)
        leave(process_of(object));
}

static const emi_object_operations operations = {
    .reap = reap,
    .close = close_process,
    .child_unbound = child_unbound,
    .renew = renew,
    .free = free_process,
};

em_status emi_process_create(em_loop *loop, const em_process_options *options, const em_process_handler *handler,
                             em_process **made)
{
    em_process *process = emi_allocate_zeroed(&loop->memory, sizeof *process);
    if (!process)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&process->object, loop, EMI_PROCESS, &operations, options->user);
    if (status != EM_OK) {
        emi_release(&loop->memory, process);
        return status;
    }
    process->handler = handler;
    process->status = (em_process_status){.size = sizeof process->status, .exit_status = -1};
    process->silence_timeout_ns = options->silence_timeout_ns;
    process->destroy_signal = options->destroy_signal;
    process->leads_group = options->new_group == EM_ON || options->new_session == EM_ON;
    emi_process_init_steps(process, options);
    *made = process;
    return EM_OK;
}

/* Looking at it */

em_status emi_process_check(const em_process *process)
{
    if (!process)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return emi_loop_is_forked(process->object.loop) ? EM_FORKED : EM_OK;
}

em_connection *em_process_get_stream(const em_process *process, em_process_stream stream)
{
    if (!process || stream < EM_PROCESS_INPUT || stream > EM_PROCESS_ERROR)
        return NULL;
    return em_loop_find_connection(process->object.loop, process->streams[stream]);
}

int em_process_get_pid(const em_process *process)
{
    return process ? process->exit.pid : 0;
}

em_status em_process_get_status(const em_process *process, em_process_status *status)
{
    if (!process || !status || !emi_is_struct_size(status->size))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    size_t size = status->size;
    memset(status, 0, size);
    memcpy(status, &process->status, size < sizeof *status ? size : sizeof *status);
    status->size = size;
    return EM_OK;
}

em_status em_process_set_terminal_size(em_process *process, unsigned rows, unsigned columns)
{
    em_status status = emi_process_check(process);
    if (status != EM_OK)
        return status;
    if (!process->has_terminal)
        return emi_status_without_detail(EM_INVALID_STATE);
    if (rows < 1 || rows > UINT16_MAX || columns < 1 || columns > UINT16_MAX)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    int master = em_connection_get_descriptor(em_process_get_stream(process, EM_PROCESS_INPUT));
    return master < 0 ? EM_CLOSED : emi_terminal_set_size(master, rows, columns);
}

em_loop *em_process_get_loop(const em_process *process)
{
    return process ? process->object.loop : NULL;
}

void *em_process_get_user(const em_process *process)
{
    return process ? process->object.user : NULL;
}

void em_process_set_user(em_process *process, void *user)
{
    if (process)
        process->object.user = user;
}

em_signature em_process_get_signature(const em_process *process)
{
    return process ? process->object.handle.signature : 0;
}

em_process *em_loop_find_process(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_PROCESS, signature);
    return object && object->state != EMI_PROCESS_UNBOUND ? process_of(object) : NULL;
}
