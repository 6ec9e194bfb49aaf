/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Stands in for src/system/socket_state_posix.c and socket_unacknowledged_*.c, which it contains under other names:
 * the linker prefers it to the library's. Descriptors of the simulated backend are inert, so the backend is asked
 * instead of the kernel.
 */
#include "support/simulated_look.h"

#include "support/simulated_private.h"
#include "system/clock.h"
#include "system/socket_state.h"

#define emi_socket_look system_socket_look
#define emi_socket_unacknowledged system_socket_unacknowledged
#include "../../src/system/socket_state_posix.c"             /* NOLINT(bugprone-suspicious-include) */
#include "../../src/system/socket_unacknowledged_siocoutq.c" /* NOLINT(bugprone-suspicious-include) */
#include "../../src/system/socket_unacknowledged_missing.c"  /* NOLINT(bugprone-suspicious-include) */
#undef emi_socket_look
#undef emi_socket_unacknowledged

static simulated_backend *looked_at;

void simulated_look_at(simulated_backend *backend)
{
    looked_at = backend;
}

unsigned emi_socket_look(int fd)
{
    const simulated_peer *peer = looked_at ? simulated_peer_of(looked_at, fd) : NULL;
    unsigned state = 0;
    if (!peer)
        return system_socket_look(fd);
    bool has_failed = peer->reset != EM_OK || peer->send_failure != EM_OK;
    if (peer->channel->connecting)
        return peer->answer == ACCEPTED || peer->answer == REFUSED ? EMI_SOCKET_TAKES_MORE : 0;
    if ((bytes_length(&peer->inbound) > 0 || peer->ended || has_failed) && peer->inbound_ns <= emi_clock_now_ns())
        state |= EMI_SOCKET_HAS_INPUT;
    if (bytes_length(&peer->outbound) < peer->window_bytes || has_failed)
        state |= EMI_SOCKET_TAKES_MORE;
    return state;
}

size_t emi_socket_unacknowledged(int fd)
{
    const simulated_peer *peer = looked_at ? simulated_peer_of(looked_at, fd) : NULL;
    return peer ? bytes_length(&peer->outbound) : system_socket_unacknowledged(fd);
}
