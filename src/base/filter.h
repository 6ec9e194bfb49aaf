/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A filter transforms the bytes of a connection between its plain side, which the program sees, and its wire side. TLS
 * is one. The connection calls it, see net/gate_private.h. A filter uses neither the connection nor a socket: it turns
 * wire bytes into plain bytes, and plain bytes into wire bytes, which it puts into an outbox. None of its functions
 * calls the connection's handler, or is called while another one runs.
 */
#ifndef EMI_FILTER_H
#define EMI_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outbox.h"

/** The size of the buffer that `open` fills: the most plain bytes that a TLS record holds (RFC 8446, section 5.1). */
#define EMI_FILTER_ROOM_BYTES ((size_t)16384)

/** Bytes that are read from the front. Not owned. */
typedef struct emi_bytes {
    const unsigned char *next;
    size_t length; /**< how many are left */
} emi_bytes;

typedef enum emi_filter_result {
    EMI_FILTER_PROGRESS, /**< handle what it returned, `wire` and `is_ready`, then call again */
    EMI_FILTER_STARVED,  /**< more input is needed: all is used, and nothing is held back */
    EMI_FILTER_ENDED,    /**< the peer has ended its plain side; whatever follows on the wire is dropped */
    EMI_FILTER_FAILED    /**< for the reason in `failure`; `wire` may hold a last message for the peer */
} emi_filter_result;

typedef struct emi_filter emi_filter;

typedef struct emi_filter_operations {
    /**
     * Consumes wire bytes from the front of `input` and stores up to EMI_FILTER_ROOM_BYTES plain bytes in `plain`.
     * *length: set to their number, which may be 0. It may leave input for the next call, hold bytes back, put its own
     * wire bytes into `wire`, or become ready; each of these is PROGRESS. A call that makes it ready returns no plain
     * bytes. The first call has no input and comes when the connection is established. May be called again after any
     * result; after ENDED and FAILED the result stays the same.
     */
    emi_filter_result (*open)(emi_filter *filter, emi_bytes *input, void *plain, size_t *length);
    /** Puts the wire form of `length` plain bytes, 1 to `piece_bytes`, into `wire`. What is not possible yet, it puts
     * into `held`, and a later `open` does the rest. Called once it is ready. A failure is final. */
    em_status (*seal)(emi_filter *filter, const void *plain, size_t length);
    /** No plain bytes follow: puts the end mark, if the filter has one, into `wire`. If that is not possible yet,
     * `piece_bytes` is 0 until a later `open` has done it. Called at most once, and not after FAILED. */
    em_status (*seal_end)(emi_filter *filter);
    /** The wire has ended. EM_OK if the plain side had ended before; otherwise why the received data may be incomplete.
     */
    em_status (*check_end)(emi_filter *filter);
    /** The connection is idle: frees memory that can be allocated again when needed. May be NULL. */
    void (*release_buffers)(emi_filter *filter);
    /** Frees the filter, but not what is in `wire`. */
    void (*destroy)(emi_filter *filter);
} emi_filter_operations;

/** The first member of every filter. */
struct emi_filter {
    const emi_filter_operations *operations;
    emi_outbox wire;       /**< bytes for the wire, which the connection sends */
    emi_outbox_pool *pool; /**< of `wire` and `held`, without a limit */
    emi_outbox held;    /**< plain bytes that `seal` has accepted, but that are not in `wire` yet: they are not sent */
    size_t piece_bytes; /**< how many plain bytes `seal` accepts next. 0: none before the next call of `open` */
    bool is_ready;      /**< plain bytes may be sealed: the handshake is done, or there is none. Stays true */
    em_status failure;  /**< after FAILED */
    const char *detail; /**< the failure in words, owned by the filter; or NULL */
};

#endif
