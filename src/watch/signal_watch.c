/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signal watches. Each watch is a receiver: within the signal handler it counts the signal and wakes the loop, whose
 * own waker is the "self-pipe" that other programs make for this. The loop's thread then reports what was counted.
 */
#include <eventmachine/signal_watch.h>

#include "base/list.h"
#include "base/options.h"
#include "base/status_detail.h"
#include "loop/loop_private.h"
#include "system/signals.h"

typedef struct signals_service {
    emi_service service;
    em_loop *loop;
    emi_list watches; /* also those that have ended, until their `unbind` */
    atomic_bool has_arrived;
} signals_service;

typedef enum signal_watch_state { WATCH_OPEN, WATCH_ENDED } signal_watch_state;

struct em_signal_watch {
    emi_object object;
    const em_signal_watch_handler *handler;
    signals_service *service;
    emi_list link; /* in the service's watches */
    emi_signal_receiver receiver;
    atomic_uint_least64_t count; /* not reported yet */
};

static signals_service *service_of(emi_service *service)
{
    return EMI_CONTAINER(service, signals_service, service);
}

static em_signal_watch *watch_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_signal_watch, object);
}

/* Within the signal handler. */
static bool arrived(emi_signal_receiver *receiver)
{
    em_signal_watch *watch = EMI_CONTAINER(receiver, em_signal_watch, receiver);
    em_loop *loop = watch->object.loop;
    if (emi_loop_is_forked(loop))
        return false;
    atomic_fetch_add(&watch->count, 1);
    atomic_store(&watch->service->has_arrived, true);
    em_loop_wake(loop);
    return true;
}

/* Reporting */

static void report(em_signal_watch *watch)
{
    uint64_t count = atomic_exchange(&watch->count, 0);
    if (count == 0 || watch->object.state != WATCH_OPEN)
        return;
    watch->object.active_ns = watch->object.loop->now_ns;
    if (watch->handler->signal_received)
        watch->handler->signal_received(watch, count);
}

/* Callbacks may end watches, which stay in the list until the end of the turn, and begin some, which follow. In a child
 * that one of them has forked, the rest waits for em_loop_take_over. */
static void report_all(emi_service *service)
{
    signals_service *signals = service_of(service);
    if (!atomic_exchange(&signals->has_arrived, false))
        return;
    for (emi_list *link = signals->watches.next; link != &signals->watches; link = link->next) {
        if (emi_loop_is_forked(signals->loop)) {
            atomic_store(&signals->has_arrived, true);
            return;
        }
        report(EMI_CONTAINER(link, em_signal_watch, link));
    }
}

static void renew(emi_service *service)
{
    signals_service *signals = service_of(service);
    for (emi_list *link = signals->watches.next; link != &signals->watches; link = link->next) {
        const em_signal_watch *watch = EMI_CONTAINER(link, em_signal_watch, link);
        if (watch->object.state == WATCH_OPEN)
            emi_signal_receiver_renew(&watch->receiver);
    }
}

static bool has_signals(const emi_service *service)
{
    return atomic_load(&((const signals_service *)(const void *)service)->has_arrived);
}

static void free_service(emi_service *service)
{
    emi_release(&service_of(service)->loop->memory, service);
}

static const emi_service_operations service_operations = {
    .turn = report_all,
    .has_work = has_signals,
    .renew = renew,
    .destroy = free_service,
};

static em_status open_service(em_loop *loop, signals_service **opened)
{
    emi_service *known = loop->services[EMI_SERVICE_SIGNAL_WATCHES];
    signals_service *made = known ? service_of(known) : emi_allocate_zeroed(&loop->memory, sizeof *made);
    *opened = made;
    if (known || !made)
        return made ? EM_OK : EM_NO_MEMORY;
    made->service.operations = &service_operations;
    made->loop = loop;
    emi_list_init(&made->watches);
    emi_loop_add_service(loop, EMI_SERVICE_SIGNAL_WATCHES, &made->service);
    return EM_OK;
}

/* Ending */

static void free_watch(emi_object *object)
{
    em_signal_watch *watch = watch_of(object);
    em_loop *loop = object->loop;
    emi_object_remove(object);
    emi_list_remove(&watch->link);
    emi_release(&loop->memory, watch);
}

static void reap_watch(emi_object *object)
{
    em_signal_watch *watch = watch_of(object);
    if (watch->handler->unbind)
        watch->handler->unbind(watch, (em_status)object->reason);
    free_watch(object);
}

static void close_watch(emi_object *object)
{
    em_signal_watch_stop(watch_of(object));
}

static const emi_object_operations operations = {.reap = reap_watch, .close = close_watch, .free = free_watch};

void em_signal_watch_stop(em_signal_watch *watch)
{
    if (!watch || watch->object.state != WATCH_OPEN)
        return;
    watch->object.state = WATCH_ENDED;
    emi_signal_receiver_close(&watch->receiver);
    emi_object_end(&watch->object, EM_OK);
}

/* Beginning */

static em_status new_watch(em_loop *loop, const em_signal_watch_handler *handler,
                           const em_signal_watch_options *options, em_signal_watch **made)
{
    signals_service *service;
    em_status status = open_service(loop, &service);
    em_signal_watch *watch = status == EM_OK ? emi_allocate_zeroed(&loop->memory, sizeof *watch) : NULL;
    if (!watch)
        return EM_NO_MEMORY;
    status = emi_object_add(&watch->object, loop, EMI_SIGNAL_WATCH, &operations, options->user);
    if (status != EM_OK) {
        emi_release(&loop->memory, watch);
        return status;
    }
    watch->handler = handler;
    watch->service = service;
    watch->receiver.arrived = arrived;
    emi_list_append(&service->watches, &watch->link);
    *made = watch;
    return EM_OK;
}

em_status em_loop_watch_signal(em_loop *loop, int signal_number, const em_signal_watch_handler *handler,
                               const em_signal_watch_options *given, em_signal_watch **watch)
{
    if (watch)
        *watch = NULL;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (!EMI_IS_HANDLER(handler))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_signal_watch_options options;
    status = emi_read_named_options("em_signal_watch_options", &options, sizeof options, given);
    if (status != EM_OK)
        return status;
    em_signal_watch *made;
    status = new_watch(loop, handler, &options, &made);
    if (status != EM_OK)
        return emi_status_without_detail(status);
    status = emi_signal_receiver_open(&made->receiver, signal_number);
    if (status != EM_OK)
        free_watch(&made->object);
    else if (watch)
        *watch = made;
    return status;
}

/* Looking at one */

int em_signal_watch_get_signal_number(const em_signal_watch *watch)
{
    return watch ? watch->receiver.signal_number : 0;
}

em_loop *em_signal_watch_get_loop(const em_signal_watch *watch)
{
    return watch ? watch->object.loop : NULL;
}

em_signature em_signal_watch_get_signature(const em_signal_watch *watch)
{
    return watch ? watch->object.handle.signature : 0;
}

em_signal_watch *em_loop_find_signal_watch(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_SIGNAL_WATCH, signature);
    return object ? watch_of(object) : NULL;
}

void *em_signal_watch_get_user(const em_signal_watch *watch)
{
    return watch ? watch->object.user : NULL;
}

void em_signal_watch_set_user(em_signal_watch *watch, void *user)
{
    if (watch)
        watch->object.user = user;
}
