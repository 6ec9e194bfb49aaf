/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Numbers for handles: an index table and a serial number.
 */
#include "base/handle_table.h"

#include "base/invariant.h"

#define INDEX_MASK ((UINT64_C(1) << EMI_HANDLE_INDEX_BITS) - 1)

void emi_handle_table_init(emi_handle_table *table, const emi_memory *memory, uint64_t *serial)
{
    /* The last index stays free: it marks timers that are not in a table. */
    emi_index_table_init(&table->objects, memory, (uint32_t)INDEX_MASK);
    table->serial = serial;
}

void emi_handle_table_clear(emi_handle_table *table)
{
    emi_index_table_clear(&table->objects);
}

em_signature emi_next_serial(uint64_t *serial)
{
    /* 36 bits; 0 stays unused, because a signature of 0 means none. */
    *serial = (*serial + 1) & (UINT64_MAX >> EMI_HANDLE_INDEX_BITS);
    if (*serial == 0)
        *serial = 1;
    return *serial << EMI_HANDLE_INDEX_BITS;
}

em_status emi_handle_table_add(emi_handle_table *table, emi_handle *handle)
{
    uint32_t index;
    em_status status = emi_index_table_add(&table->objects, handle, &index);
    if (status == EM_OK)
        handle->signature = emi_next_serial(table->serial) | index;
    return status;
}

void emi_handle_table_remove(emi_handle_table *table, emi_handle *handle)
{
    if (handle->signature == 0)
        return;
    EMI_INVARIANT(emi_handle_table_find(table, handle->signature) == handle);
    emi_index_table_remove(&table->objects, (uint32_t)(handle->signature & INDEX_MASK));
    handle->signature = 0;
}

emi_handle *emi_handle_table_find(const emi_handle_table *table, em_signature signature)
{
    emi_handle *handle = emi_handle_table_at(table, (uint32_t)(signature & INDEX_MASK));
    return handle && handle->signature == signature ? handle : NULL;
}
