/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * ssl_verify_peer. See rb_tls_verify.c.
 */
#ifndef RB_TLS_VERIFY_H
#define RB_TLS_VERIFY_H

#include <eventmachine.h>

/* The callback of contexts. */
int rb_em_tls_verify_peer(em_connection *connection, const em_tls_peer_certificate *certificate, void *user);

/* The certificate that the program judges at the moment if this connection has shown it; else NULL. */
const em_tls_peer_certificate *rb_em_tls_judged(const em_connection *connection);

#endif
