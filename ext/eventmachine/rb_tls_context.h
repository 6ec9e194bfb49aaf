/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS contexts as Ruby objects. See rb_tls_context.c.
 */
#ifndef RB_TLS_CONTEXT_H
#define RB_TLS_CONTEXT_H

#include <ruby.h>

#include <eventmachine.h>

/* Returns the native context of an EventMachine::TLSContext. Raises TypeError for other objects. */
em_tls_context *rb_em_tls_context_of(VALUE object);

/* Raises the exception for a failed TLS function, with em_status_get_detail as its message. */
NORETURN(void rb_em_raise_tls(em_status status));

#endif
