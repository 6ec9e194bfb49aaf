/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections and servers from within: what the files of this folder share.
 */
#ifndef EMI_NET_PRIVATE_H
#define EMI_NET_PRIVATE_H

#include <stdbool.h>

#include <eventmachine/attach.h>
#include <eventmachine/connect.h>
#include <eventmachine/connection.h>

#include "base/features.h"
#include "base/options.h"
#include "base/status_detail.h"
#include "dns/resolver.h"
#include "loop/loop_private.h"
#include "loop/object.h"
#include "net/address_history.h"
#include "net/connector_private.h"
#include "net/datagram_queue.h"
#include "net/files_private.h"
#include "net/gate_private.h"
#include "net/proxy_private.h"

#define EMI_DEFAULT_HIGH_WATER_BYTES ((size_t)1024 * 1024)
#define EMI_DEFAULT_DRAIN_TIMEOUT_NS (30 * EM_SECONDS)
#define EMI_DEFAULT_CONNECT_TIMEOUT_NS (20 * EM_SECONDS)

/** The state of the side of a connection that sends. It only moves downwards. */
typedef enum emi_write_side {
    EMI_WRITE_OPEN,    /**< takes what is to be sent */
    EMI_WRITE_ENDING,  /**< takes no more; the end is sent after the last byte */
    EMI_WRITE_ENDED,   /**< the end was sent */
    EMI_WRITE_CLOSING, /**< takes no more; the connection is closed after the last byte */
    EMI_WRITE_FLUSHING /**< the connection is closed; the bytes waiting are sent after unbind */
} emi_write_side;

/** The peer's progress in receiving the remaining bytes of a connection that is about to end; see drain.c. */
typedef struct emi_drain {
    uint64_t timeout_ns;  /* 0: the default */
    uint64_t check_ns;    /* when to check it next */
    uint64_t taken_bytes; /* acknowledged by the peer, as far as they have been counted; modulo 2^64 */
    uint8_t checks;       /* so far, up to half of a timeout's */
    uint8_t patience;     /* checks that are left; 0: it has not begun */
} emi_drain;

/** The fields that only some connections need; allocated when first needed. */
typedef struct emi_connection_extras {
    em_connection *connection;
    emi_loop_timer timer; /* for the earliest of the timeouts */
    uint64_t inactivity_timeout_ns;
    uint64_t write_timeout_ns;
    uint64_t connect_timeout_ns;
    uint64_t created_ns;
    uint64_t excused_ns;  /* silence before this does not count */
    uint64_t progress_ns; /* when the system last accepted bytes of the outbox, or the outbox was empty */
    uint8_t excuses;      /* how often the present silence was given more time, because the loop was late */
    bool was_decided;     /* while connecting: the system had decided, and it was given more time */
    bool limits_tls;      /* the connect timeout covers the TLS handshake as well */
    size_t high_water_bytes;
    size_t low_water_bytes;
    size_t outbox_limit_bytes; /* 0: none */
    emi_connector *connector;  /* until it is established */
    emi_gate *gate;            /* of its filter, see gate_private.h; NULL: none */
    emi_files *files;          /* that it sends, see files_private.h; NULL: it has not sent any */
    emi_proxy_links links;
    emi_proxy_pipe *pipe; /* with bytes that are to be sent before those of the outbox; NULL: none */
    emi_drain drain;
    emi_list lingering; /* after unbind, see linger.c */
    em_address peer;    /* of IPv6 */
    char *reason_text;  /* composed on request */
} emi_connection_extras;

struct em_connection {
    emi_object object; /* its state is an em_connection_state */
    emi_channel channel;
    const em_handler *handler;
    emi_outbox outbox;
    emi_connection_extras *extras; /* or NULL */
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint32_t peer_ipv4;     /* network order */
    uint16_t peer_port;     /* network order; of IPv4 */
    uint8_t write_side : 3; /* emi_write_side */
    bool paused : 1;        /* neither receives nor sends */
    bool peer_ended : 1;
    bool under_pressure : 1;
    bool holds_source : 1; /* of a proxy, until it has sent some of what is waiting */
    bool is_tcp : 1;
    bool may_linger : 1;       /* SO_LINGER may be set, so close(2) might wait */
    bool receiving_paused : 1; /* does not receive, independently of paused */
    bool is_held : 1;          /* does not receive because the target of its proxy has no room, independently of both */
};

/* malloc(3) gives memory in steps: eight bytes more would be sixteen for each idle connection. */
_Static_assert(sizeof(struct em_connection) <= 184, "an idle connection is small");

/** What the connections and servers of a loop share. */
typedef struct emi_net {
    emi_service service;
    em_loop *loop;
    emi_list backing_off;         /* listeners that back off, because descriptors or memory were exhausted */
    emi_list lingering;           /* connections whose sockets stay open after unbind */
    emi_list attempts;            /* to connect whose channels have not all been released, see attempts.h */
    emi_address_history *history; /* which addresses worked; NULL: nothing was noted */
    emi_gates *gates;             /* what all gates share; NULL: no connection has had a filter */
    emi_datagram_pool datagrams;
    uint64_t shed_ns; /* when connections were last turned away */
    int reserve;      /* a descriptor to be closed when none is left */
} emi_net;

/* net.c */

/** Returns the loop's emi_net, which is created when first needed. */
em_status emi_net_of(em_loop *loop, emi_net **net);

/** What the gates of its connections share, made when first needed. EM_NO_MEMORY. */
em_status emi_gates_of(emi_net *net, emi_gates **gates);

/** Returns the loop's emi_net, which must exist. */
static inline emi_net *emi_net_at(const em_loop *loop)
{
    return EMI_CONTAINER(loop->services[EMI_SERVICE_NET], emi_net, service);
}

/** EM_INVALID_ARGUMENT for NULL, and for a callback that this library does not know. */
em_status emi_check_handler(const em_handler *handler);

/* net_options.c */

/** Reads and checks options, and the local end, see emi_local_end_read. EM_INVALID_ARGUMENT for invalid values.
 * own->bind_host is the caller's, and is set only if it must be looked up. */
em_status emi_read_connect_options(em_connect_options *own, em_stream_options *stream, emi_local_end *local,
                                   const em_connect_options *given);

em_status emi_read_attach_options(em_attach_options *own, em_stream_options *stream, const em_attach_options *given);

/** Applies the options that this library implements itself. EM_NO_MEMORY. */
em_status emi_apply_stream_options(em_connection *connection, const em_stream_options *options);

/** The same, and the options of connecting. */
em_status emi_apply_connect_options(em_connection *connection, const em_connect_options *options,
                                    const em_stream_options *stream);

/** Sets the options of a stream's socket, except the options of TCP on a Unix-domain socket. Returns why the system
 * refused one that was given, and then leaves out those after it. */
em_status emi_apply_socket_options(int socket, bool is_tcp, const em_stream_options *options);

/** Binds a socket that is to be connected, as the options say. */
em_status emi_bind_local_end(int socket, const em_address *local, const em_connect_options *options);

/* connection.c */

/** Creates a connection without a socket, in a first state. Does not call post_init. */
em_status emi_connection_create(emi_net *net, const em_handler *handler, void *user, em_connection_state state,
                                em_connection **connection);

/** Frees a connection for which no callback has been called yet, or the last one has. */
void emi_connection_free(em_connection *connection);

/** Changes the state. The table in connection.c lists the allowed changes. */
void emi_connection_enter(em_connection *connection, em_connection_state state);

/** Begins the end: nothing more is received or sent, and unbind(reason) follows at the end of the turn. */
void emi_connection_end(em_connection *connection, em_status reason);

/** Ends a connection that has a channel but for which no callback has been called. Calls none. */
void emi_connection_give_up(em_connection *connection);

/** After unbind: releases the channel, or keeps its socket open. */
void emi_connection_leave(em_connection *connection, bool lingers);

static inline em_connection *emi_connection_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, em_connection, channel);
}

static inline bool emi_connection_has_ended(const em_connection *connection)
{
    return connection->object.state >= EM_STATE_RELEASING;
}

/** Returns whether the connection is established and has not ended. */
static inline bool emi_connection_is_open(const em_connection *connection)
{
    return connection->object.state == EM_STATE_OPEN || connection->object.state == EM_STATE_DRAINING;
}

/** Returns whether the peer has ended, or the descriptor is open for writing only. */
static inline bool emi_connection_receives_no_more(const em_connection *connection)
{
    return connection->peer_ended || connection->channel.cannot_receive;
}

/** The gate of its filter; NULL: it has none. */
static inline emi_gate *emi_gate_of(const em_connection *connection)
{
    return connection->extras ? connection->extras->gate : NULL;
}

/** The proxy whose source it is now; NULL: it has none. */
static inline emi_proxy *emi_connection_proxy(const em_connection *connection)
{
    return connection->extras && emi_proxy_is_on(connection->extras->links.proxy) ? connection->extras->links.proxy
                                                                                  : NULL;
}

/** How many bytes wait to be sent, as the program counts them, without those of files. */
static inline size_t emi_connection_outbound_bytes(const em_connection *connection)
{
    const emi_connection_extras *extras = connection->extras;
    if (!extras)
        return connection->outbox.bytes;
    size_t bytes = connection->outbox.bytes + (extras->gate ? extras->gate->sealed_bytes : 0) +
                   (extras->pipe ? extras->pipe->pipe.bytes : 0);
    return extras->files ? bytes - emi_files_bytes_in_memory(connection) : bytes;
}

/** The first check of all calls that change a connection: EM_INVALID_ARGUMENT for NULL, EM_CLOSED if it has ended. */
static inline em_status emi_connection_check(const em_connection *connection)
{
    if (!connection)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return emi_connection_has_ended(connection) ? EM_CLOSED : EM_OK;
}

/** Returns the extras, which are allocated if there are none yet; NULL without memory. */
emi_connection_extras *emi_connection_extras_of(em_connection *connection);

/** As emi_connection_extras_of, for calls that set a field of the extras. Returns the status of emi_connection_check,
 * or EM_NO_MEMORY. */
em_status emi_connection_extras_to_set(em_connection *connection, emi_connection_extras **extras);

/* connection_info.c */

/** Releases the channel; closing the socket never waits, whatever SO_LINGER says. */
void emi_connection_release(em_connection *connection);

/** Remembers the peer's address. */
void emi_connection_note_peer(em_connection *connection, const em_address *peer);

/* connection_events.c */

/** Channels of connections whose handler has receive_buffer offer room. */
extern const emi_channel_events emi_connection_events;

/** The same for those that send files or take part in a proxy. */
extern const emi_channel_events emi_connection_events_with_extras;

/** Returns the events of a connection that has not ended: with a filter, with files or a proxy, or plain. */
const emi_channel_events *emi_connection_choose_events(const em_connection *connection);

/** It is established. */
void emi_connection_connected(emi_channel *channel);

/** The tap: bytes were received, and go to the proxy if there is one, otherwise to the handler. */
void emi_connection_deliver(em_connection *connection, const void *bytes, size_t length);

/** The peer has sent its last byte. */
void emi_connection_receive_end(em_connection *connection);

/** The channel has failed: ends the connection. */
void emi_connection_failed(emi_channel *channel, em_status given);

/** The socket is closed: frees the memory, if nothing else needs it. */
void emi_connection_released(emi_channel *channel);

/** Of emi_connection_note_sent: what concerns the extras. */
void emi_connection_note_progress(em_connection *connection);

/** Calls post_init, possibly outside of a turn. */
void emi_connection_post_init(em_connection *connection);

/** The connection is established: starts receiving and sending. */
void emi_connection_start(em_connection *connection);

/* connection_flow.c */

/** Starts receiving, unless a pause, the state or the peer's end forbids it. On failure the connection ends with the
 * status returned. */
em_status emi_connection_start_receiving(em_connection *connection);

/** Receives, or does not, after something has changed that this depends on. Of a connection that is attached. */
void emi_connection_update_receiving(em_connection *connection);

/** For proxies: receives nothing, or does again as far as no pause forbids it. */
void emi_connection_hold(em_connection *connection, bool is_held);

/* connection_send.c */

/** Of emi_connection_has_unsent: whether something is left that is not in the outbox. It must have extras. */
bool emi_connection_has_unsent_elsewhere(const em_connection *connection);

/** Whether something is left to be sent, the end of a filter's bytes included. */
static inline bool emi_connection_has_unsent(const em_connection *connection)
{
    return connection->outbox.first || (connection->extras && emi_connection_has_unsent_elsewhere(connection));
}

/** Requests sending, if the state allows it and bytes are waiting. */
void emi_connection_request_send(em_connection *connection);

/** Whether `length` more bytes may be queued: EM_OK, EM_CLOSED, EM_FORKED, EM_OUTBOX_LIMIT. Exceeding the connection's
 * own limit ends it. */
em_status emi_connection_check_room(em_connection *connection, size_t length);

/** Something was added to the outbox, which was empty before, or not. Returns EM_OK or EM_UNDER_PRESSURE. */
em_status emi_connection_note_added(em_connection *connection, bool was_empty);

/** Whether it ends as soon as the peer has received the remaining bytes, so that only the peer can delay it. */
bool emi_connection_is_about_to_end(const em_connection *connection);

/** To be called after a change of the outbox, or of what follows when it is empty. Acts if it is empty. */
void emi_connection_act_if_sent(em_connection *connection);

/** After a change of what should happen when the outbox is empty, also of a connection that was not established then.
 */
void emi_connection_send_end(em_connection *connection);

/* connection_timeouts.c */

void emi_connection_timer_init(emi_connection_extras *extras);

/** Reschedules the timer after a change of a timeout or of its beginning. */
void emi_connection_arm(em_connection *connection);

/** While connecting, the deadline may have waited for an attempt that the system had decided about. It has failed, so
 * the deadline no longer waits. */
void emi_connection_end_wait_for_decision(em_connection *connection);

/** Notes activity by the clock. For connections that have extras. */
void emi_connection_note_exactly(em_connection *connection);

/** Notes that bytes were received or sent, or that the connection was established. Without a timeout, the turn's time
 * is accurate enough and costs nothing. */
static inline void emi_connection_note_activity(em_connection *connection)
{
    const emi_connection_extras *extras = connection->extras;
    if (EMI_UNLIKELY(extras && (extras->inactivity_timeout_ns | extras->write_timeout_ns) != 0))
        emi_connection_note_exactly(connection);
    else
        connection->object.active_ns = connection->object.loop->now_ns;
}

/** Counts bytes that the system has accepted. */
static inline void emi_connection_note_sent(em_connection *connection, size_t length)
{
    emi_connection_note_activity(connection);
    connection->bytes_sent += length;
    connection->object.loop->stats.bytes_sent += length;
    if (EMI_UNLIKELY(connection->extras))
        emi_connection_note_progress(connection);
}

/* drain.c */

/** Begins to check the peer's progress, unless that has begun already. EM_NO_MEMORY. */
em_status emi_drain_begin(em_connection *connection);

/** Changes the timeout of a connection that has its extras. */
void emi_drain_set_timeout(em_connection *connection, uint64_t timeout_ns);

/** One check, due at check_ns. Returns false if the peer receives too slowly and must be given up. */
bool emi_drain_check(em_connection *connection);

static inline bool emi_drain_has_begun(const em_connection *connection)
{
    return connection->extras && connection->extras->drain.patience > 0;
}

/* proxy_connection.c */

/** Chooses the channel's events, after a change of the filter, the handler or a proxy. */
void emi_connection_route(em_connection *connection);

/** After unbind: ends the proxies that it is the source and the target of. */
void emi_connection_end_proxies(em_connection *connection);

/** The target of a proxy that is on; NULL: it is no connection. */
em_connection *emi_connection_target(const emi_proxy *proxy);

/** Whether it stays open after its peer's end, because it is one of two connections that relay half-closes. */
bool emi_connection_is_kept_open(const em_connection *connection);

/* proxy_splice.c */

/** A source has received a piece the ordinary way. Notes whether the next ones may go into pipes. */
void emi_proxy_note_read(emi_proxy *proxy, size_t length);

/** Moves a piece from a source to its target by a pipe. Returns false if a piece should be received the ordinary way.
 */
bool emi_connection_splice(em_connection *from);

/** Sends from the pipe that a target has. Returns whether it is empty, and gone, now. */
bool emi_connection_send_pipe(em_connection *to);

/** Moves what is in a target's pipe to the front of its outbox. EM_NO_MEMORY, EM_LOOP_OUTBOX_LIMIT: nothing has
 * happened. */
em_status emi_connection_empty_pipe(em_connection *to);

/** Drops what is in the pipe. For connections that have extras. */
void emi_connection_drop_pipe(em_connection *to);

/* linger.c */

/** Returns whether the socket must stay open after unbind, because the peer has not received everything. */
bool emi_connection_must_linger(const em_connection *connection);

/** After unbind: keeps the socket open until the peer has received everything. Returns false if that is impossible. */
bool emi_connection_linger(em_connection *connection);

bool emi_connection_is_lingering(const em_connection *connection);

/** Closes the socket if it was kept open. */
void emi_connection_stop_lingering(em_connection *connection);

/** Closes all sockets that were kept open. */
void emi_net_stop_lingering(emi_net *net);

#endif
