/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A hash that nobody can predict without the key (SipHash-1-3), for tables whose keys come from outside: whoever knows
 * the hash can choose keys that all fall into one bucket, which makes the table a slow list.
 */
#ifndef EMI_KEYED_HASH_H
#define EMI_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

/** Random bytes. */
typedef struct emi_hash_key {
    uint64_t words[2];
} emi_hash_key;

uint64_t emi_keyed_hash(emi_hash_key key, const void *bytes, size_t length);

#endif
