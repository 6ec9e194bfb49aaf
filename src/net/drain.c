/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that are about to end, and wait for nothing but their peer taking what is left: how long they wait.
 * Nobody else bounds that wait, so a peer that does not read would keep memory and a descriptor for ever.
 *
 * The peer is looked at eight times within the drain timeout, and its patience is the number of looks that are left to
 * it. Each look takes one away; what the peer has acknowledged since gives them back, one for as many bytes as it would
 * take at 256 bytes per second between two looks. So a peer below that rate is given up in the end, and one above it
 * never is. The patience begins with eight looks, one timeout; a peer that still takes after half of that time can save
 * up two timeouts, so that a slow link may be silent for a while. What fills the system's buffers at the beginning does
 * not count. The default is long because acknowledgements come in steps: on loopback of 64 KiB, for which a reader of 3
 * KB/s needs 21 seconds. Looks are counted, not time, so that a process that was stopped does not give up its peers for
 * it.
 */
#include "net/net_private.h"
#include "system/clock.h"
#include "system/socket_state.h"

enum { LOOKS = 8, MOST_PATIENCE = LOOKS * 2, BYTES_PER_SECOND = 256 };

static uint64_t interval_ns(const emi_drain *drain)
{
    return (drain->timeout_ns > 0 ? drain->timeout_ns : EMI_DEFAULT_DRAIN_TIMEOUT_NS) / LOOKS + 1;
}

/* Modulo 2^64, and only differences count: the socket may have bytes to deliver that others sent before it was
 * attached, and its end counts as a byte. */
static uint64_t taken_bytes(const em_connection *connection)
{
    return connection->bytes_sent - emi_socket_unacknowledged(connection->channel.descriptor);
}

static void look_again_later(em_connection *connection)
{
    emi_drain *drain = &connection->extras->drain;
    uint64_t now_ns = emi_clock_now_ns();
    uint64_t wait_ns = interval_ns(drain);
    drain->look_ns = wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

em_status emi_drain_begin(em_connection *connection)
{
    if (emi_drain_has_begun(connection))
        return EM_OK;
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (!extras)
        return EM_NO_MEMORY;
    extras->drain.patience = LOOKS;
    extras->drain.looks = 0;
    extras->drain.taken_bytes = taken_bytes(connection);
    look_again_later(connection);
    return EM_OK;
}

void emi_drain_set_timeout(em_connection *connection, uint64_t timeout_ns)
{
    connection->extras->drain.timeout_ns = timeout_ns;
    if (emi_drain_has_begun(connection))
        look_again_later(connection);
}

bool emi_drain_look(em_connection *connection)
{
    emi_drain *drain = &connection->extras->drain;
    uint64_t per_look = interval_ns(drain) / (EM_SECONDS / BYTES_PER_SECOND) + 1;
    uint64_t taken = taken_bytes(connection) - drain->taken_bytes;
    uint64_t earned = taken <= INT64_MAX ? taken / per_look : 0;
    drain->taken_bytes += earned * per_look;
    if (drain->looks < LOOKS / 2)
        drain->looks++;
    unsigned most = drain->looks < LOOKS / 2 ? LOOKS : MOST_PATIENCE;
    if (!connection->paused)
        drain->patience--;
    drain->patience = earned < most - drain->patience ? (uint8_t)(drain->patience + earned) : (uint8_t)most;
    look_again_later(connection);
    return drain->patience > 0;
}
