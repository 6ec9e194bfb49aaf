/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop: creating and destroying it, stopping and waking it, posting calls, and getters. Its turn is in turn.c.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/options.h"
#include "base/status_detail.h"
#include "io/backends.h"
#include "loop/loop_private.h"
#include "system/clock.h"

enum {
    DEFAULT_RECEIVE_BUFFER_BYTES = 64 * 1024,
    LARGEST_RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024,
    MOST_POOL_THREADS = 64,
    DEFAULT_JOB_LIMIT = 1024,
    LARGEST_JOB_LIMIT = 1 << 28
};

#define DEFAULT_POOL_IDLE_NS (10 * EM_SECONDS)

/* How long each wait for the last events may take while the loop is destroyed. */
#define LAST_WAIT_NS (10 * EM_MILLISECONDS)

static em_status read_options(em_loop_options *own, const em_loop_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    if (own->receive_buffer_bytes == 0)
        own->receive_buffer_bytes = DEFAULT_RECEIVE_BUFFER_BYTES;
    if (own->job_limit == 0)
        own->job_limit = DEFAULT_JOB_LIMIT;
    if (own->pool_idle_ns == 0)
        own->pool_idle_ns = DEFAULT_POOL_IDLE_NS;
    if (own->allocator && !own->allocator->reallocate)
        return EM_INVALID_ARGUMENT;
    if (own->receive_buffer_bytes > LARGEST_RECEIVE_BUFFER_BYTES || own->pool_threads > MOST_POOL_THREADS ||
        own->job_limit > LARGEST_JOB_LIMIT)
        return EM_INVALID_ARGUMENT;
    return EM_OK;
}

static void apply_options(em_loop *loop, const em_loop_options *options)
{
    loop->around_wait = options->around_wait;
    loop->around_wait_user = options->around_wait_user;
    loop->log = options->log;
    loop->log_user = options->log_user;
    loop->pool_threads = options->pool_threads;
    loop->pool_idle_ns = options->pool_idle_ns;
    loop->job_limit = options->job_limit;
    loop->fork_count = emi_fork_count();
    loop->now_ns = emi_clock_now_ns();
    emi_outbox_pool_init(&loop->outboxes, &loop->memory, options->outbox_limit_bytes);
    emi_timer_queue_init(&loop->timers, loop->now_ns);
    emi_objects_init(loop);
}

/* Of options that have been read. */
static em_status create(const em_loop_options *options, emi_backend_maker make_backend, void *argument,
                        em_loop **created)
{
    emi_memory memory;
    emi_memory_init(&memory, options->allocator);
    em_loop *loop = emi_allocate_zeroed(&memory, sizeof *loop);
    if (!loop)
        return EM_NO_MEMORY;
    loop->memory = memory;
    apply_options(loop, options);
    em_status status = emi_mutex_open(&loop->posts_mutex);
    if (status != EM_OK)
        goto no_mutex;
    emi_backend_settings settings = {
        .memory = &loop->memory,
        .receive_buffer_bytes = options->receive_buffer_bytes,
        .log = options->log,
        .log_user = options->log_user,
    };
    status = make_backend(argument, &settings, &loop->backend);
    if (status != EM_OK)
        goto no_backend;
    *created = loop;
    return EM_OK;
no_backend:
    emi_mutex_close(&loop->posts_mutex);
no_mutex:
    emi_release(&memory, loop);
    return status;
}

em_status emi_loop_create_over(const em_loop_options *given, emi_backend_maker make_backend, void *argument,
                               em_loop **loop)
{
    em_loop_options options;
    *loop = NULL;
    em_status status = read_options(&options, given);
    return status == EM_OK ? create(&options, make_backend, argument, loop) : status;
}

typedef struct wanted_backend {
    const char *name;   /* NULL: the best */
    const char *source; /* of the name */
} wanted_backend;

/* Logs which name is wrong, and where it came from. */
static void log_refusal(const wanted_backend *wanted, const char *reason, const emi_backend_settings *settings)
{
    char message[320];
    char choices[64];
    emi_backend_list_names(choices, sizeof choices);
    snprintf(message, sizeof message, "%s \"%.80s\" (%s)%s%.120s; choices: %s", em_status_get_text(EM_UNKNOWN_BACKEND),
             wanted->name, wanted->source, reason ? ": " : "", reason ? reason : "", choices);
    emi_set_status_detail(EM_UNKNOWN_BACKEND, message);
    if (settings->log)
        settings->log(settings->log_user, EM_LOG_ERROR, message);
}

static em_status make_wanted_backend(void *argument, const emi_backend_settings *settings, emi_backend **backend)
{
    const wanted_backend *wanted = argument;
    const char *reason = NULL;
    em_status status = emi_backend_create(wanted->name, settings, backend, &reason);
    if (status == EM_UNKNOWN_BACKEND && wanted->name)
        log_refusal(wanted, reason, settings);
    else if (reason && settings->log)
        settings->log(settings->log_user, status == EM_OK ? EM_LOG_INFO : EM_LOG_ERROR, reason);
    return status;
}

em_status em_loop_create(const em_loop_options *options, em_loop **loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    em_loop_options own;
    *loop = NULL;
    em_status status = read_options(&own, options);
    if (status != EM_OK)
        return status;
    wanted_backend wanted = {.name = own.backend, .source = "em_loop_options"};
    if (!wanted.name)
        wanted = (wanted_backend){.name = getenv("EM_BACKEND"), .source = "EM_BACKEND"};
    if (wanted.name && wanted.name[0] == '\0')
        wanted.name = NULL;
    return create(&own, make_wanted_backend, &wanted, loop);
}

/* Waits until everything that was released has ended. A backend may need several turns for that, as the simulated one
 * does. */
static void end_released(em_loop *loop)
{
    const emi_backend_operations *io = loop->backend->operations;
    emi_objects_reap(loop);
    io->reap(loop->backend);
    while (!emi_loop_is_forked(loop) && emi_objects_are_open(loop)) {
        io->flush(loop->backend);
        emi_loop_wait(loop, LAST_WAIT_NS);
        io->dispatch(loop->backend, UINT_MAX);
        emi_objects_reap(loop);
        io->reap(loop->backend);
    }
}

static void release_services(em_loop *loop)
{
    for (unsigned kind = 0; kind < EMI_SERVICE_KINDS; kind++)
        if (loop->services[kind] && loop->services[kind]->operations->release)
            loop->services[kind]->operations->release(loop->services[kind]);
}

static void close_objects(em_loop *loop)
{
    emi_objects_close(loop);
    release_services(loop);
    if (!emi_loop_is_forked(loop) && emi_objects_are_open(loop))
        end_released(loop);
}

static void close_services(em_loop *loop)
{
    for (unsigned kind = 0; kind < EMI_SERVICE_KINDS; kind++)
        if (loop->services[kind] && loop->services[kind]->operations->close)
            loop->services[kind]->operations->close(loop->services[kind]);
}

static void close_all(em_loop *loop)
{
    bool was_forked = emi_loop_is_forked(loop);
    close_objects(loop);
    if (emi_loop_is_forked(loop) != was_forked) {
        /* A callback has forked, and this is the child, or it has handed the loop over: the rest ends as it does there.
         */
        close_objects(loop);
        loop->backend->operations->reap(loop->backend);
    }
    loop->disposing = true; /* services dispose of what was not done, too */
    close_services(loop);
}

/* Before anything is freed, because what is called may use the loop. */
static void dispose_of_all(em_loop *loop)
{
    emi_call_queue_dispose(&loop->posts_running);
    emi_call_queue_dispose(&loop->posts);
    emi_call_queue_dispose(&loop->ticks_running);
    emi_call_queue_dispose(&loop->ticks);
    emi_loop_dispose_timers(loop);
}

static void check_that_nothing_is_left(const em_loop *loop)
{
    EMI_INVARIANT(loop->stats.connections_open == 0);
    EMI_INVARIANT(loop->stats.servers_open == 0);
    EMI_INVARIANT(loop->outboxes.bytes == 0);
    EMI_INVARIANT(loop->timers.count == 0);
}

em_status em_loop_destroy(em_loop *loop)
{
    if (!loop)
        return EM_OK;
    if ((emi_loop_is_in_callback(loop) && !emi_is_forked_since(loop->fork_count)) || loop->closing)
        return EM_INVALID_STATE;
    loop->closing = true;
    close_all(loop);
    dispose_of_all(loop);
    if (emi_loop_is_forked(loop))
        loop->backend->operations->abandon(loop->backend);
    else
        loop->backend->operations->destroy(loop->backend);
    emi_objects_destroy(loop);
    for (unsigned kind = 0; kind < EMI_SERVICE_KINDS; kind++)
        if (loop->services[kind])
            loop->services[kind]->operations->destroy(loop->services[kind]);
    check_that_nothing_is_left(loop);
    emi_loop_free_timers(loop);
    emi_outbox_pool_clear(&loop->outboxes);
    emi_call_queue_free(&loop->ticks, &loop->memory);
    emi_call_queue_free(&loop->ticks_running, &loop->memory);
    emi_call_queue_free(&loop->posts, &loop->memory);
    emi_call_queue_free(&loop->posts_running, &loop->memory);
    emi_mutex_close(&loop->posts_mutex);
    emi_memory memory = loop->memory;
    emi_release(&memory, loop);
    return EM_OK;
}

bool emi_loop_is_forked(const em_loop *loop)
{
    return atomic_load_explicit(&loop->handed_over, memory_order_relaxed) || emi_is_forked_since(loop->fork_count);
}

em_status emi_loop_check(const em_loop *loop)
{
    if (!loop)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (loop->closing)
        return emi_status_without_detail(EM_INVALID_STATE);
    return emi_loop_is_forked(loop) ? EM_FORKED : EM_OK;
}

void emi_loop_refresh_time(em_loop *loop)
{
    if (!loop->in_turn)
        loop->now_ns = emi_clock_now_ns();
}

void emi_loop_log(em_loop *loop, em_log_level level, const char *message)
{
    emi_loop_begin_callback(loop);
    if (loop->log)
        loop->log(loop->log_user, level, message);
    emi_loop_end_callback(loop);
}

em_status em_loop_stop(em_loop *loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    atomic_store(&loop->backend->stopping, true);
    em_status status = em_loop_wake(loop);
    return status == EM_FORKED ? EM_OK : status;
}

int em_loop_is_stopping(const em_loop *loop)
{
    return loop && atomic_load(&loop->backend->stopping);
}

em_status em_loop_wake(em_loop *loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    if (emi_loop_is_forked(loop))
        return EM_FORKED;
    if (!atomic_exchange(&loop->woken, true))
        loop->backend->operations->wake(loop->backend);
    return EM_OK;
}

em_status em_loop_post(em_loop *loop, em_call call, void *user, em_dispose dispose)
{
    if (!loop || !call)
        return EM_INVALID_ARGUMENT;
    if (loop->disposing)
        return EM_INVALID_STATE;
    if (emi_loop_is_forked(loop))
        return EM_FORKED; /* a thread of the parent may have held the mutex at the fork */
    emi_mutex_lock(&loop->posts_mutex);
    em_status status = emi_call_queue_add(&loop->posts, &loop->memory, call, user, dispose);
    emi_mutex_unlock(&loop->posts_mutex);
    if (status != EM_OK)
        return status;
    atomic_store(&loop->has_posts, true);
    em_loop_wake(loop); /* may return EM_FORKED if the loop was handed over meanwhile, but the call is queued */
    return EM_OK;
}

em_status em_loop_next_tick(em_loop *loop, em_call call, void *user, em_dispose dispose)
{
    if (!loop || !call)
        return EM_INVALID_ARGUMENT;
    if (loop->disposing)
        return EM_INVALID_STATE;
    return emi_call_queue_add(&loop->ticks, &loop->memory, call, user, dispose);
}

uint64_t em_loop_get_time_ns(const em_loop *loop)
{
    return loop ? loop->now_ns : 0;
}

const char *em_loop_get_backend(const em_loop *loop)
{
    return loop ? loop->backend->name : "none";
}

const char *em_loop_get_backend_reason(const em_loop *loop)
{
    return loop ? loop->backend->reason : NULL;
}

em_status em_loop_get_descriptor(em_loop *loop, int *descriptor)
{
    if (!loop || !descriptor)
        return EM_INVALID_ARGUMENT;
    *descriptor = loop->backend->operations->get_descriptor(loop->backend);
    return *descriptor < 0 ? EM_UNSUPPORTED : EM_OK;
}

em_status em_loop_get_stats(const em_loop *loop, em_loop_stats *stats, size_t stats_bytes)
{
    if (!loop || !stats || stats_bytes == 0 || stats_bytes > EMI_LARGEST_STRUCT_BYTES)
        return EM_INVALID_ARGUMENT;
    em_loop_stats now = loop->stats;
    now.timers_pending = loop->timers.count;
    now.outbox_bytes = loop->outboxes.bytes;
    now.signal_watches_open = loop->objects.open[EMI_SIGNAL_WATCH];
    now.file_watches_open = loop->objects.open[EMI_FILE_WATCH];
    now.pool_threads = atomic_load_explicit(&loop->pool_threads_open, memory_order_relaxed);
    now.datagram_sockets_open = loop->objects.open[EMI_DATAGRAM_SOCKET];
    memset(stats, 0, stats_bytes);
    memcpy(stats, &now, stats_bytes < sizeof now ? stats_bytes : sizeof now);
    return EM_OK;
}

void *em_loop_get_user(const em_loop *loop)
{
    return loop ? loop->user : NULL;
}

void em_loop_set_user(em_loop *loop, void *user)
{
    if (loop)
        loop->user = user;
}
