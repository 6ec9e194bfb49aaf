/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A set of small numbers, one bit each: descriptors.
 */
#ifndef EMI_BIT_SET_H
#define EMI_BIT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/status.h>

#include "base/memory.h"

/** Empty when zeroed. */
typedef struct emi_bit_set {
    uint64_t *words;
    size_t capacity; /**< of words */
} emi_bit_set;

/** Makes room, so that the number can be added. EM_NO_MEMORY. */
em_status emi_bit_set_reserve(emi_bit_set *set, const emi_memory *memory, unsigned number);

void emi_bit_set_clear(emi_bit_set *set, const emi_memory *memory);

/** Adds a number that there is room for. */
static inline void emi_bit_set_add(emi_bit_set *set, unsigned number)
{
    set->words[number / 64] |= UINT64_C(1) << number % 64;
}

/** Removes a number that has been added. */
static inline void emi_bit_set_remove(emi_bit_set *set, unsigned number)
{
    set->words[number / 64] &= ~(UINT64_C(1) << number % 64);
}

/** Whether it has the number, which may be any. */
static inline bool emi_bit_set_has(const emi_bit_set *set, unsigned number)
{
    return number / 64 < set->capacity && (set->words[number / 64] >> number % 64 & 1) != 0;
}

#endif
