/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A filter changes the bytes of a connection on their way: it has a plain side, which is the program's, and a wire
 * side. TLS is one. The connection drives it, see net/gate_private.h. A filter knows neither the connection nor a
 * socket: it takes wire bytes and returns plain ones, and takes plain bytes and puts wire bytes into an outbox. None of
 * its functions calls the program's protocol or is called while another one runs.
 */
#ifndef EMI_FILTER_H
#define EMI_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/outbox.h"

/** Room for what `open` returns at once: the most plain bytes of a TLS record (RFC 8446, section 5.1). */
#define EMI_FILTER_ROOM_BYTES ((size_t)16384)

/** Bytes to be read from the front. */
typedef struct emi_bytes {
    const unsigned char *next;
    size_t length; /**< how many are left */
} emi_bytes;

typedef enum emi_filter_result {
    EMI_FILTER_PROGRESS, /**< something has changed: call again after looking at the filter and what it has returned */
    EMI_FILTER_STARVED,  /**< all input is used, nothing is held back, and more is needed */
    EMI_FILTER_ENDED,    /**< the peer has ended its plain side; whatever follows on the wire is dropped */
    EMI_FILTER_FAILED    /**< for the reason in `failure`; the wire may hold a last message for the peer */
} emi_filter_result;

typedef struct emi_filter emi_filter;

typedef struct emi_filter_operations {
    /**
     * Takes wire bytes off the front of `input` and puts up to EMI_FILTER_ROOM_BYTES plain ones into `plain`; *length:
     * how many, also 0. It may leave input for the next call, hold bytes back, put wire bytes of its own into `wire`,
     * and become ready, all of which are PROGRESS; a call that makes it ready returns no plain bytes. The first call
     * comes without input when the connection is established. May be called again after any result; after ENDED and
     * FAILED the result stays.
     */
    emi_filter_result (*open)(emi_filter *filter, emi_bytes *input, void *plain, size_t *length);
    /** Once ready: puts `length` > 0 plain bytes, at most `piece_bytes`, into `wire`, in their form for the wire. A
     * failure is final. */
    em_status (*seal)(emi_filter *filter, const void *plain, size_t length);
    /** No plain byte follows: puts the mark of the end into `wire`, if there is one. At most once; not after FAILED. */
    em_status (*seal_end)(emi_filter *filter);
    /** The wire has ended. EM_OK if the plain side had ended before, else why what was received may not be whole. */
    em_status (*check_end)(emi_filter *filter);
    /** Nothing is under way: frees the memory that can be had again later. May be NULL. */
    void (*rest)(emi_filter *filter);
    /** Frees it, but not what is in `wire`. */
    void (*destroy)(emi_filter *filter);
} emi_filter_operations;

/** The head of every filter. */
struct emi_filter {
    const emi_filter_operations *operations;
    emi_outbox wire;       /**< bytes for the wire, which the connection sends */
    emi_outbox_pool *pool; /**< of `wire`, without a limit */
    size_t piece_bytes;    /**< how many plain bytes `seal` would like to have next. 0: none, until `open` was called */
    bool is_ready;         /**< plain bytes may be sealed: a handshake is done, or there is none. Stays */
    em_status failure;     /**< after FAILED */
    const char *detail;    /**< a text that tells more about the failure, or NULL. The filter's */
};

#endif
