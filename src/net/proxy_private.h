/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A proxy relays what its source receives to its target.
 *
 *   system ──► source ──► relay ──► target's outbox ──► system
 *                │ put_back  │
 *                └───────────┘
 *
 * The ends are objects of one loop, connections or datagram sockets. What a proxy needs of them is in two tables of
 * functions. The source owns the memory of its proxy, which remembers the number of bytes
 * after its end. A connection that takes part in a proxy has another table of channel events, so all others have no
 * branch for it.
 *
 *   proxy.c              relaying, holding the source back, the ends
 *   proxy_start.c        what may be an end; starting and stopping
 *   proxy_connection.c   a connection as source and as target
 *   proxy_datagram.c     a datagram socket as source and as target
 *   proxy_splice.c       the fast path between plain TCP connections
 *   proxies.c            what all proxies of a loop share: those that wait for room in the loop's outboxes, and pipes
 */
#ifndef EMI_PROXY_PRIVATE_H
#define EMI_PROXY_PRIVATE_H

#include <eventmachine/proxy.h>

#include "base/list.h"
#include "loop/loop_private.h"
#include "loop/object.h"
#include "system/pipe.h"

#define EMI_DEFAULT_PROXY_BUFFER_BYTES ((size_t)256 * 1024)

typedef struct emi_proxy emi_proxy;

/** What a proxy calls of its source. */
typedef struct emi_proxy_source {
    /** A proxy has begun or ended: what is received goes somewhere else now. */
    void (*route)(emi_object *from);
    /** Nothing is to be received, or it is again. Independent of the program's pauses. */
    void (*hold)(emi_object *from, bool is_held);
    /** Within emi_proxy_relay: these bytes, the last ones, were not relayed and are to be received again. */
    void (*put_back)(emi_object *from, const void *bytes, size_t length);
    /** Ends the source. */
    void (*fail)(emi_object *from, em_status reason);
    void (*completed)(emi_object *from);
    void (*target_unbound)(emi_object *from);
} emi_proxy_source;

/** What a proxy calls of its target. */
typedef struct emi_proxy_target {
    /** A proxy has begun or ended. */
    void (*route)(emi_object *to);
    /** Sends a copy of as many bytes as there is room for; *length: set to how many. EM_NO_MEMORY. */
    em_status (*send)(emi_object *to, const void *bytes, size_t *length);
    size_t (*count_outbound)(const emi_object *to);
    /** Whether it takes bytes to send, as far as its own limits and the loop's are concerned. */
    bool (*has_room)(const emi_object *to);
    /** From now on, or no longer, it calls emi_proxy_note_room after its outbound bytes have become fewer. */
    void (*watch)(emi_object *to, bool is_watched);
    /** The source has ended; its peer only (half-close), or altogether. */
    void (*end)(emi_object *to, em_proxy_end at_end);
} emi_proxy_target;

struct emi_proxy {
    emi_object *from;
    emi_object *to; /* NULL: it has ended */
    const emi_proxy_source *source;
    const emi_proxy_target *target;
    emi_proxy **feeder; /* where the target refers to this proxy */
    size_t buffer_bytes;
    size_t piece_bytes; /* the most in a pipe */
    uint64_t relayed_bytes;
    uint64_t left_bytes; /* until it is complete; UINT64_MAX: no end */
    emi_list waiting;    /* for room in the loop's outboxes */
    em_proxy_end at_end;
    uint8_t full_reads;  /* in a row, see proxy_splice.c */
    bool is_held;        /* the source is held back */
    bool has_passed_end; /* of the source's peer */
};

/** What an object that takes part in proxies refers to. */
typedef struct emi_proxy_links {
    emi_proxy *proxy;  /* of which it is the source, or was; NULL: there was none */
    emi_proxy *feeder; /* of which it is the target; NULL: there is none */
} emi_proxy_links;

/** What a kind of objects that may be ends gives. */
typedef struct emi_proxy_kind {
    emi_proxy_source source;
    emi_proxy_target target;
    /** Whether it may receive something. */
    bool (*is_receiver)(const emi_object *from);
    bool (*is_unbound)(const emi_object *object);
    /** makes: they are allocated if need be. NULL: there are none, or there is no memory. */
    emi_proxy_links *(*find_links)(emi_object *object, bool makes);
} emi_proxy_kind;

extern const emi_proxy_kind emi_connection_as_end;
extern const emi_proxy_kind emi_datagram_socket_as_end;

/* proxy_start.c */

/** See em_loop_start_proxy. */
em_status emi_proxy_connect(emi_object *from, emi_object *to, const em_proxy_options *given);

/** EM_INVALID_STATE if there is none. */
em_status emi_proxy_disconnect(emi_object *from);

/** How many bytes the latest one has relayed; 0 if there was none. */
uint64_t emi_proxy_count(emi_object *from);

/** After unbind of an object: ends the proxies in which it takes part. */
void emi_proxy_end_all(const emi_proxy_links *links);

/* proxy.c */

/** Completes the caller's options. EM_INVALID_ARGUMENT. */
em_status emi_proxy_read_options(em_proxy_options *own, const em_proxy_options *given);

/** The memory of a source's proxy, made when it is first needed. *proxy: where the source refers to it. EM_NO_MEMORY.
 */
em_status emi_proxy_prepare(emi_object *from, const emi_proxy_source *source, emi_proxy **proxy);

/** Starts a proxy that was prepared, and ends what it did before. *feeder: where the target refers to the proxy, NULL
 * unless it is the same one. options: read already. */
void emi_proxy_start(emi_proxy *proxy, emi_object *to, const emi_proxy_target *target, emi_proxy **feeder,
                     const em_proxy_options *options);

/** Ends it, if it has not ended. */
void emi_proxy_stop(emi_proxy *proxy);

/** The source has received bytes. */
void emi_proxy_relay(emi_proxy *proxy, const void *bytes, size_t length);

/** The source has received bytes that were relayed already. */
void emi_proxy_note_relayed(emi_proxy *proxy, size_t length);

/** The target has sent something, or its limits have changed. */
void emi_proxy_note_room(emi_proxy *proxy);

/** The source's peer has sent its last byte. */
void emi_proxy_pass_end(emi_proxy *proxy);

/** After unbind of the source. was_fed_by_target: there was a proxy in the other direction, so the target has nowhere
 * to send a reply. */
void emi_proxy_source_unbound(emi_proxy *proxy, bool was_fed_by_target);

/** After unbind of the target. */
void emi_proxy_target_unbound(emi_proxy *proxy);

/** Frees the source's proxy. NULL is allowed. */
void emi_proxy_free(emi_proxy *proxy);

/** Whether it is relaying. NULL is allowed. */
static inline bool emi_proxy_is_on(const emi_proxy *proxy)
{
    return proxy && proxy->to;
}

/* proxies.c */

/** What the proxies of a loop share, made when it is first needed. EM_NO_MEMORY. */
em_status emi_proxies_prepare(em_loop *loop);

/** How many bytes the loop's limit leaves for all outboxes. SIZE_MAX: there is no limit. */
size_t emi_proxies_room_bytes(const em_loop *loop);

/** Whether that is worth sending a piece. */
bool emi_proxies_have_room(const em_loop *loop);

/** From now on it is asked again when the loop has room. */
void emi_proxies_add_waiting(emi_proxy *proxy);

/** A pipe of the loop's pool. */
typedef struct emi_proxy_pipe {
    emi_pipe pipe;
    unsigned fork_count; /* when it was opened, because a forked child must not use its parent's */
    emi_list spare;      /* in the list of those that are not used */
} emi_proxy_pipe;

/** Takes an empty pipe from the pool; NULL: there is none to be had. */
emi_proxy_pipe *emi_proxies_take_pipe(em_loop *loop);

/** Gives an empty pipe back. */
void emi_proxies_give_back(em_loop *loop, emi_proxy_pipe *pipe);

/** Closes a pipe that may have bytes in it. */
void emi_proxies_close_pipe(em_loop *loop, emi_proxy_pipe *pipe);

#endif
