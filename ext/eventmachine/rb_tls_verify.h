/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calls ssl_verify_peer. See rb_tls_verify.c.
 */
#ifndef RB_TLS_VERIFY_H
#define RB_TLS_VERIFY_H

#include <eventmachine.h>

/* The callback verify_peer of em_tls_context_options. */
int rb_em_tls_verify_peer(em_connection *connection, const em_tls_peer_certificate *certificate, void *user);

/* Returns the certificate that ssl_verify_peer of this connection is being called for, or NULL. */
const em_tls_peer_certificate *rb_em_tls_judged(const em_connection *connection);

#endif
