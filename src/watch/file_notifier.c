/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The notifier: the descriptor by which the kernel reports changes of all files that a loop watches. It is opened with
 * the first watch and closed with the last.
 *
 * Three things must not go wrong. The kernel has one watch for all watches of a file, so it ends with the last of them.
 * Events that were queued before a watch began are not reported to it: `since` is its place in the stream of events.
 * And a number of the kernel may be used again while events of its former file are still queued: these are dropped
 * until EMI_FILE_FORGOTTEN, which ends each use of a number, has come for every former use (`stale`).
 */
#include <string.h>

#include "base/invariant.h"
#include "base/status_detail.h"
#include "watch/file_watch_private.h"

/* Handled in one turn; the rest waits for the next one, so that many changes do not hold up connections. */
enum { EVENTS_PER_TURN = 256 };

/* What a loop has: its notifier, and those whose descriptors are about to be closed. */
typedef struct file_watches_service {
    emi_service service;
    em_loop *loop;
    emi_file_notifier *notifier;
    emi_list notifiers;
} file_watches_service;

static file_watches_service *service_of(em_loop *loop)
{
    emi_service *service = loop->services[EMI_SERVICE_FILE_WATCHES];
    return service ? EMI_CONTAINER(service, file_watches_service, service) : NULL;
}

static emi_file_notifier *notifier_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, emi_file_notifier, channel);
}

/* Memory for events */

static size_t unhandled_bytes(const emi_file_notifier *notifier)
{
    return notifier->end - notifier->start;
}

static void use_own_bytes(emi_file_notifier *notifier)
{
    if (notifier->bytes != notifier->own_bytes)
        emi_release(&notifier->loop->memory, notifier->bytes);
    notifier->bytes = notifier->own_bytes;
    notifier->capacity = sizeof notifier->own_bytes;
    notifier->start = notifier->end = 0;
}

static em_status make_room(emi_file_notifier *notifier, size_t bytes)
{
    if (notifier->capacity - notifier->end >= bytes)
        return EM_OK;
    size_t left = unhandled_bytes(notifier);
    char *larger = emi_allocate(&notifier->loop->memory, left + bytes);
    if (!larger)
        return EM_NO_MEMORY;
    memcpy(larger, notifier->bytes + notifier->start, left);
    use_own_bytes(notifier);
    notifier->bytes = larger;
    notifier->capacity = left + bytes;
    notifier->end = left;
    return EM_OK;
}

static em_status read_events(emi_file_notifier *notifier, size_t bytes)
{
    size_t length;
    em_status status = emi_file_events_read(notifier->descriptor, notifier->bytes + notifier->end, bytes, &length);
    notifier->end += length;
    return status;
}

/*
 * Reads what is queued, so that later events of the same file are not merged with it. The kernel merges an event with
 * the last one in its queue if both are alike, and a new watch would miss the second one.
 */
static em_status read_what_is_queued(emi_file_notifier *notifier)
{
    size_t bytes = emi_file_events_pending(notifier->descriptor);
    if (bytes == 0)
        return EM_OK;
    em_status status = make_room(notifier, bytes);
    if (status == EM_OK && read_events(notifier, bytes) == EM_OK)
        emi_loop_timer_set(notifier->loop, &notifier->timer, notifier->loop->now_ns);
    return status;
}

/* Handling events */

/* In a child that a callback has forked, the rest waits for em_loop_take_over. */
static void report_to_all(emi_file_notifier *notifier, const emi_file_event *event)
{
    const emi_handle_table *objects = &notifier->loop->objects.table;
    for (uint32_t index = 0; index < emi_handle_table_used(objects); index++) {
        emi_handle *handle = emi_handle_table_at(objects, index);
        emi_object *object = handle ? EMI_CONTAINER(handle, emi_object, handle) : NULL;
        if (!object || object->kind != EMI_FILE_WATCH)
            continue;
        em_file_watch *watch = EMI_CONTAINER(object, em_file_watch, object);
        if (watch->notifier == notifier && emi_file_watch_is_open(watch) && watch->since <= notifier->position)
            emi_file_watch_report(watch, event);
    }
}

static void report(const emi_file_notifier *notifier, emi_watched_file *file, const emi_file_event *event)
{
    /* Callbacks may end watches, which stay in the list, and begin some, which come too late for this event. */
    for (emi_list *link = file->watches.next; link != &file->watches; link = link->next) {
        em_file_watch *watch = EMI_CONTAINER(link, em_file_watch, link);
        if (emi_file_watch_is_open(watch) && watch->since <= notifier->position)
            emi_file_watch_report(watch, event);
    }
}

/* The last event of a number. Without having been asked, the kernel ends a watch with the file or its file system. */
static void forget(emi_file_notifier *notifier, emi_watched_file *file)
{
    if (file->stale == 0) {
        for (emi_list *link = file->watches.next; link != &file->watches; link = link->next)
            if (emi_file_watch_is_open(EMI_CONTAINER(link, em_file_watch, link)))
                emi_file_watch_end(EMI_CONTAINER(link, em_file_watch, link), EM_NO_SUCH_FILE);
        EMI_INVARIANT(file->open == 0 && file->stale == 1);
    }
    file->stale--;
    if (file->stale == 0 && file->open == 0)
        emi_watched_files_drop(notifier, file);
}

static void handle(emi_file_notifier *notifier, const emi_file_event *event)
{
    if (event->changes & EMI_FILE_EVENTS_LOST) {
        notifier->has_lost = true;
        report_to_all(notifier, event);
        return;
    }
    emi_watched_file *file = emi_watched_files_find(notifier, event->number);
    if (!file)
        return;
    if (event->changes & EMI_FILE_FORGOTTEN)
        forget(notifier, file);
    else if (file->stale == 0)
        report(notifier, file, event);
}

static void fail_all(emi_file_notifier *notifier, em_status reason)
{
    const emi_handle_table *objects = &notifier->loop->objects.table;
    for (uint32_t index = 0; index < emi_handle_table_used(objects); index++) {
        emi_handle *handle = emi_handle_table_at(objects, index);
        emi_object *object = handle ? EMI_CONTAINER(handle, emi_object, handle) : NULL;
        if (!object || object->kind != EMI_FILE_WATCH)
            continue;
        em_file_watch *watch = EMI_CONTAINER(object, em_file_watch, object);
        if (watch->notifier == notifier && emi_file_watch_is_open(watch))
            emi_file_watch_end(watch, reason);
    }
    emi_channel_poll(&notifier->channel, EMI_NO_INTEREST);
}

/* After lost events, which may have been the last ones of some numbers. */
static void forget_what_was_lost(emi_file_notifier *notifier)
{
    if (emi_file_events_pending(notifier->descriptor) > 0)
        return;
    notifier->has_lost = false;
    emi_watched_files_drop_stale(notifier);
}

/* The names of events are in memory that a callback may replace, by way of read_what_is_queued. */
static void handle_first(emi_file_notifier *notifier, size_t length, const emi_file_event *event)
{
    char name[EMI_FILE_EVENT_BYTES];
    emi_file_event copy = *event;
    if (event->name) {
        strncpy(name, event->name, sizeof name - 1);
        name[sizeof name - 1] = '\0';
        copy.name = name;
    }
    handle(notifier, &copy);
    notifier->start += length;
    notifier->position += length;
}

static void handle_events(emi_file_notifier *notifier)
{
    emi_file_event event;
    for (unsigned i = 0; i < EVENTS_PER_TURN && !emi_loop_is_forked(notifier->loop); i++) {
        size_t length = emi_file_events_decode(notifier->bytes + notifier->start, unhandled_bytes(notifier), &event);
        if (length == 0)
            break;
        handle_first(notifier, length, &event);
    }
    if (unhandled_bytes(notifier) > 0) {
        emi_loop_timer_set(notifier->loop, &notifier->timer, notifier->loop->now_ns);
        return;
    }
    use_own_bytes(notifier);
    if (notifier->has_lost)
        forget_what_was_lost(notifier);
}

static void ready(emi_channel *channel, unsigned interests)
{
    emi_file_notifier *notifier = notifier_of(channel);
    (void)interests;
    em_status status = EM_OK;
    if (unhandled_bytes(notifier) == 0)
        status = read_events(notifier, notifier->capacity);
    if (status == EM_OK)
        handle_events(notifier);
    else if (status != EM_WOULD_BLOCK)
        fail_all(notifier, status);
}

static void go_on(emi_loop_timer *timer)
{
    handle_events(EMI_CONTAINER(timer, emi_file_notifier, timer));
}

/* Opening and closing */

static void free_notifier(emi_file_notifier *notifier)
{
    emi_loop_timer_cancel(notifier->loop, &notifier->timer);
    emi_watched_files_clear(notifier);
    use_own_bytes(notifier);
    emi_list_remove(&notifier->link);
    emi_release(&notifier->loop->memory, notifier);
}

static void released(emi_channel *channel)
{
    emi_file_notifier *notifier = notifier_of(channel);
    emi_loop_note_released(notifier->loop, channel);
    if (channel->ownership == EMI_SHARED)
        emi_file_events_close_in_background(notifier->descriptor);
    free_notifier(notifier);
}

static const emi_channel_events events = {.ready = ready, .released = released};

static void close_notifier(emi_file_notifier *notifier)
{
    service_of(notifier->loop)->notifier = NULL;
    emi_loop_timer_cancel(notifier->loop, &notifier->timer);
    if (!notifier->loop->closing)
        notifier->channel.ownership = EMI_SHARED; /* closed in the background */
    emi_channel_release(&notifier->channel);
}

/* One whose first watch has failed is not attached yet. */
static void discard(emi_file_notifier *notifier)
{
    if (notifier->is_attached)
        return;
    service_of(notifier->loop)->notifier = NULL;
    if (notifier->descriptor >= 0)
        emi_file_events_close(notifier->descriptor);
    free_notifier(notifier);
}

/* What ended in the child before it took over the loop, and was left to the parent until then. */
static void renew_service(emi_service *service)
{
    emi_file_notifier *notifier = EMI_CONTAINER(service, file_watches_service, service)->notifier;
    if (!notifier)
        return;
    for (unsigned i = 0; i < notifier->bucket_count; i++)
        for (const emi_watched_file *file = notifier->buckets[i]; file; file = file->next_in_bucket)
            if (file->open == 0)
                emi_file_events_remove(notifier->descriptor, file->number);
    if (notifier->watches == 0)
        close_notifier(notifier);
}

/* In a forked child no channel is released. */
static void free_service(emi_service *service)
{
    file_watches_service *own = EMI_CONTAINER(service, file_watches_service, service);
    while (!emi_list_is_empty(&own->notifiers))
        free_notifier(EMI_CONTAINER(own->notifiers.next, emi_file_notifier, link));
    emi_release(&own->loop->memory, own);
}

static const emi_service_operations service_operations = {.renew = renew_service, .destroy = free_service};

static em_status open_service(em_loop *loop)
{
    if (service_of(loop))
        return EM_OK;
    file_watches_service *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->service.operations = &service_operations;
    made->loop = loop;
    emi_list_init(&made->notifiers);
    emi_loop_add_service(loop, EMI_SERVICE_FILE_WATCHES, &made->service);
    return EM_OK;
}

static em_status attach(emi_file_notifier *notifier)
{
    if (notifier->is_attached)
        return EM_OK;
    em_status status =
        emi_loop_attach_channel(notifier->loop, &notifier->channel, EMI_POLLED, notifier->descriptor, EMI_OURS);
    if (status != EM_OK)
        return status;
    notifier->is_attached = true;
    status = emi_channel_poll(&notifier->channel, EMI_READABLE);
    if (status != EM_OK)
        close_notifier(notifier);
    return status;
}

/* Returns the loop's notifier, which is made if there is none. */
static em_status notifier_of_loop(em_loop *loop, emi_file_notifier **notifier)
{
    em_status status = open_service(loop);
    if (status != EM_OK)
        return status;
    file_watches_service *service = service_of(loop);
    *notifier = service->notifier;
    if (*notifier)
        return EM_OK;
    emi_file_notifier *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->loop = loop;
    made->bytes = made->own_bytes;
    use_own_bytes(made);
    emi_channel_init(&made->channel, &events);
    emi_loop_timer_init(&made->timer, go_on);
    made->descriptor = -1;
    emi_list_append(&service->notifiers, &made->link);
    service->notifier = *notifier = made;
    return EM_OK;
}

/* Watches */

static void join(emi_file_notifier *notifier, emi_watched_file *file, em_file_watch *watch)
{
    watch->notifier = notifier;
    watch->since = notifier->position + unhandled_bytes(notifier);
    watch->file = file;
    file->open++;
    notifier->watches++;
    emi_list_append(&file->watches, &watch->link);
}

/* With a new file for the case that it is not watched yet. Returns the one to use; NULL without memory. */
static emi_watched_file *choose(emi_file_notifier *notifier, emi_watched_file *made, int number)
{
    emi_watched_file *known = emi_watched_files_find(notifier, number);
    if (!known) {
        emi_watched_files_add(notifier, made, number);
        return made;
    }
    emi_release(&notifier->loop->memory, made);
    return known->open == 0 || read_what_is_queued(notifier) == EM_OK ? known : NULL;
}

/* For the first watch, what most often fails is found out before a descriptor is opened, since closing it may take
 * milliseconds. */
static em_status watch_in_kernel(emi_file_notifier *notifier, const char *path, bool follows_links, int *number)
{
    em_status status = EM_OK;
    if (notifier->descriptor < 0)
        status = emi_file_events_check(path, follows_links);
    if (status == EM_OK && notifier->descriptor < 0)
        status = emi_file_events_open(&notifier->descriptor);
    if (status == EM_OK)
        status = emi_file_events_add(notifier->descriptor, path, follows_links, number);
    return status;
}

static em_status add(emi_file_notifier *notifier, em_file_watch *watch, bool follows_links)
{
    const emi_memory *memory = &notifier->loop->memory;
    em_status status = emi_watched_files_reserve(notifier);
    emi_watched_file *made = status == EM_OK ? emi_allocate_zeroed(memory, sizeof *made) : NULL;
    if (!made)
        return emi_status_without_detail(EM_NO_MEMORY);
    emi_list_init(&made->watches);
    int number;
    status = watch_in_kernel(notifier, watch->path, follows_links, &number);
    if (status != EM_OK) {
        emi_release(memory, made);
        return status;
    }
    emi_watched_file *file = choose(notifier, made, number);
    if (!file)
        return emi_status_without_detail(EM_NO_MEMORY);
    status = attach(notifier);
    if (status == EM_OK)
        join(notifier, file, watch);
    return status;
}

em_status emi_file_notifier_add(em_file_watch *watch, bool follows_links)
{
    emi_file_notifier *notifier;
    em_status status = notifier_of_loop(watch->object.loop, &notifier);
    if (status != EM_OK)
        return status;
    status = add(notifier, watch, follows_links);
    if (status != EM_OK)
        discard(notifier);
    return status;
}

void emi_file_notifier_end(em_file_watch *watch)
{
    emi_watched_file *file = watch->file;
    EMI_INVARIANT(file->open > 0);
    if (--file->open > 0)
        return;
    file->stale++;
    /* A forked child shares the kernel's watches with its parent. */
    if (!emi_loop_is_forked(watch->object.loop))
        emi_file_events_remove(watch->notifier->descriptor, file->number);
}

void emi_file_notifier_remove(em_file_watch *watch)
{
    emi_watched_file *file = watch->file;
    emi_file_notifier *notifier = watch->notifier;
    emi_list_remove(&watch->link);
    if (!file->is_listed)
        emi_watched_files_drop(notifier, file);
    notifier->watches--;
    if (notifier->watches == 0 && !emi_loop_is_forked(notifier->loop))
        close_notifier(notifier);
}
