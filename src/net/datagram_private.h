/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets from within: what their files share.
 *
 *   datagram_open.c     opening, attaching and detaching
 *   datagram_options.c  options, from reading to applying
 *   datagram.c          their life and end; pauses
 *   datagram_events.c   what the backend reports
 *   datagram_send.c     sending
 *   datagram_peer.c     the fixed peer; multicast
 *   proxy_datagram.c    as source and as target of proxies
 *   datagram_timers.c   timeouts, and the pause before sending is tried again
 *   datagram_info.c     looking at a socket
 *   datagram_queue.c    what waits to be sent
 */
#ifndef EMI_DATAGRAM_PRIVATE_H
#define EMI_DATAGRAM_PRIVATE_H

#include <eventmachine/datagram.h>

#include "base/status_detail.h"
#include "loop/loop_private.h"
#include "net/datagram_queue.h"
#include "net/net_private.h"

/** The state of a datagram socket. It only moves downwards. */
typedef enum emi_datagram_state {
    EMI_DATAGRAM_OPEN,
    EMI_DATAGRAM_DRAINING,  /* ends when everything is sent */
    EMI_DATAGRAM_RELEASING, /* ended; unbind follows, or is being called */
    EMI_DATAGRAM_CLOSED     /* unbind has returned */
} emi_datagram_state;

struct em_datagram_socket {
    emi_object object;
    emi_channel channel;
    const em_datagram_handler *handler;
    emi_datagram_queue queue;
    em_address peer;          /* the fixed one; empty: none */
    em_address_family family; /* of the socket */

    emi_loop_timer timeouts;        /* for the earliest of them */
    uint64_t inactivity_timeout_ns; /* 0: none */
    uint64_t drain_timeout_ns;
    uint64_t progress_ns; /* when the system last accepted a datagram, or draining began */

    emi_loop_timer retry;
    uint64_t retry_ns; /* the pause before the next attempt */

    size_t high_water_bytes;
    size_t low_water_bytes;
    size_t limit_bytes;
    uint64_t received;
    uint64_t sent;

    emi_proxy_links links;
    const em_datagram *current; /* the one that is being delivered; NULL: none */
    em_address sender;          /* of the datagram received last; empty: none so far */
    em_address destination;     /* of that one, to answer from; empty: unknown */
    size_t rest_bytes;          /* of the datagram received next, which are not relayed yet; 0: all */

    bool paused : 1;
    bool is_held : 1; /* does not receive because the target of its proxy has no room */
    bool under_pressure : 1;
    bool waits_to_retry : 1;
    bool detaches : 1; /* em_datagram_socket_detach delivers what is held, whatever the state */
};

static inline em_datagram_socket *emi_datagram_socket_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, em_datagram_socket, channel);
}

static inline bool emi_datagram_socket_has_ended(const em_datagram_socket *socket)
{
    return socket->object.state >= EMI_DATAGRAM_RELEASING;
}

/** The first check of all calls that change a socket: EM_INVALID_ARGUMENT for NULL, EM_CLOSED if it has ended. */
static inline em_status emi_datagram_socket_check(const em_datagram_socket *socket)
{
    if (!socket)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return emi_datagram_socket_has_ended(socket) ? EM_CLOSED : EM_OK;
}

static inline emi_datagram_pool *emi_datagram_pool_of(const em_datagram_socket *socket)
{
    return &emi_net_at(socket->object.loop)->datagrams;
}

/* datagram.c */

/** Creates a socket without a channel. Does not call post_init. */
em_status emi_datagram_socket_create(em_loop *loop, const em_datagram_handler *handler, void *user,
                                     em_datagram_socket **created);

/** Frees a socket without a channel. */
void emi_datagram_socket_free(em_datagram_socket *socket);

/** Begins the end: unbind(reason) follows at the end of the turn. */
void emi_datagram_socket_end(em_datagram_socket *socket, em_status reason);

/** Ends a socket that has a channel but for which no callback has been called. Calls none. */
void emi_datagram_socket_give_up(em_datagram_socket *socket);

/** After a change of what waits to be sent: calls `drained`, or ends a socket that has sent everything. */
void emi_datagram_socket_act_if_sent(em_datagram_socket *socket);

/* datagram_options.c */

em_status emi_read_datagram_options(em_datagram_options *own, const em_datagram_options *given);

/** Sets what must be set before bind(2). */
em_status emi_apply_options_before_bind(int descriptor, const em_datagram_options *options);

/** Sets the other options of the system. is_bound_to_any: see receive_destination in em_datagram_options. */
em_status emi_apply_datagram_options(em_datagram_socket *socket, int descriptor, const em_datagram_options *options,
                                     bool is_bound_to_any);

/** Applies the options that this library implements itself. */
void emi_apply_own_options(em_datagram_socket *socket, const em_datagram_options *options);

/** Whether options of IP are among them. */
bool emi_has_options_of_ip(const em_datagram_options *options);

/* datagram_events.c */

extern const emi_channel_events emi_datagram_events;

/** The descriptor is closed or given back. */
void emi_datagram_socket_released(emi_channel *channel);

/* proxy_datagram.c */

/** Receives, if neither the program nor a proxy holds that back. Ends the socket if that is impossible. */
em_status emi_datagram_socket_go_on(em_datagram_socket *socket);

/** Relays a datagram. Returns whether all of it was relayed; otherwise what is left comes again. */
bool emi_datagram_socket_relay(em_datagram_socket *socket, const em_datagram *datagram);

/** To be called when something has been sent, or what it depends on has changed. */
void emi_datagram_socket_note_room(em_datagram_socket *socket);

/* datagram_send.c */

/** Asks the backend to send, unless the pause before the next attempt is under way. */
void emi_datagram_socket_request_send(em_datagram_socket *socket);

/** Checks whether the socket can send to an address, and converts the address to its family. *peer: the given address,
 * or `memory`. */
em_status emi_datagram_socket_reach(const em_datagram_socket *socket, const em_address **peer, em_address *memory);

/* datagram_timers.c */

void emi_datagram_timers_init(em_datagram_socket *socket);
void emi_datagram_timers_cancel(em_datagram_socket *socket);

/** Reschedules the timer after a change of a timeout or of the state. */
void emi_datagram_socket_arm(em_datagram_socket *socket);

/** Tries to send again after a while: 1 ms at first, then twice as long each time, 100 ms at most. */
void emi_datagram_socket_retry_later(em_datagram_socket *socket);

/** The system has accepted something. */
void emi_datagram_socket_note_progress(em_datagram_socket *socket);

/** Notes that something was received or sent. */
void emi_datagram_socket_note_activity(em_datagram_socket *socket);

#endif
