/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of descriptors: a polled channel that is shared with the program, and the callbacks.
 *
 *   WATCHING ──► ENDED: detached or failed, the channel is released, unbind follows ──► UNBOUND ──► freed
 *
 * The memory is freed when unbind has returned and the backend has given the channel back, whichever comes last.
 */
#include <eventmachine/descriptor_watch.h>

#include "base/invariant.h"
#include "base/options.h"
#include "base/status_detail.h"
#include "loop/loop_private.h"
#include "system/descriptor.h"

typedef enum watch_state { WATCHING, ENDED, UNBOUND } watch_state;

struct em_descriptor_watch {
    emi_object object; /* its state is a watch_state */
    emi_channel channel;
    const em_descriptor_watch_handler *handler;
    uint8_t interests; /* emi_interest */
};

static em_descriptor_watch *watch_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_descriptor_watch, object);
}

static em_descriptor_watch *watch_at(emi_channel *channel)
{
    return EMI_CONTAINER(channel, em_descriptor_watch, channel);
}

/* The end */

static void free_watch(em_descriptor_watch *watch)
{
    em_loop *loop = watch->object.loop;
    emi_object_remove(&watch->object);
    emi_release(&loop->memory, watch);
}

/* In a forked child the channel ends with the backend, or in `renew`. */
static void end(em_descriptor_watch *watch, em_status reason)
{
    watch->object.state = ENDED;
    watch->interests = EMI_NO_INTEREST;
    emi_object_end(&watch->object, reason);
    if (!emi_loop_is_forked(watch->object.loop))
        emi_channel_release(&watch->channel);
}

static void reap(emi_object *object)
{
    em_descriptor_watch *watch = watch_of(object);
    EMI_INVARIANT(object->state == ENDED);
    if (watch->handler->unbind)
        watch->handler->unbind(watch, (em_status)object->reason);
    object->state = UNBOUND;
    if (!watch->channel.backend)
        free_watch(watch);
}

static void close_watch(emi_object *object)
{
    if (object->state == WATCHING)
        end(watch_of(object), EM_OK);
}

static void renew(emi_object *object)
{
    em_descriptor_watch *watch = watch_of(object);
    if (object->state != WATCHING && watch->channel.backend && !watch->channel.released)
        emi_channel_release(&watch->channel);
}

static void free_object(emi_object *object)
{
    free_watch(watch_of(object));
}

static const emi_object_operations operations = {
    .reap = reap,
    .close = close_watch,
    .renew = renew,
    .free = free_object,
};

/* What the backend reports */

static void ready(emi_channel *channel, unsigned interests)
{
    em_descriptor_watch *watch = watch_at(channel);
    const em_descriptor_watch_handler *handler = watch->handler;
    watch->object.active_ns = watch->object.loop->now_ns;
    if ((interests & EMI_READABLE) && handler->notify_readable)
        handler->notify_readable(watch);
    if ((interests & watch->interests & EMI_WRITABLE) && handler->notify_writable &&
        !emi_loop_is_forked(watch->object.loop))
        handler->notify_writable(watch);
}

static void failed(emi_channel *channel, em_status reason)
{
    end(watch_at(channel), reason);
}

static void released(emi_channel *channel)
{
    em_descriptor_watch *watch = watch_at(channel);
    emi_loop_note_released(watch->object.loop, channel);
    if (watch->object.state == UNBOUND)
        free_watch(watch);
}

static const emi_channel_events events = {
    .ready = ready,
    .failed = failed,
    .released = released,
};

/* Watching */

static em_status check_handler(const em_descriptor_watch_handler *handler)
{
    return EMI_IS_HANDLER(handler) ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

static em_status read_options(em_descriptor_watch_options *own, const em_descriptor_watch_options *given)
{
    em_status status = emi_read_named_options("em_descriptor_watch_options", own, sizeof *own, given);
    if (status == EM_OK && (!emi_is_switch(own->notify_readable) || !emi_is_switch(own->notify_writable)))
        status = emi_status_with_detail(EM_INVALID_ARGUMENT, "em_descriptor_watch_options: a switch is out of range");
    return status;
}

static em_status set_interests(em_descriptor_watch *watch, unsigned interests)
{
    em_status status = interests == watch->interests ? EM_OK : emi_channel_poll(&watch->channel, interests);
    if (status == EM_OK)
        watch->interests = (uint8_t)interests;
    return status;
}

/* If this fails, nothing has happened, and no callback is called. */
static em_status start(em_descriptor_watch *watch, int descriptor, const em_descriptor_watch_options *options)
{
    unsigned interests = (options->notify_readable == EM_ON ? EMI_READABLE : 0U) |
                         (options->notify_writable == EM_ON ? EMI_WRITABLE : 0U);
    em_status status = emi_loop_attach_channel(watch->object.loop, &watch->channel, EMI_POLLED, descriptor, EMI_SHARED);
    if (status != EM_OK) {
        free_watch(watch);
        return status;
    }
    status = set_interests(watch, interests);
    if (status != EM_OK) {
        watch->object.state = UNBOUND;
        emi_channel_release(&watch->channel);
    }
    return status;
}

static em_status create(em_loop *loop, const em_descriptor_watch_handler *handler, void *user,
                        em_descriptor_watch **created)
{
    emi_loop_refresh_time(loop);
    em_descriptor_watch *watch = emi_allocate_zeroed(&loop->memory, sizeof *watch);
    if (!watch)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&watch->object, loop, EMI_DESCRIPTOR_WATCH, &operations, user);
    if (status != EM_OK) {
        emi_release(&loop->memory, watch);
        return status;
    }
    emi_channel_init(&watch->channel, &events);
    watch->handler = handler;
    *created = watch;
    return EM_OK;
}

em_status em_loop_watch_descriptor(em_loop *loop, int descriptor, const em_descriptor_watch_handler *handler,
                                   const em_descriptor_watch_options *given, em_descriptor_watch **made)
{
    if (made)
        *made = NULL;
    em_descriptor_watch_options options;
    emi_descriptor found;
    em_descriptor_watch *watch;
    em_status status = emi_loop_check(loop);
    if (status == EM_OK)
        status = check_handler(handler);
    if (status == EM_OK)
        status = read_options(&options, given);
    if (status == EM_OK)
        status = emi_descriptor_examine(descriptor, &found);
    if (status == EM_OK)
        status = create(loop, handler, options.user, &watch);
    if (status == EM_OK)
        status = start(watch, descriptor, &options);
    if (status == EM_OK && made)
        *made = watch;
    return status;
}

static em_status check(const em_descriptor_watch *watch)
{
    if (!watch)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return watch->object.state == WATCHING ? EM_OK : EM_CLOSED;
}

static em_status change(em_descriptor_watch *watch, emi_interest interest, em_switch notify)
{
    em_status status = check(watch);
    if (status == EM_OK && notify != EM_ON && notify != EM_OFF)
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status != EM_OK)
        return status;
    unsigned others = watch->interests & ~(unsigned)interest;
    return set_interests(watch, notify == EM_ON ? others | (unsigned)interest : others);
}

em_status em_descriptor_watch_set_notify_readable(em_descriptor_watch *watch, em_switch notify)
{
    return change(watch, EMI_READABLE, notify);
}

em_status em_descriptor_watch_set_notify_writable(em_descriptor_watch *watch, em_switch notify)
{
    return change(watch, EMI_WRITABLE, notify);
}

int em_descriptor_watch_is_notify_readable(const em_descriptor_watch *watch)
{
    return watch && (watch->interests & EMI_READABLE);
}

int em_descriptor_watch_is_notify_writable(const em_descriptor_watch *watch)
{
    return watch && (watch->interests & EMI_WRITABLE);
}

em_status em_descriptor_watch_detach(em_descriptor_watch *watch)
{
    em_status status = check(watch);
    if (status == EM_OK)
        end(watch, EM_OK);
    return status;
}

/* Looking at a watch */

em_loop *em_descriptor_watch_get_loop(const em_descriptor_watch *watch)
{
    return watch ? watch->object.loop : NULL;
}

void *em_descriptor_watch_get_user(const em_descriptor_watch *watch)
{
    return watch ? watch->object.user : NULL;
}

void em_descriptor_watch_set_user(em_descriptor_watch *watch, void *user)
{
    if (watch)
        watch->object.user = user;
}

int em_descriptor_watch_get_descriptor(const em_descriptor_watch *watch)
{
    return watch && watch->object.state == WATCHING ? watch->channel.descriptor : -1;
}

uint64_t em_descriptor_watch_get_idle_ns(const em_descriptor_watch *watch)
{
    return watch ? watch->object.loop->now_ns - watch->object.active_ns : 0;
}

em_signature em_descriptor_watch_get_signature(const em_descriptor_watch *watch)
{
    return watch ? watch->object.handle.signature : 0;
}

em_descriptor_watch *em_loop_find_descriptor_watch(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_DESCRIPTOR_WATCH, signature);
    return object && object->state != UNBOUND ? watch_of(object) : NULL;
}
