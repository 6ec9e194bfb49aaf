/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The text of a reason for connections that were never established.
 */
#ifndef EMI_CONNECTING_REASON_H
#define EMI_CONNECTING_REASON_H

#include "net/net_private.h"

/** A text that is composed piece by piece. What does not fit is cut off. */
typedef struct emi_text {
    char *bytes;
    size_t capacity;
    size_t length;
} emi_text;

void emi_text_add(emi_text *text, const char *format, ...) EMI_PRINTF_LIKE(2, 3);

/** Returns the text of the system's error or, if it is 0, of the status. */
const char *emi_status_in_words(em_status status, int system_error);

/** Returns the same for the connection's reason. */
const char *emi_reason_in_words(const em_connection *connection);

/** Adds why a connection was never established. */
void emi_describe_connecting(const em_connection *connection, emi_text *text);

#endif
