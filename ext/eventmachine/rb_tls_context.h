/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Contexts of TLS as Ruby objects. See rb_tls_context.c.
 */
#ifndef RB_TLS_CONTEXT_H
#define RB_TLS_CONTEXT_H

#include <ruby.h>

#include <eventmachine.h>

/* The context in an object of EventMachine::TLSContext. Raises TypeError. */
em_tls_context *rb_em_tls_context_of(VALUE object);

/* Raises the exception for a failure of a function of TLS, with OpenSSL's words. */
NORETURN(void rb_em_raise_tls(em_status status));

#endif
