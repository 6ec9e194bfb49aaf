/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The data of records, by type.
 */
#ifndef EMI_DNS_RECORDS_H
#define EMI_DNS_RECORDS_H

#include <eventmachine/resolver.h>

#include "dns/dns_message.h"

/** Memory that is given out piece by piece. Without a base, the pieces are only counted, and NULL is returned. */
typedef struct emi_arena {
    char *base;
    size_t used;
} emi_arena;

/** Memory for objects, aligned for pointers. */
void *emi_arena_take(emi_arena *arena, size_t bytes);

/** A copy with a zero byte at the end. */
const char *emi_arena_copy_text(emi_arena *arena, const char *text, size_t length);

/** Reads one record. What it points to is in the arena, except `name`: the record's name; NULL: it is read, too.
 * Returns false if its data is malformed, of which a part may have been written. */
bool emi_record_read(emi_message message, const emi_message_record *given, const char *name, emi_arena *arena,
                     em_record *record);

#endif
