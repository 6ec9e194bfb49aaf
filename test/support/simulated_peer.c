/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The actions of the simulated backend's peers, which the test controls.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/deadline.h"
#include "support/simulated_private.h"
#include "support/sockets.h"
#include "system/clock.h"
#include "system/socket.h"

simulated_peer *simulated_new_peer(simulated_backend *backend)
{
    simulated_peer *peer = calloc(1, sizeof *peer);
    simulated_peer **peers = realloc(backend->peers, (backend->peer_count + 1) * sizeof *peers);
    if (!peer || !peers)
        stop_test("no memory");
    backend->peers = peers;
    peers[backend->peer_count++] = peer;
    peer->backend = backend;
    peer->descriptor = EMI_NO_SOCKET;
    peer->probe = EMI_NO_SOCKET;
    peer->window_bytes = backend->window_bytes;
    return peer;
}

/* The descriptor that the owner has made, or a new one. */
void simulated_open_pair(simulated_peer *peer)
{
    int ends[2];
    unix_pair(ends);
    peer->probe = ends[1];
    if (peer->descriptor == EMI_NO_SOCKET) {
        peer->descriptor = ends[0];
        peer->is_held = true;
        return;
    }
    if (dup3(ends[0], peer->descriptor, O_CLOEXEC) < 0)
        stop_test("the descriptor cannot be replaced");
    close(ends[0]);
}

int simulated_open_stream(simulated_backend *backend, simulated_peer **peer)
{
    *peer = simulated_new_peer(backend);
    simulated_open_pair(*peer);
    return (*peer)->descriptor;
}

void simulated_fail_next(simulated_backend *backend, simulated_operation operation, em_status status)
{
    backend->failures[operation] = status;
}

void simulated_break(simulated_backend *backend, em_status failure)
{
    backend->broken = failure;
}

unsigned simulated_count_channels(const simulated_backend *backend)
{
    return backend->channels;
}

simulated_peer *simulated_peer_of(simulated_backend *backend, int descriptor)
{
    for (uint32_t i = backend->peer_count; i > 0; i--)
        if (backend->peers[i - 1]->channel && backend->peers[i - 1]->descriptor == descriptor)
            return backend->peers[i - 1];
    return NULL;
}

static simulated_peer *attached(simulated_backend *backend, int descriptor)
{
    simulated_peer *peer = simulated_peer_of(backend, descriptor);
    if (!peer)
        stop_test("no channel has descriptor %d", descriptor);
    return peer;
}

simulated_peer *simulated_connect(simulated_backend *backend, int listener_descriptor)
{
    simulated_peer *listener = attached(backend, listener_descriptor);
    simulated_peer *peer;
    simulated_open_stream(backend, &peer);
    simulated_peer **clients = realloc(listener->clients, (listener->client_count + 1) * sizeof *clients);
    if (!clients)
        stop_test("no memory");
    listener->clients = clients;
    clients[listener->client_count++] = peer;
    listener->inbound_ns = simulated_later_ns(backend);
    return peer;
}

void simulated_fail_accepting(simulated_backend *backend, int listener, em_status status)
{
    attached(backend, listener)->accept_failure = status;
}

simulated_peer *simulated_take_connect(simulated_backend *backend)
{
    for (uint32_t i = 0; i < backend->peer_count; i++) {
        simulated_peer *peer = backend->peers[i];
        if (peer->answer == UNANSWERED && peer->channel && !peer->channel->released) {
            peer->answer = TAKEN;
            return peer;
        }
    }
    return NULL;
}

void simulated_accept_connect(simulated_peer *peer)
{
    peer->answer = ACCEPTED;
    peer->answered_ns = simulated_later_ns(peer->backend);
}

void simulated_refuse_connect(simulated_peer *peer, em_status status)
{
    peer->answer = REFUSED;
    peer->refusal = status;
    peer->answered_ns = simulated_later_ns(peer->backend);
}

const em_address *simulated_address_of(const simulated_peer *peer)
{
    return &peer->address;
}

void simulated_feed(simulated_peer *peer, const void *data, size_t length)
{
    if (peer->ended)
        stop_test("the peer sends after its end");
    if (bytes_length(&peer->inbound) == 0)
        peer->inbound_ns = simulated_later_ns(peer->backend);
    bytes_append(&peer->inbound, data, length);
}

void simulated_hold(simulated_peer *peer, size_t length)
{
    if (length > bytes_length(&peer->inbound))
        stop_test("more held than was fed");
    peer->held_bytes = length;
}

void simulated_end(simulated_peer *peer)
{
    if (bytes_length(&peer->inbound) == 0)
        peer->inbound_ns = simulated_later_ns(peer->backend);
    peer->ended = true;
}

void simulated_reset(simulated_peer *peer)
{
    peer->reset = EM_CONNECTION_RESET;
    peer->inbound_ns = simulated_later_ns(peer->backend);
}

size_t simulated_take(simulated_peer *peer, void *data, size_t capacity)
{
    return bytes_take(&peer->outbound, data, capacity);
}

size_t simulated_waiting(const simulated_peer *peer)
{
    return bytes_length(&peer->outbound);
}

bool simulated_saw_end(const simulated_peer *peer)
{
    char byte;
    return bytes_length(&peer->outbound) == 0 && peer->probe != EMI_NO_SOCKET &&
           recv(peer->probe, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool simulated_saw_close(const simulated_peer *peer)
{
    return peer->descriptor == EMI_NO_SOCKET;
}

void simulated_fail_sending(simulated_peer *peer, em_status status)
{
    peer->send_failure = status;
}

void simulated_owe(simulated_peer *peer, const void *bytes, size_t length)
{
    bytes_append(&peer->outbound, bytes, length);
}

void simulated_set_window(simulated_peer *peer, size_t window_bytes)
{
    peer->window_bytes = window_bytes;
}

void simulated_make_ready(simulated_backend *backend, int descriptor, unsigned interests)
{
    attached(backend, descriptor)->ready = interests;
}
