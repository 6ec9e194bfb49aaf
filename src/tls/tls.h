/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS as a filter: what net/ uses. It knows no socket and no connection; it hands the pointer of its connection to the
 * program's callbacks and never looks at it.
 */
#ifndef EMI_TLS_H
#define EMI_TLS_H

#include <eventmachine/tls.h>

#include "base/filter.h"

/** What a filter is made of. Everything but the two last is copied or retained. */
typedef struct emi_tls_opening {
    const em_tls_options *options; /**< NULL: all defaults */
    bool is_server;
    em_connection *connection; /**< given to the program's callbacks */
    const char
        *peer; /**< names the peer among those whose sessions a client keeps: address and port. NULL: none kept */
    const emi_memory *memory;   /**< must outlive the filter */
    emi_outbox_pool *wire_pool; /**< must outlive the filter */
} emi_tls_opening;

/**
 * Makes a filter; nothing is on the wire before its first `open`. On failure *filter is NULL and
 * em_status_get_detail says why. EM_NO_MEMORY, EM_INVALID_ARGUMENT (options, a malformed name), EM_TLS_NO_HOSTNAME,
 * EM_TLS_BAD_CERTIFICATE (a server without one), EM_UNSUPPORTED.
 */
em_status emi_tls_open(const emi_tls_opening *opening, emi_filter **filter);

/** Whether a filter is one of these. NULL is allowed. */
bool emi_tls_is(const emi_filter *filter);

/** Fills in what is known; the strings are the filter's. */
void emi_tls_get_info(const emi_filter *filter, em_tls_info *info);

/**
 * Writes a certificate of the peer; index 0: its own. Cut to fit into `capacity` bytes. Returns the length of the whole
 * (PEM: without the zero byte that follows it), 0 if there is none.
 */
size_t emi_tls_get_peer_certificate(const emi_filter *filter, unsigned index, em_tls_format format, void *buffer,
                                    size_t capacity);

/** The peer's OCSP response in DER, or NULL. The filter's. */
const void *emi_tls_get_ocsp_response(const emi_filter *filter, size_t *length);

#endif
