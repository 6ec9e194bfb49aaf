/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How long a connection that is about to end waits for its peer to receive the remaining bytes. Nothing else limits
 * this wait, so a peer that does not read would keep memory and a descriptor for ever.
 *
 * The peer's progress is checked eight times per drain timeout. The peer's patience is the number of checks that it may
 * still fail: each check takes one away, and acknowledged bytes give back one for each amount that 256 bytes per second
 * make between two checks. So a peer below that rate is given up in the end, and one above it never is.
 *
 * The patience begins at eight checks, one timeout. A peer that is still receiving after half of the timeout can save
 * up to two timeouts, so that a slow link may be silent for a while. Filling the system's buffers at the beginning does
 * not count. The default timeout is long because acknowledgements come in steps: on loopback of 64 KiB, for which a
 * reader of 3 KB/s needs 21 seconds. Checks are counted instead of time, so that a process that was stopped does not
 * give up its peers because of it.
 */
#include "net/net_private.h"
#include "system/clock.h"
#include "system/socket_state.h"

enum { CHECKS = 8, MOST_PATIENCE = CHECKS * 2, BYTES_PER_SECOND = 256 };

static uint64_t interval_ns(const emi_drain *drain)
{
    return (drain->timeout_ns > 0 ? drain->timeout_ns : EMI_DEFAULT_DRAIN_TIMEOUT_NS) / CHECKS + 1;
}

/* Modulo 2^64, and only differences count: the socket may have bytes to deliver that others sent before it was
 * attached, and its end counts as a byte. */
static uint64_t taken_bytes(const em_connection *connection)
{
    uint64_t sent_bytes = emi_gate_of(connection) ? connection->extras->gate->wire_sent_bytes : connection->bytes_sent;
    return sent_bytes - emi_socket_unacknowledged(connection->channel.descriptor);
}

static void check_again_later(em_connection *connection)
{
    emi_drain *drain = &connection->extras->drain;
    uint64_t now_ns = emi_clock_now_ns();
    uint64_t wait_ns = interval_ns(drain);
    drain->check_ns = wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

em_status emi_drain_begin(em_connection *connection)
{
    if (emi_drain_has_begun(connection))
        return EM_OK;
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (!extras)
        return EM_NO_MEMORY;
    extras->drain.patience = CHECKS;
    extras->drain.checks = 0;
    extras->drain.taken_bytes = taken_bytes(connection);
    check_again_later(connection);
    return EM_OK;
}

void emi_drain_set_timeout(em_connection *connection, uint64_t timeout_ns)
{
    connection->extras->drain.timeout_ns = timeout_ns;
    if (emi_drain_has_begun(connection))
        check_again_later(connection);
}

bool emi_drain_check(em_connection *connection)
{
    emi_drain *drain = &connection->extras->drain;
    uint64_t per_look = interval_ns(drain) / (EM_SECONDS / BYTES_PER_SECOND) + 1;
    uint64_t taken = taken_bytes(connection) - drain->taken_bytes;
    uint64_t earned = taken <= INT64_MAX ? taken / per_look : 0;
    drain->taken_bytes += earned * per_look;
    if (drain->checks < CHECKS / 2)
        drain->checks++;
    unsigned most = drain->checks < CHECKS / 2 ? CHECKS : MOST_PATIENCE;
    if (!connection->paused && !emi_files_await_disk(connection))
        drain->patience--;
    drain->patience = earned < most - drain->patience ? (uint8_t)(drain->patience + earned) : (uint8_t)most;
    check_again_later(connection);
    return drain->patience > 0;
}
