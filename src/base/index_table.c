/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Small numbers for objects. The free indices form a list through their entries.
 */
#include "base/index_table.h"

#include "base/invariant.h"

#define NO_INDEX (UINT32_MAX >> 1)

enum { FIRST_CAPACITY = 64 };

void emi_index_table_init(emi_index_table *table, const emi_memory *memory, uint32_t limit)
{
    *table = (emi_index_table){.memory = memory, .first_free = NO_INDEX, .limit = limit};
}

void emi_index_table_clear(emi_index_table *table)
{
    emi_release(table->memory, table->entries);
    emi_index_table_init(table, table->memory, table->limit);
}

static em_status grow(emi_index_table *table)
{
    if (table->capacity >= table->limit)
        return EM_LIMIT;
    uint32_t capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY;
    if (capacity > table->limit)
        capacity = table->limit;
    void **entries = emi_reallocate(table->memory, table->entries, capacity * sizeof *entries);
    if (!entries)
        return EM_NO_MEMORY;
    table->entries = entries;
    table->capacity = capacity;
    return EM_OK;
}

em_status emi_index_table_add(emi_index_table *table, void *object, uint32_t *index)
{
    if (table->first_free != NO_INDEX) {
        *index = table->first_free;
        table->first_free = (uint32_t)((uintptr_t)table->entries[*index] >> 1);
    } else {
        em_status status = table->used == table->capacity ? grow(table) : EM_OK;
        if (status != EM_OK)
            return status;
        *index = table->used++;
    }
    EMI_INVARIANT(((uintptr_t)object & 1) == 0);
    table->entries[*index] = object;
    return EM_OK;
}

void emi_index_table_remove(emi_index_table *table, uint32_t index)
{
    EMI_INVARIANT(emi_index_table_at(table, index));
    table->entries[index] = (void *)(((uintptr_t)table->first_free << 1) | 1);
    table->first_free = index;
}

void emi_index_table_replace(emi_index_table *table, uint32_t index, void *object)
{
    EMI_INVARIANT(emi_index_table_at(table, index) && ((uintptr_t)object & 1) == 0);
    table->entries[index] = object;
}
