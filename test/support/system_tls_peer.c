/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OpenSSL over a bare socket. See system_tls_peer.h.
 */
#include "support/system_tls_peer.h"

#if EMI_HAVE_OPENSSL

#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_test.h"

enum { PIECE_BYTES = 65536 };

static void open_peer(system_tls_peer *peer, em_loop *loop, int socket, bool is_server)
{
    *peer = (system_tls_peer){.loop = loop, .socket = socket};
    tls_raw_open(&peer->raw);
    tls_raw_start(&peer->raw, is_server);
}

void system_tls_peer_start(system_tls_peer *peer, em_loop *loop, int socket)
{
    open_peer(peer, loop, socket, false);
}

void system_tls_peer_connect(system_tls_peer *peer, em_loop *loop, int port)
{
    open_peer(peer, loop, system_connect(port), false);
}

void system_tls_peer_accept(system_tls_peer *peer, em_loop *loop, int listener)
{
    system_await(loop, listener);
    open_peer(peer, loop, system_accept(listener), true);
}

static void write_wire(system_tls_peer *peer)
{
    static unsigned char wire[PIECE_BYTES];
    size_t length;
    while ((length = tls_raw_take_wire(&peer->raw, wire, sizeof wire)) > 0)
        system_write(peer->socket, wire, length);
}

static void read_wire(system_tls_peer *peer)
{
    static unsigned char wire[PIECE_BYTES];
    ssize_t length = recv(peer->socket, wire, sizeof wire, MSG_DONTWAIT);
    if (length > 0)
        BIO_write(peer->raw.arriving, wire, (int)length);
    if (length == 0)
        peer->has_ended = true;
}

void system_tls_peer_turn(system_tls_peer *peer)
{
    tls_raw_advance(&peer->raw);
    write_wire(peer);
    system_turn(peer->loop);
    read_wire(peer);
    tls_raw_advance(&peer->raw);
}

void system_tls_peer_await_ready(system_tls_peer *peer)
{
    while (!SSL_is_init_finished(peer->raw.ssl))
        system_tls_peer_turn(peer);
    write_wire(peer);
}

void system_tls_peer_await_bytes(system_tls_peer *peer, size_t length)
{
    while (bytes_length(&peer->raw.received) < length)
        system_tls_peer_turn(peer);
}

void system_tls_peer_await_end(system_tls_peer *peer)
{
    while (!peer->has_ended)
        system_tls_peer_turn(peer);
}

void system_tls_peer_send(system_tls_peer *peer, const char *text)
{
    tls_raw_send(&peer->raw, text);
    write_wire(peer);
}

void system_tls_peer_close(system_tls_peer *peer)
{
    close(peer->socket);
    tls_raw_close(&peer->raw);
}

#endif
