/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The memory of a set of small numbers.
 */
#include "base/bit_set.h"

#include <string.h>

enum { FEWEST_WORDS = 16 };

em_status emi_bit_set_reserve(emi_bit_set *set, const emi_memory *memory, unsigned number)
{
    size_t capacity = set->capacity ? set->capacity : FEWEST_WORDS;
    if (number / 64 < set->capacity)
        return EM_OK;
    while (capacity <= number / 64)
        capacity *= 2;
    uint64_t *words = emi_reallocate(memory, set->words, capacity * sizeof *words);
    if (!words)
        return EM_NO_MEMORY;
    memset(words + set->capacity, 0, (capacity - set->capacity) * sizeof *words);
    set->words = words;
    set->capacity = capacity;
    return EM_OK;
}

void emi_bit_set_clear(emi_bit_set *set, const emi_memory *memory)
{
    emi_release(memory, set->words);
    *set = (emi_bit_set){.words = NULL};
}
