/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A channel: a descriptor that its owner (a connection, a listener, …) and the backend share. It is embedded in the
 * owner. It holds the descriptor, the table of events that the backend calls, and what the backend needs to remember.
 */
#ifndef EMI_CHANNEL_H
#define EMI_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/address.h>

#include "base/list.h"
#include "base/span.h"
#include "system/descriptor.h"
#include "system/datagrams.h"

typedef struct emi_backend emi_backend;
typedef struct emi_channel emi_channel;

typedef enum emi_channel_kind {
    EMI_STREAM,   /**< bytes, to or from a descriptor of any kind */
    EMI_LISTENER, /**< accepts streams */
    EMI_DATAGRAM, /**< datagrams both ways */
    EMI_POLLED    /**< a descriptor that the user reads and writes; only its readiness is reported. It may have several
                     such channels, beside one of another kind */
} emi_channel_kind;

/** The slot of a channel whose place another one has taken, see `move` in backend.h. */
#define EMI_NO_SLOT UINT32_MAX

/** Who the descriptor belongs to, which decides about its blocking mode. */
typedef enum emi_ownership {
    EMI_OURS, /**< opened by this library, non-blocking already; closed with the channel */
    /** Given to the library by the user: made non-blocking, closed with the channel. A socket also becomes
     * close-on-exec, unless it is a standard stream. */
    EMI_GIVEN,
    EMI_SHARED /**< used by others, too: its mode is never changed, and it is never closed. Not for listeners */
} emi_ownership;

/** See `room`. */
#define EMI_ROOM_NOT_NEEDED SIZE_MAX

/** What is asked and reported for a polled channel; bits. */
typedef enum emi_interest {
    EMI_NO_INTEREST = 0,
    EMI_READABLE = 1, /**< readable, at its end, or failed */
    EMI_WRITABLE = 2  /**< writable, or failed */
} emi_interest;

/**
 * What the backend reports to the owner. Events are called by dispatch, flush and reap only, never by an operation.
 * Each event names the kinds of channel that it is called for; for other kinds it may be NULL. Within an event every
 * operation is allowed. After release only `released` is called.
 */
typedef struct emi_channel_events {
    /** Stream: bytes have arrived, lent until the event returns. length > 0. */
    void (*data)(emi_channel *channel, const void *bytes, size_t length);
    /** Stream that offers room, on which much arrives (bulk.h): returns memory of the owner, of *capacity bytes, to
     * receive the next bytes into, or NULL for none. The next event of the channel reports those bytes. No event
     * follows if there were none. If it sets *capacity to EMI_ROOM_NOT_NEEDED, it has received bytes itself. */
    void *(*room)(emi_channel *channel, size_t *capacity);
    /** Stream: the peer has sent its last byte. Called at most once. If the peer resets the connection afterwards,
     * `failed` is called, whether the owner receives or not. A stream that is open for writing only has no end: while
     * it receives, `failed` is called when nobody can read any more what is written. */
    void (*end)(emi_channel *channel);
    /** Stream: the connection that connect began is established. */
    void (*connected)(emi_channel *channel);
    /** Stream: fills in up to EMI_MAX_SPANS spans of bytes to be sent next, and returns how many; 0: there are none.
     * The bytes must stay unchanged until sent, failed or released. */
    unsigned (*gather)(emi_channel *channel, emi_span *spans);
    /** Stream, when `gather` has returned 0: the bytes to be sent next are in a file. Fills in a piece of it, whose
     * bytes the backend may send without waiting for the disk for long. Returns false if there is none. NULL, as long
     * as the owner has no file to send. Only backends that send files ask, see emi_backend_operations. */
    bool (*gather_file)(emi_channel *channel, emi_file_span *piece);
    /** Stream: the piece of a file that was gathered last cannot be sent: EM_FILE_TRUNCATED (the file ends before it),
     * EM_UNSUPPORTED (the system refuses this file: it may be read and sent), EM_IO_ERROR. Sending goes on: the owner
     * decides what to do. */
    void (*file_failed)(emi_channel *channel, em_status reason);
    /** Stream: the system has taken `length` of the gathered bytes, at least one. The owner only notes that: several
     * sends may have been made at once, and what the owner does about one must see the results of all. Returns whether
     * after_sent is to be called. */
    bool (*sent)(emi_channel *channel, size_t length);
    /** Stream: follows `sent` where that returned true, unless the channel was released in between. */
    void (*after_sent)(emi_channel *channel);
    /** Listener: a connection was accepted. Its socket belongs to the owner now. */
    void (*accepted)(emi_channel *channel, int socket, const em_address *peer);
    /** Datagram: datagrams have arrived, at least one, lent until the event returns. Returns how many of them the owner
     * has taken, from the first on. The backend keeps the others for the next start_receiving; so there are some only
     * if the owner has stopped receiving, has released the channel, or has forked. */
    unsigned (*datagrams)(emi_channel *channel, const em_datagram *batch, unsigned count);
    /** Datagram: fills in up to EMI_MOST_SENT datagrams to be sent next, and returns how many; 0: there are none. What
     * they refer to must stay unchanged until datagrams_sent, or until the channel is released. */
    unsigned (*gather_datagrams)(emi_channel *channel, emi_outgoing *list);
    /** Datagram: the system has taken `count` of the gathered datagrams. status: EM_OK, or why it has not taken the
     * next one. With EM_WOULD_BLOCK, sending goes on when there is room. With EM_NO_BUFFERS, when the owner calls send
     * again, after a while. With any other status the owner removes that datagram, and sending goes on with the rest.
     */
    void (*datagrams_sent)(emi_channel *channel, unsigned count, em_status status);
    /** Datagram: the network has reported that a datagram has not arrived. peer, reporter: may be empty. Called also
     * if the channel does not receive. */
    void (*datagram_lost)(emi_channel *channel, const emi_datagram_error *error);
    /** Polled: the descriptor is ready for these interests (emi_interest). */
    void (*ready)(emi_channel *channel, unsigned interests);
    /** Stream, listener, datagram: connecting, receiving, sending or accepting failed, and has stopped. The owner
     * decides what to do. A datagram channel fails only if the system cannot watch it any more. Polled: the descriptor
     * was closed by others (EM_BAD_DESCRIPTOR), and nothing is polled any more. Only poll(2) notices that. For polled
     * channels it may be NULL. */
    void (*failed)(emi_channel *channel, em_status reason);
    /** The last event of every channel: the descriptor is closed unless it is EMI_SHARED, and the channel's memory
     * belongs to the owner alone. */
    void (*released)(emi_channel *channel);
} emi_channel_events;

/** The owner sets the fields that say so. The backend uses the fields from `slot` on. */
struct emi_channel {
    const emi_channel_events *events; /**< the owner's */
    emi_backend *backend;             /**< NULL while it is not attached */
    int descriptor;                   /**< -1 once it is closed */

    /** The owner's: how many reads or accepts may follow each other before other channels are served. */
    uint16_t burst;
    /** The owner's, before attach: a short read shows that nothing is left to read. This is true of TCP. It is not true
     * of Unix sockets, where a read ends at a passed descriptor, nor of terminals. */
    bool exact_reads : 1;
    /** The owner's: `room` may be called. */
    bool offers_room : 1;
    /** The owner's, before attach, by emi_channel_set_descriptor; when zeroed a socket. */
    uint8_t descriptor_kind : 2; /**< emi_descriptor_kind */
    bool cannot_receive : 1;
    bool cannot_send : 1;
    /** The owner's: datagrams of equal size to one peer may be sent together (UDP_SEGMENT). The backend clears it where
     * that turns out to be impossible. */
    bool segments : 1;
    /** The owner's: errors are to be read from the error queue of the socket (IP_RECVERR). */
    bool has_error_queue : 1;
    /** emi_ownership, as given to attach. The owner may change it to EMI_SHARED, which keeps the socket open. */
    uint8_t ownership;

    uint32_t slot;       /**< its place in the backend's table … */
    uint32_t generation; /**< … and which of the channels that have had this place it is */
    uint8_t kind;        /**< emi_channel_kind */
    uint8_t interest;    /**< what the poller was asked to report */
    uint8_t early;       /**< not 0: a batch has read for it; its place in the row, counted from 1 */
    uint8_t bulk;        /**< not 0: much arrives, see bulk.h */
    /** An em_status that another call than a read has taken off the socket. The last read reports it. */
    int16_t failure;
    bool receiving : 1;       /**< bytes or connections are to be reported */
    bool readable : 1;        /**< there may be something to read or accept */
    bool has_kept : 1;        /**< bytes kept in readiness_kept.c come before those that are read next */
    bool blocked : 1;         /**< the system took no more bytes when last tried */
    bool connecting : 1;      /**< connect has begun and has no result yet */
    bool sending : 1;         /**< the owner has bytes to send */
    bool read_to_the_end : 1; /**< read until nothing is left, whatever exact_reads says */
    bool ended : 1;           /**< the peer's end was reported */
    bool hung_up : 1;         /**< the poller has reported an error, or the end of both directions */
    bool send_failed : 1;     /**< a send failed while the owner did not receive; `failure` is to be reported */
    bool is_over : 1;         /**< a failure after the end, or of such a send, was reported: nothing else follows */
    bool always_ready : 1;    /**< the poller refuses the descriptor, as epoll refuses regular files */
    bool released : 1;        /**< release was called */
    bool polls_first : 1;     /**< a stream whose mode is not ours: read only when poll(2) says that it is readable */
    bool was_blocking : 1;    /**< attach has made it non-blocking */
    bool is_exclusive : 1;    /**< no other such channel may have its descriptor */
    emi_list work;            /**< in the list of work, or, once released, in the list of channels to reap */
    emi_list flush;           /**< in the list of channels to flush */
};

_Static_assert(sizeof(emi_channel) <= 72, "an idle connection is small");

#endif
