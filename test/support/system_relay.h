/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies between two connections over real sockets, whose other ends the test plays. The source's peer writes a
 * pattern, so a byte that is lost, repeated or out of place is noticed, wherever it arrives.
 */
#ifndef TEST_SYSTEM_RELAY_H
#define TEST_SYSTEM_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine.h>

enum { RELAY_BULK_BYTES = 12 * 1024 * 1024, RELAY_BUFFER_BYTES = 256 * 1024, RELAY_READ_BYTES = 65536 };

/* Two attached connections, the sockets at their other ends, and what passes. */
typedef struct system_relay {
    em_loop *loop;
    em_connection *from, *to; /* NULL after unbind */
    int from_peer, to_peer;   /* -1: closed */
    uint64_t written;         /* by from's peer: the pattern from 0 on */
    uint64_t taken;           /* by to's peer */
    uint64_t received;        /* by from's handler */
    uint64_t relayed;         /* before what the handler receives: the pattern goes on there */
    unsigned completed, told, wrong;
    size_t most_outbound;
    em_status reasons[2];
    bool peer_saw_end;
} system_relay;

/** With RELAY_BUFFER_BYTES. */
extern const em_proxy_options system_relay_bounded;

/** Two connections without a proxy, made of pairs of sockets. They have receive_end, so the test closes them. */
system_relay *system_open_relay(em_loop *loop, void (*make_pair)(int sockets[2]));

/** The same over TCP, with a proxy. */
system_relay *system_open_proxied(em_loop *loop, const em_proxy_options *options);

/** Starts the proxy. */
void system_relay_start(system_relay *all, const em_proxy_options *options);

/** Closes everything; fails if a byte was wrong. */
void system_close_relay(system_relay *all);

/** The source's peer writes what its socket accepts, up to this place of the pattern. */
void system_relay_write(system_relay *all, uint64_t until);

/** The target's peer takes up to `most` bytes. */
void system_relay_take(system_relay *all, size_t most);

/** A turn that does not wait. */
void system_relay_turn(system_relay *all);

/** Writes and turns until the target's peer has taken so much. */
void system_relay_until(system_relay *all, uint64_t written, uint64_t taken);

/** Writes and turns, without taking, until nothing moves any more. */
void system_relay_fill(system_relay *all);

#endif
