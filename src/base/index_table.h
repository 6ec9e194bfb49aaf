/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Small numbers for objects. The index freed last is reused first, and the object of an index is found in constant
 * time. Objects are aligned to at least two bytes.
 */
#ifndef EMI_INDEX_TABLE_H
#define EMI_INDEX_TABLE_H

#include <stdint.h>

#include "base/memory.h"

typedef struct emi_index_table {
    const emi_memory *memory;
    void **entries; /* of free indices: the next free one, tagged in the lowest bit, which no pointer has set */
    uint32_t capacity;
    uint32_t used; /**< indices below this one have been used */
    uint32_t first_free;
    uint32_t limit;
} emi_index_table;

/** limit: how many objects there may be at most; at most 2^30. */
void emi_index_table_init(emi_index_table *table, const emi_memory *memory, uint32_t limit);
void emi_index_table_clear(emi_index_table *table);

/** EM_NO_MEMORY, EM_LIMIT. */
em_status emi_index_table_add(emi_index_table *table, void *object, uint32_t *index);

/** The index must be in use. */
void emi_index_table_remove(emi_index_table *table, uint32_t index);

/** Gives an index that is in use to another object. */
void emi_index_table_replace(emi_index_table *table, uint32_t index, void *object);

/** The object at any index, or NULL. To go through all objects, count up to table->used. */
static inline void *emi_index_table_at(const emi_index_table *table, uint32_t index)
{
    if (index >= table->used || ((uintptr_t)table->entries[index] & 1) != 0)
        return NULL;
    return table->entries[index];
}

#endif
