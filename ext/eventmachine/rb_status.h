/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Statuses of the C library as Ruby knows them.
 */
#ifndef RB_STATUS_H
#define RB_STATUS_H

#include <ruby.h>

#include <eventmachine.h>

/* The errno for a status; 0 if there is none. */
int rb_em_status_errno(em_status status);

/* What unbind gets: nil, an Errno class or :unknown. */
VALUE rb_em_reason(em_status status);

/* Returns the status, but raises NoMemoryError if memory is exhausted. */
em_status rb_em_check_memory(em_status status);

/* Raises an exception of a class of EventMachine. */
NORETURN(void rb_em_raise(const char *class_name, const char *format, ...));

/* Raises a RuntimeError with the status's text, or NoMemoryError. */
NORETURN(void rb_em_raise_status(em_status status));

#endif
