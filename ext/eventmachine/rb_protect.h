/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calling Ruby from within the loop. See rb_protect.c.
 */
#ifndef RB_PROTECT_H
#define RB_PROTECT_H

#include <ruby.h>
#include <stdbool.h>

/*
 * Calls into Ruby from a callback of the loop. Errors go to the error handler or end the loop
 * (EventMachine.error_handler). Returns true if the call returned normally. Does nothing and returns false once the
 * loop is being left.
 */
bool rb_em_call(VALUE (*function)(VALUE), VALUE argument);

/* The same for unbind, where any exception is kept until the loop has ended. */
bool rb_em_call_unbind(VALUE (*function)(VALUE), VALUE argument);

/* Calls a function that turns the loop, and from which a callback in a forked child may escape. */
VALUE rb_em_with_escape(VALUE (*function)(void));

#endif
