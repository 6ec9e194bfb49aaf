/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of processes that end.
 */
#include <eventmachine/process_watch.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "loop/exit_watch.h"

typedef enum watch_state { WATCH_RUNS, WATCH_ENDED, WATCH_UNBOUND } watch_state;

struct em_process_watch {
    emi_object object; /* state: watch_state */
    const em_process_watch_handler *handler;
    emi_exit_watch exit;
};

static em_process_watch *watch_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_process_watch, object);
}

static void free_watch(emi_object *object)
{
    em_process_watch *watch = watch_of(object);
    if (watch->exit.loop)
        emi_loop_timer_cancel(object->loop, &watch->exit.timer);
    emi_object_remove(object);
    emi_release(&object->loop->memory, watch);
}

static void end(em_process_watch *watch)
{
    if (watch->object.state != WATCH_RUNS)
        return;
    watch->object.state = WATCH_ENDED;
    emi_object_end(&watch->object, EM_OK);
}

static void exited(emi_exit_watch *exit, bool is_known, int wait_status)
{
    em_process_watch *watch = EMI_CONTAINER(exit, em_process_watch, exit);
    (void)is_known;
    (void)wait_status;
    if (watch->object.state != WATCH_RUNS)
        return;
    end(watch);
    if (watch->handler->process_exited)
        watch->handler->process_exited(watch);
}

static void released(emi_exit_watch *exit)
{
    free_watch(&EMI_CONTAINER(exit, em_process_watch, exit)->object);
}

static const emi_exit_watch_events exit_events = {.exited = exited, .released = released};

static void leave(em_process_watch *watch)
{
    if (!emi_exit_watch_stop(&watch->exit))
        free_watch(&watch->object);
}

static void reap(emi_object *object)
{
    em_process_watch *watch = watch_of(object);
    if (watch->handler->unbind)
        watch->handler->unbind(watch, (em_status)object->reason);
    object->state = WATCH_UNBOUND;
    if (!emi_loop_is_forked(object->loop)) /* else the channel ends with the backend, the memory after it */
        leave(watch);
}

static void close_watch(emi_object *object)
{
    end(watch_of(object));
}

/* One that was unbound in the child before it took the loop over still has a channel. */
static void renew(emi_object *object)
{
    if (object->state == WATCH_UNBOUND)
        leave(watch_of(object));
}

static const emi_object_operations operations = {
    .reap = reap,
    .close = close_watch,
    .renew = renew,
    .free = free_watch,
};

static em_status check(em_loop *loop, int pid, const em_process_watch_handler *handler)
{
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    return pid > 0 && EMI_IS_HANDLER(handler) ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

static em_status create(em_loop *loop, const em_process_watch_handler *handler, void *user, em_process_watch **made)
{
    em_process_watch *watch = emi_allocate_zeroed(&loop->memory, sizeof *watch);
    if (!watch)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&watch->object, loop, EMI_PROCESS_WATCH, &operations, user);
    if (status != EM_OK) {
        emi_release(&loop->memory, watch);
        return status;
    }
    watch->handler = handler;
    *made = watch;
    return EM_OK;
}

em_status em_loop_watch_process(em_loop *loop, int pid, const em_process_watch_handler *handler,
                                const em_process_watch_options *given, em_process_watch **made)
{
    if (made)
        *made = NULL;
    em_process_watch *watch;
    em_process_watch_options options;
    em_status status = check(loop, pid, handler);
    if (status == EM_OK)
        status = emi_read_named_options("em_process_watch_options", &options, sizeof options, given);
    if (status == EM_OK)
        status = create(loop, handler, options.user, &watch);
    if (status != EM_OK)
        return status;
    status = emi_exit_watch_start(&watch->exit, loop, pid, &exit_events);
    if (status != EM_OK) {
        free_watch(&watch->object);
        return status;
    }
    if (made)
        *made = watch;
    return EM_OK;
}

void em_process_watch_stop(em_process_watch *watch)
{
    if (watch)
        end(watch);
}

int em_process_watch_get_pid(const em_process_watch *watch)
{
    return watch ? watch->exit.pid : 0;
}

em_loop *em_process_watch_get_loop(const em_process_watch *watch)
{
    return watch ? watch->object.loop : NULL;
}

void *em_process_watch_get_user(const em_process_watch *watch)
{
    return watch ? watch->object.user : NULL;
}

void em_process_watch_set_user(em_process_watch *watch, void *user)
{
    if (watch)
        watch->object.user = user;
}

em_signature em_process_watch_get_signature(const em_process_watch *watch)
{
    return watch ? watch->object.handle.signature : 0;
}

em_process_watch *em_loop_find_process_watch(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_PROCESS_WATCH, signature);
    return object && object->state != WATCH_UNBOUND ? watch_of(object) : NULL;
}
