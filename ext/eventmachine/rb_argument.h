/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Arguments from Ruby in the C library's terms.
 */
#ifndef RB_ARGUMENT_H
#define RB_ARGUMENT_H

#include <ruby.h>

#include <eventmachine.h>

/* The address of a Unix-domain socket. A leading zero byte means a name in the abstract namespace, unix(7). Raises
 * TypeError, and ArgumentError for a path with a zero byte. */
em_status rb_em_unix_address(VALUE path, em_address *address);

/* A port as a number. An Integer that is too large stays out of range. */
long rb_em_port(VALUE number);
double rb_em_seconds(VALUE number);

/* What is negative or not a number becomes 0, what is beyond the range the longest time. */
uint64_t rb_em_seconds_to_ns(double seconds);

#endif
