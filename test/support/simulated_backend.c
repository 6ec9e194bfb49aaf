/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The simulated backend: the operations on channels and the phases of a turn.
 */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/deadline.h"
#include "support/simulated_look.h"
#include "support/simulated_private.h"
#include "support/test_clock.h"
#include "system/clock.h"
#include "system/socket.h"

#define LONGEST_DELAY_NS UINT64_C(100000)

bool simulated_chance(simulated_backend *backend, unsigned times)
{
    return backend->seed != 0 && random_below(&backend->seed, times) == 0;
}

uint64_t simulated_later_ns(simulated_backend *backend)
{
    return emi_clock_now_ns() + (simulated_chance(backend, 2) ? random_below(&backend->seed, LONGEST_DELAY_NS) : 0);
}

/* Operations on channels. They call no events. */

static void check_usable(const emi_channel *channel, const char *operation)
{
    if (!channel->backend)
        stop_test("%s on a channel that is not attached", operation);
    if (channel->released)
        stop_test("%s on a channel that is released", operation);
}

static em_status take_failure(simulated_backend *backend, simulated_operation operation)
{
    em_status status = backend->failures[operation];
    backend->failures[operation] = EM_OK;
    return status;
}

static em_status attach(emi_backend *base, emi_channel *channel, emi_channel_kind kind, int descriptor,
                        emi_ownership ownership)
{
    simulated_backend *backend = simulated_of(base);
    if (channel->backend)
        stop_test("attach of a channel that is attached");
    em_status status = take_failure(backend, SIMULATED_ATTACH);
    if (status == EM_OK && ownership == EMI_GIVEN)
        status = emi_socket_set_nonblocking(descriptor);
    if (status != EM_OK)
        return status;
    uint32_t slot = backend->peer_count;
    while (slot > 0 && !(backend->peers[slot - 1]->descriptor == descriptor && !backend->peers[slot - 1]->channel))
        slot--;
    simulated_peer *peer = slot > 0 ? backend->peers[slot - 1] : simulated_new_peer(backend);
    peer->channel = channel;
    peer->descriptor = descriptor;
    peer->is_held = false;
    channel->backend = base;
    channel->descriptor = descriptor;
    channel->slot = slot > 0 ? slot - 1 : backend->peer_count - 1;
    channel->kind = (uint8_t)kind;
    channel->ownership = (uint8_t)ownership;
    channel->interest = 0;
    channel->receiving = channel->connecting = channel->sending = channel->released = false;
    backend->channels++;
    return EM_OK;
}

static void close_descriptor(simulated_peer *peer)
{
    if (peer->channel->ownership != EMI_SHARED)
        emi_socket_close(peer->descriptor);
    peer->descriptor = EMI_NO_SOCKET;
    peer->channel->descriptor = EMI_NO_SOCKET;
}

static void release(emi_channel *channel)
{
    if (!channel->backend)
        stop_test("release of a channel that is not attached");
    if (channel->released)
        return;
    simulated_peer *peer = simulated_peer_at(channel);
    simulated_backend *backend = peer->backend;
    channel->released = true;
    channel->receiving = channel->sending = false;
    emi_list_remove(&channel->flush);
    emi_list_append(&backend->ending, &channel->work);
    if (channel->ownership != EMI_SHARED && simulated_chance(backend, 2))
        peer->reaps_left = 1 + (unsigned)random_below(&backend->seed, 3);
    else
        close_descriptor(peer);
}

static em_status start_receiving(emi_channel *channel)
{
    check_usable(channel, "start_receiving");
    simulated_peer *peer = simulated_peer_at(channel);
    em_status status = take_failure(peer->backend, SIMULATED_START_RECEIVING);
    if (status != EM_OK)
        return status;
    channel->receiving = true;
    peer->found = peer->found || simulated_due_ns(peer) <= emi_clock_now_ns();
    return EM_OK;
}

static void stop_receiving(emi_channel *channel)
{
    check_usable(channel, "stop_receiving");
    channel->receiving = false;
}

static em_status deliver_held(emi_channel *channel)
{
    check_usable(channel, "deliver_held");
    simulated_peer *peer = simulated_peer_at(channel);
    em_status status = take_failure(peer->backend, SIMULATED_DELIVER_HELD);
    if (status == EM_OK)
        simulated_deliver_held(peer);
    return status;
}

static em_status put_back(emi_channel *channel, const void *bytes, size_t length)
{
    check_usable(channel, "put_back");
    simulated_peer *peer = simulated_peer_at(channel);
    em_status status = take_failure(peer->backend, SIMULATED_PUT_BACK);
    if (status == EM_OK)
        simulated_put_back(peer, bytes, length);
    return status;
}

static em_status start_connecting(emi_channel *channel, const em_address *address)
{
    check_usable(channel, "connect");
    simulated_peer *peer = simulated_peer_at(channel);
    em_status status = take_failure(peer->backend, SIMULATED_CONNECT);
    if (status != EM_OK)
        return status;
    if (peer->probe == EMI_NO_SOCKET)
        simulated_open_pair(peer);
    channel->connecting = true;
    peer->address = *address;
    peer->answer = UNANSWERED;
    return EM_OK;
}

static void move(emi_channel *to, emi_channel *from)
{
    check_usable(from, "move");
    if (to->backend)
        stop_test("move to a channel that is attached");
    if (from->receiving)
        stop_test("move of a channel that receives");
    simulated_peer *peer = simulated_peer_at(from);
    bool wants_flush = emi_list_is_linked(&from->flush);
    emi_list_remove(&from->flush);
    emi_channel_take_place(to, from);
    peer->channel = to;
    peer->backend->channels++;
    emi_list_append(&peer->backend->ending, &from->work);
    if (wants_flush)
        emi_list_append(&peer->backend->flush, &to->flush);
}

static em_status set_interest(emi_channel *channel, unsigned interests)
{
    check_usable(channel, "poll");
    em_status status = take_failure(simulated_peer_at(channel)->backend, SIMULATED_POLL);
    if (status == EM_OK)
        channel->interest = (uint8_t)interests;
    return status;
}

static void ask_to_send(emi_channel *channel)
{
    check_usable(channel, "send");
    simulated_peer *peer = simulated_peer_at(channel);
    channel->sending = true;
    if (!channel->connecting && !peer->in_flight && !emi_list_is_linked(&channel->flush))
        emi_list_append(&peer->backend->flush, &channel->flush);
}

/* Phases */

/* Marks what is due; when the next thing is due. */
static uint64_t find(simulated_backend *backend, bool *any)
{
    uint64_t next_ns = UINT64_MAX;
    uint64_t now_ns = emi_clock_now_ns();
    for (uint32_t i = 0; i < backend->peer_count; i++) {
        simulated_peer *peer = backend->peers[i];
        uint64_t due_ns = simulated_due_ns(peer);
        if (due_ns <= now_ns)
            peer->found = true;
        else if (due_ns < next_ns)
            next_ns = due_ns;
        *any = *any || peer->found;
    }
    return next_ns;
}

static void sleep_until(simulated_backend *backend, uint64_t until_ns)
{
    uint64_t now_ns = emi_clock_now_ns();
    if (test_clock_is_stopped()) {
        if (until_ns == UINT64_MAX)
            stop_test("the wait would never end");
        test_clock_advance(until_ns - now_ns);
        return;
    }
    uint64_t ms = until_ns == UINT64_MAX ? INT_MAX : (until_ns - now_ns + 999999) / 1000000;
    if (wait_until_readable(backend->waker.poll_descriptor, ms < INT_MAX ? (int)ms : -1))
        emi_waker_drain(&backend->waker);
}

static bool wait_for_events(emi_backend *base, uint64_t timeout_ns)
{
    simulated_backend *backend = simulated_of(base);
    base->failure = backend->broken;
    if (base->failure != EM_OK)
        return false;
    if (backend->peer_count > 0 && simulated_chance(backend, 8)) {
        backend->peers[random_below(&backend->seed, backend->peer_count)]->found = true;
        return true;
    }
    uint64_t now_ns = emi_clock_now_ns();
    uint64_t until_ns = timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
    for (;;) {
        bool any = false;
        uint64_t next_ns = find(backend, &any);
        bool over = emi_clock_now_ns() >= until_ns || simulated_chance(backend, 8);
        if (atomic_exchange(&backend->woken, false) || any || over)
            return any;
        sleep_until(backend, next_ns < until_ns ? next_ns : until_ns);
    }
}

static void dispatch(emi_backend *base, unsigned budget)
{
    simulated_backend *backend = simulated_of(base);
    uint32_t count = backend->peer_count;
    uint32_t first = backend->next_served;
    if (simulated_chance(backend, 2))
        first = (uint32_t)random_below(&backend->seed, UINT32_MAX / 2);
    for (uint32_t i = 0; i < count && budget > 0; i++) {
        uint32_t index = (first + i) % count;
        simulated_peer *peer = backend->peers[index];
        if (!peer->found)
            continue;
        peer->found = false;
        budget--;
        backend->next_served = index + 1;
        simulated_serve(peer);
        if (peer->channel && peer->channel->kind != EMI_POLLED)
            peer->found = simulated_due_ns(peer) <= emi_clock_now_ns();
    }
}

static void flush(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    emi_list asked;
    emi_list_init(&asked);
    emi_list_move_all(&asked, &backend->flush);
    for (emi_list *link; (link = emi_list_take_first(&asked));) {
        emi_channel *channel = EMI_CONTAINER(link, emi_channel, flush);
        if (channel->sending && !channel->connecting)
            simulated_send(simulated_peer_at(channel));
    }
}

/* Returns false if that is for a later reap. */
static bool end_peer(simulated_peer *peer)
{
    if (peer->reaps_left > 0) {
        peer->reaps_left--;
        return false;
    }
    simulated_drop_gathered(peer);
    if (peer->channel->descriptor != EMI_NO_SOCKET)
        close_descriptor(peer);
    peer->channel = NULL;
    return true;
}

static void reap(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    emi_list ending;
    emi_list_init(&ending);
    emi_list_move_all(&ending, &backend->ending);
    for (emi_list *link; (link = emi_list_take_first(&ending));) {
        emi_channel *channel = EMI_CONTAINER(link, emi_channel, work);
        if (channel->slot != EMI_NO_SLOT && !end_peer(simulated_peer_at(channel))) {
            emi_list_append(&backend->ending, &channel->work);
            continue;
        }
        backend->channels--;
        channel->backend = NULL;
        channel->events->released(channel);
    }
}

static void wake(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    atomic_store(&backend->woken, true);
    emi_waker_wake(&backend->waker);
}

static bool has_work(const emi_backend *base)
{
    const simulated_backend *backend = (const simulated_backend *)(const void *)base;
    if (!emi_list_is_empty(&backend->flush) || !emi_list_is_empty(&backend->ending))
        return true;
    for (uint32_t i = 0; i < backend->peer_count; i++)
        if (backend->peers[i]->found && simulated_due_ns(backend->peers[i]) <= emi_clock_now_ns())
            return true;
    return false;
}

static int get_descriptor(const emi_backend *base)
{
    (void)base;
    return EMI_NO_SOCKET;
}

static void abandon(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    for (uint32_t i = 0; i < backend->peer_count; i++) {
        simulated_peer *peer = backend->peers[i];
        if (peer->channel && peer->channel->ownership != EMI_SHARED && peer->descriptor != EMI_NO_SOCKET)
            emi_socket_close(peer->descriptor);
        if (peer->probe != EMI_NO_SOCKET)
            close(peer->probe);
        bytes_free(&peer->inbound);
        bytes_free(&peer->outbound);
        free(peer->clients);
        free(peer);
    }
    free(backend->peers);
    simulated_look_at(NULL);
    emi_waker_close(&backend->waker);
    emi_release(backend->memory, backend);
}

/* In memory nothing is shared, but for the waker. */
static em_status renew(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    emi_waker waker;
    em_status status = emi_waker_open(&waker);
    if (status != EM_OK)
        return status;
    emi_waker_close(&backend->waker);
    backend->waker = waker;
    return EM_OK;
}

static void destroy(emi_backend *base)
{
    simulated_backend *backend = simulated_of(base);
    if (backend->channels > 0)
        stop_test("the backend was destroyed with %u channels attached", backend->channels);
    for (uint32_t i = 0; i < backend->peer_count; i++)
        if (backend->peers[i]->is_held)
            emi_socket_close(backend->peers[i]->descriptor);
    abandon(base);
}

static const emi_backend_operations operations = {
    .destroy = destroy,
    .abandon = abandon,
    .renew = renew,
    .wait = wait_for_events,
    .dispatch = dispatch,
    .flush = flush,
    .reap = reap,
    .wake = wake,
    .has_work = has_work,
    .get_descriptor = get_descriptor,
    .attach = attach,
    .release = release,
    .start_receiving = start_receiving,
    .stop_receiving = stop_receiving,
    .deliver_held = deliver_held,
    .put_back = put_back,
    .connect = start_connecting,
    .move = move,
    .poll = set_interest,
    .send = ask_to_send,
};

em_status simulated_make(void *argument, const emi_backend_settings *settings, emi_backend **made)
{
    simulated_maker *maker = argument;
    simulated_backend *backend = emi_allocate_zeroed(settings->memory, sizeof *backend);
    if (!backend)
        return EM_NO_MEMORY;
    backend->base = (emi_backend){.operations = &operations, .name = "simulated"};
    backend->memory = settings->memory;
    backend->receive_buffer_bytes = settings->receive_buffer_bytes;
    backend->seed = maker->options.seed;
    backend->window_bytes = maker->options.window_bytes ? maker->options.window_bytes : 65536;
    emi_list_init(&backend->flush);
    emi_list_init(&backend->ending);
    em_status status = emi_waker_open(&backend->waker);
    if (status != EM_OK) {
        emi_release(settings->memory, backend);
        return status;
    }
    simulated_look_at(backend);
    maker->made = backend;
    *made = &backend->base;
    return EM_OK;
}
