/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS as a filter, for net/. It uses no socket and no connection: it only passes its connection's pointer to the
 * program's callbacks.
 */
#ifndef EMI_TLS_H
#define EMI_TLS_H

#include <eventmachine/tls.h>

#include "base/filter.h"

/** What a filter is created from. Everything except the last two is copied or retained. */
typedef struct emi_tls_opening {
    const em_tls_options *options; /**< NULL: all defaults */
    bool is_server;
    em_connection *connection;  /**< given to the program's callbacks */
    const char *peer;           /**< under which a client keeps sessions: host and port. NULL: none are kept */
    const emi_memory *memory;   /**< must outlive the filter */
    emi_outbox_pool *wire_pool; /**< must outlive the filter */
} emi_tls_opening;

/**
 * Creates a filter. Nothing is put on the wire before its first `open`. On failure *filter is NULL, and
 * em_status_get_detail says why. EM_NO_MEMORY, EM_INVALID_ARGUMENT (options, a malformed name), EM_TLS_NO_HOSTNAME,
 * EM_TLS_BAD_CERTIFICATE (a server without one), EM_UNSUPPORTED.
 */
em_status emi_tls_open(const emi_tls_opening *opening, emi_filter **filter);

/** Whether a filter was created by emi_tls_open. NULL is allowed. */
bool emi_tls_is(const emi_filter *filter);

/** Fills in what is known. The strings are owned by the filter. */
void emi_tls_get_info(const emi_filter *filter, em_tls_info *info);

/**
 * Writes a certificate of the peer, truncated to `capacity` bytes. index: 0 for its own. Returns the full length (PEM:
 * without the zero byte that follows it); 0 if there is no such certificate.
 */
size_t emi_tls_get_peer_certificate(const emi_filter *filter, unsigned index, em_tls_format format, void *buffer,
                                    size_t capacity);

/** Returns the peer's OCSP response in DER, owned by the filter; or NULL. */
const void *emi_tls_get_ocsp_response(const emi_filter *filter, size_t *length);

#endif
