/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backend over io_uring: the operations on channels and the phases of a turn. TCP streams and listeners are the ring's own;
 * polled channels and all other streams are served by the readiness backend over the same ring.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/readiness.h"
#include "io/uring_private.h"
#include "system/socket.h"

enum {
    MOST_CHANNELS = 1 << 30,
    DEFAULT_ENTRIES = 256,
    DEFAULT_BUFFERS = 32,
    LARGEST_BUFFER_BYTES = 64 * 1024,
    PLAIN_BUFFER_BYTES = 16 * 1024, /* where every arrival takes a buffer of its own … */
    PLAIN_BUFFER_FACTOR = 8         /* … there have to be more of them */
};

#define DEFAULT_HOLD_TIMEOUT_NS UINT64_C(2000000000)

static emi_uring *uring_at(emi_backend *backend)
{
    return EMI_CONTAINER(backend, emi_uring, base);
}

/* The end */

static void destroy(emi_backend *backend)
{
    emi_uring *uring = uring_at(backend);
    if (uring->readiness)
        uring->readiness->operations->destroy(uring->readiness);
    emi_uring_close_ring(uring);
    emi_uring_close_buffers(uring);
    emi_waker_close(&uring->waker);
    emi_index_table_clear(&uring->channels);
    emi_index_table_clear(&uring->held);
    emi_uring_drop_zero_copies(uring, NULL);
    emi_release(uring->memory, uring->messages);
    emi_release(uring->memory, uring->scratch_allocation);
    emi_release(uring->memory, uring);
}

static void abandon(emi_backend *backend)
{
    emi_uring *uring = uring_at(backend);
    for (uint32_t slot = 0; slot < uring->channels.used; slot++) {
        emi_channel *channel = emi_index_table_at(&uring->channels, slot);
        if (!channel)
            continue;
        emi_uring_drop_held(uring, channel);
        if (channel->ownership != EMI_SHARED)
            emi_socket_close(channel->descriptor);
    }
    uring->readiness->operations->abandon(uring->readiness);
    uring->readiness = NULL;
    destroy(backend);
}

/* Operations on channels */

/*
 * Whether the ring itself receives and sends, or accepts, on the descriptor. Of streams only TCP: on Unix sockets a receive that
 * goes on and on misses an end that came together with the last bytes (seen on Linux 6.18).
 */
static bool is_served_by_ring(const emi_channel *channel, emi_channel_kind kind, int descriptor)
{
    if (kind != EMI_STREAM)
        return kind == EMI_LISTENER;
    int protocol = 0;
    size_t bytes = sizeof protocol;
    return channel->exact_reads ||
           (emi_socket_get_option(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &bytes) == EM_OK &&
            protocol == IPPROTO_TCP);
}

static em_status attach(emi_backend *backend, emi_channel *channel, emi_channel_kind kind, int descriptor,
                        emi_ownership ownership)
{
    emi_uring *uring = uring_at(backend);
    if (!is_served_by_ring(channel, kind, descriptor))
        return uring->readiness->operations->attach(uring->readiness, channel, kind, descriptor, ownership);
    em_status status = ownership == EMI_GIVEN ? emi_socket_set_nonblocking(descriptor) : EM_OK;
    if (status == EM_OK)
        status = emi_index_table_add(&uring->channels, channel, &channel->slot);
    if (status != EM_OK)
        return status;
    channel->generation = 0;
    channel->backend = backend;
    channel->descriptor = descriptor;
    channel->kind = (uint8_t)kind;
    channel->ownership = (uint8_t)ownership;
    channel->receiving = false;
    channel->readable = false;
    channel->connecting = false;
    channel->sending = false;
    channel->read_to_the_end = false;
    channel->released = false;
    channel->under_way = 0;
    channel->flags = 0;
    channel->bulk = 0;
    channel->reason = EM_OK;
    return EM_OK;
}

void emi_uring_bury(emi_uring *uring, emi_channel *channel)
{
    if (channel->ownership != EMI_SHARED) {
        /* Where a forked child may hold a copy, close(2) alone would not tell the peer. */
        if (channel->kind == EMI_STREAM && emi_has_forked())
            emi_socket_shutdown_write(channel->descriptor);
        emi_socket_close(channel->descriptor);
    }
    channel->descriptor = EMI_NO_SOCKET;
    if (EMI_UNLIKELY(uring->zero_copy_count > 0))
        emi_uring_drop_zero_copies(uring, channel);
    emi_list_remove(&channel->flush);
    emi_list_remove(&channel->work);
    emi_list_append(&uring->buried, &channel->work);
}

/* What is held of a listener are sockets that nobody will have. */
static void drop_held(emi_uring *uring, emi_channel *channel)
{
    int socket;
    if (channel->kind == EMI_LISTENER)
        while (emi_uring_take_held(uring, channel, &socket, sizeof socket) > 0)
            emi_socket_close(socket);
    emi_uring_drop_held(uring, channel);
}

static void release(emi_channel *channel)
{
    emi_uring *uring = emi_uring_of(channel);
    if (channel->released)
        return;
    channel->released = true;
    channel->receiving = false;
    channel->sending = false;
    drop_held(uring, channel);
    emi_list_remove(&channel->work);
    if (channel->under_way == 0)
        emi_uring_bury(uring, channel);
    else
        emi_uring_attend(uring, channel);
}

static em_status start_receiving(emi_channel *channel)
{
    emi_uring *uring = emi_uring_of(channel);
    if (uring->lost != EM_OK)
        return uring->lost;
    channel->receiving = true;
    if (!(channel->flags & EMI_URING_SEND_FAILED))
        channel->flags &= (uint8_t)~EMI_URING_UNWANTED;
    if (emi_uring_has_held(channel) || (channel->flags & EMI_URING_ENDED) || emi_uring_can_read(channel))
        emi_uring_add_work(uring, channel);
    else if (!(channel->flags & EMI_URING_ARMED))
        emi_uring_attend(uring, channel);
    return EM_OK;
}

/* The kernel goes on until something arrives: a stream that is stopped and started again costs nothing. */
static void stop_receiving(emi_channel *channel)
{
    channel->receiving = false;
}

/* connect(2) itself does not block, and its answer is wanted at once; only its end is waited for. */
static em_status start_connecting(emi_channel *channel, const em_address *address)
{
    emi_uring *uring = emi_uring_of(channel);
    em_status status = emi_socket_connect(channel->descriptor, address);
    if (status != EM_OK && status != EM_IN_PROGRESS)
        return status;
    channel->connecting = true;
    if (status == EM_OK)
        emi_uring_add_work(uring, channel);
    else
        emi_uring_attend(uring, channel);
    return EM_OK;
}

/* Polled channels are attached to the readiness backend. */
static em_status refuse_to_poll(emi_channel *channel, unsigned interests)
{
    (void)channel;
    (void)interests;
    return EM_INVALID_ARGUMENT;
}

static void ask_to_send(emi_channel *channel)
{
    channel->sending = true;
    if (!channel->connecting && !(channel->flags & (EMI_URING_SENDING | EMI_URING_SEND_FAILED)))
        emi_uring_attend(emi_uring_of(channel), channel);
}

static size_t send_now(emi_channel *channel, const void *bytes, size_t length)
{
    if (channel->sending || channel->connecting || channel->released ||
        (channel->flags & (EMI_URING_SENDING | EMI_URING_SEND_FAILED)) || emi_uring_is_forked(emi_uring_of(channel)))
        return 0;
    return emi_socket_send_bytes(channel->descriptor, bytes, length);
}

/* Phases */

static bool wait_for_completions(emi_backend *backend, uint64_t timeout_ns)
{
    emi_uring *uring = uring_at(backend);
    if (emi_uring_is_forked(uring))
        return false;
    uint64_t due_ns = emi_uring_zero_copy_due_ns(uring);
    return emi_uring_enter(uring, timeout_ns < due_ns ? timeout_ns : due_ns);
}

static void fail_all(emi_uring *uring)
{
    for (uint32_t slot = 0; slot < uring->channels.used; slot++) {
        emi_channel *channel = emi_index_table_at(&uring->channels, slot);
        if (channel && channel->descriptor != EMI_NO_SOCKET)
            emi_uring_fail_lost(uring, channel);
        if (emi_uring_is_forked(uring))
            return;
    }
}

/* Those with work known from before; what they leave over comes behind the completions, with the next dispatch. */
static unsigned serve_known_work(emi_uring *uring, unsigned budget)
{
    emi_list work;
    emi_list_init(&work);
    emi_list_move_all(&work, &uring->work);
    while (budget > 0 && !emi_list_is_empty(&work) && !emi_uring_is_forked(uring)) {
        emi_uring_serve_work(uring, EMI_CONTAINER(emi_list_take_first(&work), emi_channel, work));
        budget--;
    }
    emi_list_move_all(&work, &uring->work);
    emi_list_move_all(&uring->work, &work);
    return budget;
}

static void dispatch(emi_backend *backend, unsigned budget)
{
    emi_uring *uring = uring_at(backend);
    if (uring->lost != EM_OK) {
        fail_all(uring);
        return;
    }
    emi_batch_begin(&uring->batch);
    budget = serve_known_work(uring, budget);
    emi_uring_completion completion;
    while (budget > 0 && !emi_uring_is_forked(uring) && emi_uring_take(uring, &completion)) {
        emi_uring_serve(uring, &completion);
        budget--;
    }
    emi_backend *readiness = uring->readiness;
    if (emi_uring_is_forked(uring))
        return;
    /* What bursts left over makes no event. */
    if (readiness->operations->wait(readiness, 0) || readiness->operations->has_work(readiness))
        readiness->operations->dispatch(readiness, budget + 1);
}

static void flush(emi_backend *backend)
{
    emi_uring *uring = uring_at(backend);
    emi_list asked;
    emi_list_init(&asked);
    emi_list_move_all(&asked, &uring->flush);
    while (!emi_list_is_empty(&asked) && !emi_uring_is_forked(uring)) {
        emi_channel *channel = EMI_CONTAINER(emi_list_take_first(&asked), emi_channel, flush);
        if (uring->lost != EM_OK) {
            emi_uring_fail_lost(uring, channel);
        } else if (!emi_uring_attend_now(uring, channel)) {
            emi_uring_attend(uring, channel);
            break;
        }
    }
    emi_list_move_all(&uring->flush, &asked);
    uring->readiness->operations->flush(uring->readiness);
    if (!emi_uring_is_forked(uring) && uring->lost == EM_OK)
        emi_poller_uring_flush(uring->poller);
}

static void reap(emi_backend *backend)
{
    emi_uring *uring = uring_at(backend);
    emi_uring_expire_zero_copies(uring);
    for (emi_list *link; (link = emi_list_take_first(&uring->buried));) {
        emi_channel *channel = EMI_CONTAINER(link, emi_channel, work);
        emi_index_table_remove(&uring->channels, channel->slot);
        channel->backend = NULL;
        channel->events->released(channel);
    }
    uring->readiness->operations->reap(uring->readiness);
}

static em_status enter(const emi_backend *backend)
{
    return emi_uring_is_at_home((const emi_uring *)(const void *)backend) ? EM_OK : EM_INVALID_STATE;
}

static void leave(emi_backend *backend)
{
    emi_uring *uring = uring_at(backend);
    if (!emi_uring_is_forked(uring))
        emi_uring_submit(uring);
}

static void wake(emi_backend *backend)
{
    emi_waker_wake(&uring_at(backend)->waker);
}

static bool has_work(const emi_backend *backend)
{
    const emi_uring *uring = (const emi_uring *)(const void *)backend;
    return !emi_list_is_empty(&uring->work) || !emi_list_is_empty(&uring->flush) ||
           !emi_list_is_empty(&uring->buried) || !uring->waker_armed || emi_uring_has_completions(uring) ||
           emi_poller_uring_has_events(uring->poller) || uring->readiness->operations->has_work(uring->readiness);
}

static int get_descriptor(const emi_backend *backend)
{
    const emi_uring *uring = (const emi_uring *)(const void *)backend;
    return uring->ring.ring_fd;
}

static const emi_backend_operations operations = {
    .destroy = destroy,
    .abandon = abandon,
    .wait = wait_for_completions,
    .dispatch = dispatch,
    .flush = flush,
    .reap = reap,
    .enter = enter,
    .leave = leave,
    .wake = wake,
    .has_work = has_work,
    .get_descriptor = get_descriptor,
    .attach = attach,
    .release = release,
    .start_receiving = start_receiving,
    .stop_receiving = stop_receiving,
    .connect = start_connecting,
    .poll = refuse_to_poll,
    .send = ask_to_send,
    .send_now = send_now,
};

/* Making one */

static unsigned power_of_two(unsigned number)
{
    unsigned power = 1;
    while (power < number)
        power *= 2;
    return power;
}

static em_status open_buffers(emi_uring *uring, const emi_backend_settings *settings, bool incremental)
{
    size_t largest = incremental ? LARGEST_BUFFER_BYTES : PLAIN_BUFFER_BYTES;
    size_t bytes = settings->receive_buffer_bytes < largest ? settings->receive_buffer_bytes : largest;
    unsigned count = power_of_two(settings->ring_buffers > 0 ? settings->ring_buffers : DEFAULT_BUFFERS);
    if (settings->ring_buffers == 0 && !incremental)
        count *= PLAIN_BUFFER_FACTOR;
    uring->scratch = emi_allocate_page_aligned(uring->memory, bytes, &uring->scratch_allocation);
    return uring->scratch ? emi_uring_open_buffers(uring, count, (uint32_t)bytes, incremental) : EM_NO_MEMORY;
}

static em_status open_parts(emi_uring *uring, const emi_backend_settings *settings, bool incremental)
{
    em_status status = emi_waker_open(&uring->waker);
    if (status != EM_OK)
        return status;
    status = emi_uring_open_ring(uring, settings->ring_entries > 0 ? settings->ring_entries : DEFAULT_ENTRIES);
    if (status != EM_OK)
        goto no_ring;
    status = open_buffers(uring, settings, incremental);
    if (status != EM_OK)
        goto no_buffers;
    status = emi_poller_uring_open(uring, &uring->poller);
    if (status != EM_OK)
        goto no_poller;
    status = emi_readiness_create_over(&emi_poller_uring, uring->poller, settings, &uring->readiness);
    if (status == EM_OK)
        return EM_OK;
    emi_poller_uring.destroy(uring->poller);
no_poller:
    emi_uring_close_buffers(uring);
no_buffers:
    emi_release(uring->memory, uring->scratch_allocation);
    emi_uring_close_ring(uring);
no_ring:
    emi_waker_close(&uring->waker);
    return status;
}

em_status emi_uring_open(const emi_backend_settings *settings, bool incremental, emi_backend **backend)
{
    emi_uring *uring = emi_allocate_zeroed(settings->memory, sizeof *uring);
    if (!uring)
        return EM_NO_MEMORY;
    uring->base = (emi_backend){.operations = &operations, .name = "uring"};
    uring->memory = settings->memory;
    uring->fork_count = emi_fork_count();
    uring->hold_timeout_ns = settings->hold_timeout_ns > 0 ? settings->hold_timeout_ns : DEFAULT_HOLD_TIMEOUT_NS;
    emi_index_table_init(&uring->channels, uring->memory, MOST_CHANNELS);
    emi_index_table_init(&uring->held, uring->memory, MOST_CHANNELS);
    emi_list_init(&uring->work);
    emi_list_init(&uring->flush);
    emi_list_init(&uring->buried);
    emi_list_init(&uring->zero_copies);
    em_status status = open_parts(uring, settings, incremental);
    if (status != EM_OK)
        emi_release(uring->memory, uring);
    else
        *backend = &uring->base;
    return status;
}

#endif
