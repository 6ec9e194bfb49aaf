/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A channel: a socket as its owner (connection, server, …) and the backend share it. It is embedded in the owner, holds
 * the descriptor, a table of events through which the backend speaks to the owner, and a few words for the backend.
 */
#ifndef EMI_CHANNEL_H
#define EMI_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/address.h>

#include "base/list.h"
#include "base/span.h"

typedef struct emi_backend emi_backend;
typedef struct emi_channel emi_channel;

typedef enum emi_channel_kind {
    EMI_STREAM,   /**< bytes both ways */
    EMI_LISTENER, /**< accepts streams */
    EMI_POLLED    /**< a descriptor that others read and write; only its readiness is reported */
} emi_channel_kind;

/** Whose descriptor it is, which decides about its blocking mode. */
typedef enum emi_ownership {
    EMI_OURS,  /**< made by this library, non-blocking already; closed with the channel */
    EMI_GIVEN, /**< handed over by the user: made non-blocking, closed with the channel */
    EMI_SHARED /**< others use it, too: never changed, never closed. Polled channels only */
} emi_ownership;

/** What a polled channel waits for, and what is reported to it; bits. */
typedef enum emi_interest {
    EMI_NO_INTEREST = 0,
    EMI_READABLE = 1, /**< readable, or ended, or failed */
    EMI_WRITABLE = 2  /**< writable, or failed */
} emi_interest;

/**
 * What the backend reports to the owner. Called from dispatch, flush and reap only, never from an operation. Each kind
 * of channel gets the events named; the others may be NULL. Within an event every operation is allowed; after release
 * no more events come but `released`.
 */
typedef struct emi_channel_events {
    /** Stream: bytes arrived, lent until the return. length > 0. */
    void (*data)(emi_channel *channel, const void *bytes, size_t length);
    /** Stream that offers room. Much arrives: returns memory of the owner's for what comes next, of *capacity bytes, or
     * NULL for none. The very next event of the channel reports what was received into it; none follows if nothing was
     * there. */
    void *(*room)(emi_channel *channel, size_t *capacity);
    /** Stream: the peer has sent its last byte. Once. */
    void (*end)(emi_channel *channel);
    /** Stream: emi_channel_connect succeeded. */
    void (*connected)(emi_channel *channel);
    /** Stream: fill up to EMI_MAX_SPANS spans with what is to be sent next; returns how many, 0 for nothing. The bytes
     * must stay as they are until sent, failed or released. */
    unsigned (*gather)(emi_channel *channel, emi_span *spans);
    /** Stream: the system took so many of the bytes gathered, at least one. */
    void (*sent)(emi_channel *channel, size_t length);
    /** Listener: a connection was accepted; the owner owns the socket now. */
    void (*accepted)(emi_channel *channel, int socket, const em_address *peer);
    /** Polled: it is ready for these interests. */
    void (*ready)(emi_channel *channel, unsigned interests);
    /** Connecting, receiving, sending or accepting failed for good. Receiving has stopped; the owner decides what is
     * next. */
    void (*failed)(emi_channel *channel, em_status reason);
    /** The last event: the socket is closed, the channel's memory belongs to the owner alone. */
    void (*released)(emi_channel *channel);
} emi_channel_events;

/** The fields from `slot` on belong to the backend. At most 72 bytes. */
struct emi_channel {
    const emi_channel_events *events;
    emi_backend *backend; /**< NULL while it is not attached */
    int descriptor;       /**< -1 when closed */
    uint16_t burst;       /**< the owner's: reads or accepts in a row before others get their turn */
    bool exact_reads; /**< the owner's, before attach: a short read shows that nothing is left. True of TCP; not of Unix
                               sockets, where a read ends at a passed descriptor, nor of terminals */
    uint8_t
        ownership; /**< emi_ownership as given to attach; the owner may change it to EMI_SHARED, to keep the socket */
    uint32_t slot; /**< its place in the backend's table … */
    uint32_t generation; /**< … and which of those that had this place */
    uint8_t kind;        /**< emi_channel_kind */
    uint8_t interest;    /**< what the poller was asked to report */
    uint8_t early;       /**< not 0: a batch has read for it, at this place of the row, counted from 1 */
    uint8_t bulk;        /**< not 0: much arrives; see bulk.h */
    int16_t failure; /**< an em_status taken off the socket by another call than a read, which reports it in the end */
    bool offers_room : 1; /**< the owner's: `room` may be called */
    bool receiving : 1;   /**< the owner wants to receive data or connections */
    bool readable : 1;    /**< there may be something to read */
    bool has_kept : 1;    /**< something kept comes before what is read next; see readiness_kept.c */
    bool blocked : 1;     /**< the system took no more the last time */
    bool connecting : 1;
    bool sending : 1;         /**< the owner has something to send */
    bool read_to_the_end : 1; /**< read until nothing is left, whatever exact_reads says */
    bool ended : 1;           /**< the peer's end was reported */
    bool hung_up : 1;         /**< the poller has reported an error, or the end of both directions */
    bool always_ready : 1;    /**< polled: the poller refuses it, as epoll does regular files */
    bool released : 1;        /**< by the owner */
    emi_list work;            /**< among the channels that can go on without an event, or those that end */
    emi_list flush;           /**< among the channels to be flushed */
};

_Static_assert(sizeof(emi_channel) <= 72, "an idle connection is small");

#endif
