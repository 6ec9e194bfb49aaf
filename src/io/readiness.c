/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The readiness backend: creating and destroying it, and the operations on channels.
 */
#include "io/readiness.h"

#include "io/readiness_private.h"
#include "system/socket.h"
#include "system/thread.h"

#define MOST_CHANNELS (UINT32_C(1) << 30)

/* Destroying */

static void destroy(emi_backend *backend)
{
    emi_readiness *readiness = emi_readiness_at(backend);
    readiness->poller_operations->destroy(readiness->poller);
    emi_batcher_destroy(readiness->batcher);
    emi_datagram_reader_destroy(readiness->reader);
    emi_index_table_clear(&readiness->channels);
    emi_bit_set_clear(&readiness->attached, readiness->memory);
    emi_release(readiness->memory, readiness->kept);
    emi_release(readiness->memory, readiness->buffer_allocation);
    emi_release(readiness->memory, readiness);
}

static void abandon(emi_backend *backend)
{
    emi_readiness *readiness = emi_readiness_at(backend);
    for (uint32_t slot = 0; slot < readiness->channels.used; slot++) {
        emi_channel *channel = emi_index_table_at(&readiness->channels, slot);
        if (!channel)
            continue;
        emi_readiness_drop_kept(readiness, channel);
        if (channel->ownership != EMI_SHARED)
            emi_socket_close(channel->descriptor);
    }
    destroy(backend);
}

/* Operations on channels */

/* Of level-triggered pollers: whether to report a hang-up though nothing is read. A pipe without a writer is hung up
 * from its end on, and nothing can follow. */
static bool wants_hangup(const emi_channel *channel)
{
    if (channel->descriptor_kind != EMI_SOCKET)
        return channel->receiving && channel->cannot_receive;
    return channel->ended && !channel->is_over;
}

static unsigned wanted_interest(const emi_readiness *readiness, const emi_channel *channel)
{
    bool blocked = channel->connecting || (channel->blocked && channel->sending);
    if (readiness->poller_operations->edge_triggered)
        return EMI_POLL_IN | (blocked || (channel->interest & EMI_POLL_OUT) ? EMI_POLL_OUT : 0U);
    return (channel->receiving && !channel->cannot_receive ? EMI_POLL_IN : 0U) | (blocked ? EMI_POLL_OUT : 0U) |
           (wants_hangup(channel) ? EMI_POLL_HANGUP : 0U);
}

static em_status watch(const emi_readiness *readiness, const emi_channel *channel, unsigned bits)
{
    return readiness->poller_operations->watch(readiness->poller, channel->descriptor, channel->slot,
                                               channel->generation, channel->interest, bits);
}

/* epoll_ctl(2) refuses regular files and the like with EPERM. Reading and writing them never blocks, so they are always
 * ready, as they are with poll(2). */
static em_status note_always_ready(emi_readiness *readiness, emi_channel *channel)
{
    channel->always_ready = true;
    channel->readable = true;
    channel->blocked = false;
    emi_readiness_add_work(readiness, channel);
    return EM_OK;
}

em_status emi_readiness_update_interest(emi_readiness *readiness, emi_channel *channel)
{
    unsigned wanted = wanted_interest(readiness, channel);
    if (wanted == channel->interest || channel->always_ready || emi_readiness_is_forked(readiness))
        return EM_OK; /* the poller may be the parent's; renew updates the interest */
    em_status status = watch(readiness, channel, wanted);
    if (status == EM_OK)
        channel->interest = (uint8_t)wanted;
    else if (status == EM_PERMISSION_DENIED && channel->interest == 0)
        return note_always_ready(readiness, channel);
    return status;
}

/* The poller is told to report a descriptor in the mode of another as any other, because a report only leads to a look
 * at it. */
static em_status set_mode(emi_channel *channel, emi_channel_kind kind, int descriptor, emi_ownership ownership)
{
    bool was_blocking = false;
    em_status status = EM_OK;
    if (ownership == EMI_GIVEN)
        status = emi_descriptor_set_blocking(descriptor, false, &was_blocking);
    if (status == EM_OK && ownership == EMI_GIVEN && channel->descriptor_kind == EMI_SOCKET &&
        !emi_descriptor_is_standard(descriptor))
        status = emi_socket_set_close_on_exec(descriptor);
    channel->was_blocking = was_blocking;
    channel->polls_first = kind == EMI_STREAM && ownership == EMI_SHARED;
    return status;
}

static bool is_the_users(emi_channel_kind kind, emi_ownership ownership)
{
    return ownership == EMI_GIVEN || (ownership == EMI_SHARED && kind != EMI_POLLED);
}

/* UINT32_MAX is for the poller's own events. */
static uint32_t next_generation(emi_readiness *readiness)
{
    if (++readiness->generation == UINT32_MAX)
        readiness->generation = 1;
    return readiness->generation;
}

static em_status attach(emi_backend *backend, emi_channel *channel, emi_channel_kind kind, int descriptor,
                        emi_ownership ownership)
{
    emi_readiness *readiness = emi_readiness_at(backend);
    /* Two channels that read, or close, the same descriptor would take it from each other. Only a descriptor of the
     * user's can be attached already. */
    if (is_the_users(kind, ownership) && emi_bit_set_has(&readiness->attached, (unsigned)descriptor))
        return EM_FILE_EXISTS;
    em_status status = set_mode(channel, kind, descriptor, ownership);
    if (status == EM_OK)
        status = emi_bit_set_reserve(&readiness->attached, readiness->memory, (unsigned)descriptor);
    if (status == EM_OK && kind == EMI_DATAGRAM)
        status = emi_readiness_prepare_datagrams(readiness);
    if (status == EM_OK)
        status = emi_index_table_add(&readiness->channels, channel, &channel->slot);
    if (status != EM_OK)
        return status;
    channel->generation = next_generation(readiness);
    channel->backend = backend;
    channel->descriptor = descriptor;
    channel->kind = (uint8_t)kind;
    channel->ownership = (uint8_t)ownership;
    channel->is_exclusive = kind != EMI_POLLED || ownership != EMI_SHARED;
    if (channel->is_exclusive)
        emi_bit_set_add(&readiness->attached, (unsigned)descriptor);
    channel->interest = 0;
    channel->receiving = false;
    channel->readable = false;
    channel->blocked = kind == EMI_POLLED;
    channel->connecting = false;
    channel->sending = false;
    channel->read_to_the_end = !channel->exact_reads;
    channel->ended = false;
    channel->hung_up = false;
    channel->send_failed = false;
    channel->is_over = false;
    channel->released = false;
    channel->always_ready = false;
    channel->early = 0;
    channel->bulk = 0;
    channel->failure = EM_OK;
    channel->has_kept = false;
    return EM_OK;
}

/* close(2) ends what the poller watches, unless another process or descriptor refers to the same open file. */
static void stop_watching(emi_readiness *readiness, emi_channel *channel)
{
    if (channel->interest == 0 || channel->always_ready)
        return;
    if (channel->ownership != EMI_OURS || channel->kind == EMI_LISTENER || emi_has_forked())
        watch(readiness, channel, 0);
    else
        readiness->poller_operations->forget(readiness->poller, channel->slot);
}

static void close_descriptor(const emi_readiness *readiness, const emi_channel *channel)
{
    bool is_ours =
        channel->kind == EMI_STREAM && channel->descriptor_kind == EMI_SOCKET && !emi_readiness_is_forked(readiness);
    /* If a forked child may hold a copy, close(2) alone does not send the end. */
    if (is_ours && emi_has_forked())
        emi_socket_shutdown_write(channel->descriptor);
    /* The owner has not got these bytes. Unread in the kernel, they would make close(2) reset the peer. */
    else if (is_ours && (channel->has_kept || emi_readiness_has_early_bytes(readiness, channel)))
        emi_socket_set_linger(channel->descriptor, 0);
    emi_socket_close(channel->descriptor);
}

/* The mode belongs to the open file, which other programs go on using if it is a standard stream. */
static void restore_mode(const emi_readiness *readiness, const emi_channel *channel)
{
    if (channel->was_blocking && emi_descriptor_is_standard(channel->descriptor) && !emi_readiness_is_forked(readiness))
        emi_descriptor_set_blocking(channel->descriptor, true, NULL);
}

static void release(emi_channel *channel)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    if (channel->released)
        return;
    if (channel->is_exclusive)
        emi_bit_set_remove(&readiness->attached, (unsigned)channel->descriptor);
    channel->released = true;
    channel->receiving = false;
    channel->sending = false;
    if (!emi_readiness_is_forked(readiness))
        stop_watching(readiness, channel);
    if (channel->ownership != EMI_SHARED)
        close_descriptor(readiness, channel);
    else
        restore_mode(readiness, channel);
    channel->descriptor = EMI_NO_SOCKET;
    emi_readiness_drop_kept(readiness, channel);
    emi_list_remove(&channel->flush);
    emi_list_remove(&channel->work);
    emi_list_append(&readiness->ending, &channel->work);
}

static em_status start_receiving(emi_channel *channel)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    channel->receiving = true;
    em_status status = emi_readiness_update_interest(readiness, channel);
    if (status != EM_OK)
        channel->receiving = false;
    else if (channel->readable || channel->has_kept)
        emi_readiness_add_work(readiness, channel);
    return status;
}

static void stop_receiving(emi_channel *channel)
{
    channel->receiving = false;
    emi_readiness_update_interest(emi_readiness_of(channel), channel);
}

static em_status start_connecting(emi_channel *channel, const em_address *address)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    em_status status = emi_socket_connect(channel->descriptor, address);
    if (status != EM_OK && status != EM_IN_PROGRESS)
        return status;
    channel->connecting = true;
    channel->blocked = status == EM_IN_PROGRESS;
    status = emi_readiness_update_interest(readiness, channel);
    if (status != EM_OK)
        channel->connecting = false;
    else if (!channel->blocked)
        emi_readiness_add_work(readiness, channel);
    return status;
}

/* The poller knows the descriptor by its slot and generation, which stay. */
static void move(emi_channel *to, emi_channel *from)
{
    emi_readiness *readiness = emi_readiness_of(from);
    bool has_work = emi_list_is_linked(&from->work);
    bool wants_flush = emi_list_is_linked(&from->flush);
    emi_list_remove(&from->work);
    emi_list_remove(&from->flush);
    emi_channel_take_place(to, from);
    emi_index_table_replace(&readiness->channels, to->slot, to);
    emi_list_append(&readiness->ending, &from->work);
    if (has_work)
        emi_readiness_add_work(readiness, to);
    if (wants_flush)
        emi_list_append(&readiness->flush, &to->flush);
}

static em_status watch_polled(emi_readiness *readiness, emi_channel *channel, unsigned bits)
{
    if (channel->always_ready) {
        emi_readiness_add_work(readiness, channel);
        return EM_OK;
    }
    em_status status = watch(readiness, channel, bits);
    if (status != EM_PERMISSION_DENIED || channel->interest != 0)
        return status;
    return note_always_ready(readiness, channel);
}

/* What the poller has reported and is no longer asked for is forgotten: it may not hold any more when it is asked for
 * again. */
static void forget_reported(emi_channel *channel, unsigned interests)
{
    if (!(interests & EMI_READABLE))
        channel->readable = false;
    if (!(interests & EMI_WRITABLE))
        channel->blocked = true;
}

static em_status set_interest(emi_channel *channel, unsigned interests)
{
    forget_reported(channel, interests);
    unsigned bits = interests ? interests | EMI_POLL_LEVEL : 0;
    if (bits == channel->interest)
        return EM_OK;
    emi_readiness *readiness = emi_readiness_of(channel);
    if (emi_readiness_is_forked(readiness)) {
        channel->interest = (uint8_t)bits; /* renew watches the descriptor */
        return EM_OK;
    }
    em_status status = watch_polled(readiness, channel, bits);
    if (bits == 0)
        status = EM_OK; /* nothing is watched either if the descriptor was closed meanwhile */
    if (status == EM_OK)
        channel->interest = (uint8_t)bits;
    return status;
}

static void ask_to_send(emi_channel *channel)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    channel->sending = true;
    if (!channel->connecting && !channel->blocked && channel->failure == EM_OK && !emi_list_is_linked(&channel->flush))
        emi_list_append(&readiness->flush, &channel->flush);
}

static size_t send_now(emi_channel *channel, const emi_span *spans, unsigned count)
{
    if (channel->sending || channel->blocked || channel->connecting || channel->released || channel->failure != EM_OK ||
        emi_readiness_is_forked(emi_readiness_of(channel)))
        return 0;
    size_t taken;
    em_status status = emi_readiness_write(channel, spans, count, &taken);
    /* The kernel reports ECONNRESET only once; a later send would return EPIPE. */
    if (status != EM_OK && status != EM_WOULD_BLOCK && status != EM_INTERRUPTED)
        emi_readiness_fail_sending(emi_readiness_of(channel), channel, status);
    return taken;
}

/* Waking, and what the loop asks */

static void wake(emi_backend *backend)
{
    emi_readiness *readiness = emi_readiness_at(backend);
    readiness->poller_operations->wake(readiness->poller);
}

static bool has_work(const emi_backend *backend)
{
    const emi_readiness *readiness = (const emi_readiness *)(const void *)backend;
    return !emi_list_is_empty(&readiness->work) || !emi_list_is_empty(&readiness->flush) ||
           !emi_list_is_empty(&readiness->ending) || readiness->event_count > 0;
}

static int get_descriptor(const emi_backend *backend)
{
    const emi_readiness *readiness = (const emi_readiness *)(const void *)backend;
    return readiness->poller_operations->get_descriptor(readiness->poller);
}

/* Renewing in a forked child: a new poller reports again what each channel is ready for. */

static unsigned renewed_interest(const emi_readiness *readiness, const emi_channel *channel)
{
    if (channel->always_ready)
        return 0;
    if (channel->kind == EMI_POLLED)
        return channel->interest;
    bool was_asked = channel->interest != 0 || channel->receiving || channel->connecting;
    return was_asked ? wanted_interest(readiness, channel) : 0;
}

static em_status watch_all(const emi_readiness *readiness, emi_poller *poller)
{
    em_status status = EM_OK;
    for (uint32_t slot = 0; slot < readiness->channels.used && status == EM_OK; slot++) {
        const emi_channel *channel = emi_index_table_at(&readiness->channels, slot);
        unsigned interest = channel && !channel->released ? renewed_interest(readiness, channel) : 0;
        if (interest != 0)
            status = readiness->poller_operations->watch(poller, channel->descriptor, channel->slot,
                                                         channel->generation, 0, interest);
    }
    return status;
}

/* The phase during which the process forked may have taken the channel off its list already. */
static void put_on_lists(emi_readiness *readiness, emi_channel *channel)
{
    if (channel->kind != EMI_POLLED)
        channel->interest = (uint8_t)renewed_interest(readiness, channel);
    else if (channel->always_ready)
        emi_readiness_add_work(readiness, channel);
    if (channel->kind != EMI_POLLED && channel->sending)
        ask_to_send(channel);
    if (channel->receiving && channel->readable)
        emi_readiness_add_work(readiness, channel);
}

/* If the child gets no ring, it makes plain calls. */
static void renew_batcher(emi_readiness *readiness)
{
    if (!readiness->batcher)
        return;
    emi_batcher_destroy(readiness->batcher);
    readiness->batcher = NULL;
    if (emi_batcher_create(&readiness->batcher) != EM_OK)
        readiness->base.reason = "io_uring: no ring for this forked child";
}

static em_status renew(emi_backend *backend)
{
    emi_readiness *readiness = emi_readiness_at(backend);
    emi_poller *poller;
    em_status status = readiness->poller_operations->create(readiness->memory, &poller);
    if (status != EM_OK)
        return status;
    status = watch_all(readiness, poller);
    if (status != EM_OK) {
        readiness->poller_operations->destroy(poller);
        return status;
    }
    readiness->poller_operations->destroy(readiness->poller);
    readiness->poller = poller;
    renew_batcher(readiness);
    readiness->fork_count = emi_fork_count();
    readiness->event_count = 0;
    for (uint32_t slot = 0; slot < readiness->channels.used; slot++) {
        emi_channel *channel = emi_index_table_at(&readiness->channels, slot);
        if (channel && !channel->released)
            put_on_lists(readiness, channel);
    }
    return EM_OK;
}

static const emi_backend_operations operations = {
    .destroy = destroy,
    .abandon = abandon,
    .renew = renew,
    .wait = emi_readiness_wait,
    .dispatch = emi_readiness_dispatch,
    .flush = emi_readiness_flush,
    .reap = emi_readiness_reap,
    .wake = wake,
    .has_work = has_work,
    .get_descriptor = get_descriptor,
    .attach = attach,
    .release = release,
    .start_receiving = start_receiving,
    .stop_receiving = stop_receiving,
    .deliver_held = emi_readiness_deliver_held,
    .put_back = emi_readiness_put_back,
    .connect = start_connecting,
    .move = move,
    .poll = set_interest,
    .send = ask_to_send,
    .send_now = send_now,
    .sends_files = EMI_HAVE_SENDFILE,
    .receive_into_pipe = emi_readiness_receive_into_pipe,
    .send_from_pipe = emi_readiness_send_from_pipe,
};

/* The memory that data events lend: for plain reads, and behind it for batches. */
static em_status allocate_buffers(emi_readiness *readiness, const emi_backend_settings *settings)
{
    size_t early_bytes = settings->receive_buffer_bytes < EMI_READINESS_EARLY_BYTES ? settings->receive_buffer_bytes
                                                                                    : EMI_READINESS_EARLY_BYTES;
    size_t all_early_bytes = readiness->batcher ? EMI_BATCH_MOST_CALLS * (early_bytes + EMI_READINESS_EARLY_GAP) : 0;
    readiness->buffer_bytes = settings->receive_buffer_bytes;
    readiness->early_bytes = early_bytes;
    readiness->buffer = emi_allocate_page_aligned(readiness->memory, readiness->buffer_bytes + all_early_bytes,
                                                  &readiness->buffer_allocation);
    if (!readiness->buffer)
        return EM_NO_MEMORY;
    readiness->early = readiness->buffer + readiness->buffer_bytes;
    return EM_OK;
}

em_status emi_readiness_create(const char *name, const emi_poller_operations *poller_operations, emi_batcher *batcher,
                               const emi_backend_settings *settings, emi_backend **backend)
{
    emi_readiness *readiness = emi_allocate_zeroed(settings->memory, sizeof *readiness);
    if (!readiness)
        return EM_NO_MEMORY;
    readiness->base = (emi_backend){.operations = &operations, .name = name};
    readiness->poller_operations = poller_operations;
    readiness->batcher = batcher;
    readiness->memory = settings->memory;
    readiness->log = settings->log;
    readiness->log_user = settings->log_user;
    readiness->fork_count = emi_fork_count();
    emi_index_table_init(&readiness->channels, readiness->memory, MOST_CHANNELS);
    emi_list_init(&readiness->work);
    emi_list_init(&readiness->flush);
    emi_list_init(&readiness->ending);
    em_status status = allocate_buffers(readiness, settings);
    if (status == EM_OK)
        status = poller_operations->create(settings->memory, &readiness->poller);
    if (status != EM_OK) {
        emi_release(readiness->memory, readiness->buffer_allocation);
        emi_release(readiness->memory, readiness);
        return status;
    }
    *backend = &readiness->base;
    return EM_OK;
}
