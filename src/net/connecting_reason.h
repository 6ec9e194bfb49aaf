/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The part of a reason's text that tells how connecting went.
 */
#ifndef EMI_CONNECTING_REASON_H
#define EMI_CONNECTING_REASON_H

#include "net/net_private.h"

/** A text that is composed piece by piece. What does not fit is left out. */
typedef struct emi_text {
    char *bytes;
    size_t capacity;
    size_t length;
} emi_text;

void emi_text_add(emi_text *text, const char *format, ...) EMI_PRINTF_LIKE(2, 3);

/** A status, or the system's error behind it, in words. */
const char *emi_status_in_words(em_status status, int system_error);

/** The connection's reason in words. */
const char *emi_reason_in_words(const em_connection *connection);

/** What was being done when a connection that was never established has ended, and how that has ended. */
void emi_describe_connecting(const em_connection *connection, emi_text *text);

#endif
