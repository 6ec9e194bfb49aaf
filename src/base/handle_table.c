/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Numbers for handles. A free entry holds the next free index, tagged in its lowest bit, which no pointer has set.
 */
#include "base/handle_table.h"

#include <stdbool.h>
#include <stdint.h>

#define INDEX_MASK ((UINT64_C(1) << EMI_HANDLE_INDEX_BITS) - 1)
#define NO_INDEX (UINT32_MAX >> 1)

static bool is_free(const emi_handle *entry)
{
    return ((uintptr_t)entry & 1) != 0;
}

static emi_handle *free_entry(uint32_t next_free)
{
    return (emi_handle *)(((uintptr_t)next_free << 1) | 1);
}

void emi_handle_table_init(emi_handle_table *table, const emi_memory *memory, uint64_t *serial)
{
    *table = (emi_handle_table){.memory = memory, .first_free = NO_INDEX, .serial = serial};
}

void emi_handle_table_clear(emi_handle_table *table)
{
    emi_release(table->memory, table->entries);
    emi_handle_table_init(table, table->memory, table->serial);
}

em_signature emi_next_serial(uint64_t *serial)
{
    /* 36 bits; 0 stays unused, because a signature of 0 means none. */
    *serial = (*serial + 1) & (UINT64_MAX >> EMI_HANDLE_INDEX_BITS);
    if (*serial == 0)
        *serial = 1;
    return *serial << EMI_HANDLE_INDEX_BITS;
}

static em_status grow(emi_handle_table *table)
{
    if (table->capacity > INDEX_MASK / 2)
        return EM_LIMIT;
    uint32_t capacity = table->capacity ? table->capacity * 2 : 64;
    emi_handle **entries = emi_reallocate(table->memory, table->entries, capacity * sizeof *entries);
    if (!entries)
        return EM_NO_MEMORY;
    table->entries = entries;
    table->capacity = capacity;
    return EM_OK;
}

em_status emi_handle_table_add(emi_handle_table *table, emi_handle *handle)
{
    uint32_t index = table->first_free;
    if (index != NO_INDEX) {
        table->first_free = (uint32_t)((uintptr_t)table->entries[index] >> 1);
    } else {
        if (table->used == table->capacity) {
            em_status status = grow(table);
            if (status != EM_OK)
                return status;
        }
        index = table->used++;
    }
    table->entries[index] = handle;
    handle->signature = emi_next_serial(table->serial) | index;
    return EM_OK;
}

void emi_handle_table_remove(emi_handle_table *table, emi_handle *handle)
{
    if (handle->signature == 0)
        return;
    uint32_t index = (uint32_t)(handle->signature & INDEX_MASK);
    table->entries[index] = free_entry(table->first_free);
    table->first_free = index;
    handle->signature = 0;
}

emi_handle *emi_handle_table_at(const emi_handle_table *table, uint32_t index)
{
    if (index >= table->used || is_free(table->entries[index]))
        return NULL;
    return table->entries[index];
}

emi_handle *emi_handle_table_find(const emi_handle_table *table, em_signature signature)
{
    emi_handle *handle = emi_handle_table_at(table, (uint32_t)(signature & INDEX_MASK));
    return handle && handle->signature == signature ? handle : NULL;
}
