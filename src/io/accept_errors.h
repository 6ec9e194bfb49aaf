/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Errors of accept(2).
 */
#ifndef EMI_ACCEPT_ERRORS_H
#define EMI_ACCEPT_ERRORS_H

#include <stdbool.h>

#include <eventmachine/status.h>

/** Whether the error concerns one connection in the queue, or its network, so that accepting continues with the next.
 * accept(2) says to treat such errors like EAGAIN. */
static inline bool emi_accept_may_go_on(em_status status)
{
    switch (status) {
    case EM_INTERRUPTED:
    case EM_CONNECTION_ABORTED:
    case EM_CONNECTION_RESET:
    case EM_PROTOCOL_ERROR:
    case EM_NO_PROTOCOL_OPTION:
    case EM_NETWORK_DOWN:
    case EM_NETWORK_UNREACHABLE:
    case EM_HOST_UNREACHABLE:
    case EM_PERMISSION_DENIED: /* a firewall's rule */
    case EM_TIMED_OUT:
        return true;
    default:
        return false;
    }
}

#endif
