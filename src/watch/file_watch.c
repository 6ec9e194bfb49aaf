/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches, as the program sees them. What the kernel reports comes from file_notifier.c.
 */
#include <eventmachine/file_watch.h>

#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "watch/file_watch_private.h"

static em_file_watch *watch_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_file_watch, object);
}

static void free_watch(emi_object *object)
{
    em_file_watch *watch = watch_of(object);
    em_loop *loop = object->loop;
    emi_object_remove(object);
    if (watch->notifier)
        emi_file_notifier_remove(watch);
    emi_release(&loop->memory, watch);
}

/* In a child that `unbind` has forked the watch is freed, too: it is the child's copy. */
static void reap_watch(emi_object *object)
{
    em_file_watch *watch = watch_of(object);
    if (watch->handler->unbind)
        watch->handler->unbind(watch, (em_status)object->reason);
    free_watch(object);
}

static void close_watch(emi_object *object)
{
    em_file_watch_stop(watch_of(object));
}

static const emi_object_operations operations = {.reap = reap_watch, .close = close_watch, .free = free_watch};

void emi_file_watch_end(em_file_watch *watch, em_status reason)
{
    watch->object.state = EMI_FILE_WATCH_ENDED;
    emi_file_notifier_end(watch);
    emi_object_end(&watch->object, reason);
}

static void report_modified(em_file_watch *watch, const emi_file_event *event)
{
    em_file_change change = EM_FILE_WRITTEN;
    if (event->changes & EMI_FILE_ENTRY_ADDED)
        change = EM_FILE_ENTRY_ADDED;
    else if (event->changes & EMI_FILE_ENTRY_REMOVED)
        change = EM_FILE_ENTRY_REMOVED;
    if (watch->handler->file_modified)
        watch->handler->file_modified(watch, change, event->name);
}

static void call(void (*callback)(em_file_watch *), em_file_watch *watch)
{
    if (callback)
        callback(watch);
}

/* The kernel reports one change at a time. */
void emi_file_watch_report(em_file_watch *watch, const emi_file_event *event)
{
    unsigned changes = event->changes;
    watch->object.active_ns = watch->object.loop->now_ns;
    if (changes & EMI_FILE_EVENTS_LOST)
        call(watch->handler->events_lost, watch);
    else if (changes & EMI_FILE_MOVED)
        call(watch->handler->file_moved, watch);
    else if (changes & EMI_FILE_DELETED)
        call(watch->handler->file_deleted, watch);
    else if (changes & (EMI_FILE_WRITTEN | EMI_FILE_ENTRY_ADDED | EMI_FILE_ENTRY_REMOVED))
        report_modified(watch, event);
    if ((changes & (EMI_FILE_DELETED | EMI_FILE_UNMOUNTED)) && emi_file_watch_is_open(watch))
        emi_file_watch_end(watch, EM_NO_SUCH_FILE);
}

/* Beginning */

static em_status read_options(em_file_watch_options *own, const em_file_watch_options *given)
{
    em_status status = emi_read_named_options("em_file_watch_options", own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    bool are_valid = emi_is_switch(own->follow_links) && own->reserved == 0;
    return are_valid ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

static em_status begin(em_loop *loop, const char *path, const em_file_watch_handler *handler,
                       const em_file_watch_options *options, em_file_watch **begun)
{
    size_t path_bytes = strlen(path) + 1;
    em_file_watch *watch = emi_allocate_zeroed(&loop->memory, sizeof *watch + path_bytes);
    em_status status =
        watch ? emi_object_add(&watch->object, loop, EMI_FILE_WATCH, &operations, options->user) : EM_NO_MEMORY;
    if (status != EM_OK) {
        emi_release(&loop->memory, watch);
        return emi_status_without_detail(status);
    }
    memcpy(watch->path, path, path_bytes);
    watch->handler = handler;
    status = emi_file_notifier_add(watch, options->follow_links != EM_OFF);
    if (status != EM_OK) {
        free_watch(&watch->object);
        return status;
    }
    *begun = watch;
    return EM_OK;
}

em_status em_loop_watch_file(em_loop *loop, const char *path, const em_file_watch_handler *handler,
                             const em_file_watch_options *given, em_file_watch **watch)
{
    if (watch)
        *watch = NULL;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (!path || path[0] == '\0' || !EMI_IS_HANDLER(handler))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_file_watch_options options;
    status = read_options(&options, given);
    em_file_watch *begun = NULL;
    if (status == EM_OK)
        status = begin(loop, path, handler, &options, &begun);
    if (watch)
        *watch = begun;
    return status;
}

void em_file_watch_stop(em_file_watch *watch)
{
    if (watch && emi_file_watch_is_open(watch))
        emi_file_watch_end(watch, EM_OK);
}

/* Looking at one */

const char *em_file_watch_get_path(const em_file_watch *watch)
{
    return watch ? watch->path : "";
}

em_file_watch *em_file_watch_get_first(const em_file_watch *watch)
{
    if (!watch || !emi_file_watch_is_open(watch))
        return NULL;
    emi_list *link = watch->file->watches.next;
    while (!emi_file_watch_is_open(EMI_CONTAINER(link, em_file_watch, link)))
        link = link->next;
    return EMI_CONTAINER(link, em_file_watch, link);
}

em_loop *em_file_watch_get_loop(const em_file_watch *watch)
{
    return watch ? watch->object.loop : NULL;
}

em_signature em_file_watch_get_signature(const em_file_watch *watch)
{
    return watch ? watch->object.handle.signature : 0;
}

em_file_watch *em_loop_find_file_watch(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_FILE_WATCH, signature);
    return object ? watch_of(object) : NULL;
}

void *em_file_watch_get_user(const em_file_watch *watch)
{
    return watch ? watch->object.user : NULL;
}

void em_file_watch_set_user(em_file_watch *watch, void *user)
{
    if (watch)
        watch->object.user = user;
}
