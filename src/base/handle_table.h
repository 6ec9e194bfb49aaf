/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Numbers for handles. A number consists of an index into a table and, in the higher bits, a serial number that grows
 * with every handle made. So an object is found in constant time, a number is not reused while anyone may hold it, and
 * larger numbers were made later.
 */
#ifndef EMI_HANDLE_TABLE_H
#define EMI_HANDLE_TABLE_H

#include "base/index_table.h"

#define EMI_HANDLE_INDEX_BITS 28

/** Embedded in every object that has a number. */
typedef struct emi_handle {
    em_signature signature; /**< 0: none */
} emi_handle;

typedef struct emi_handle_table {
    emi_index_table objects;
    uint64_t *serial; /**< shared by tables whose numbers must differ */
} emi_handle_table;

/** serial: counts the numbers; begins at 0 and must outlive the table. */
void emi_handle_table_init(emi_handle_table *table, const emi_memory *memory, uint64_t *serial);
void emi_handle_table_clear(emi_handle_table *table);

/** Returns the next serial number, shifted to its place in a signature. Also for timers without an index, which are
 * ordered among those with one. */
em_signature emi_next_serial(uint64_t *serial);

/** The index of one that has a number. */
static inline uint32_t emi_handle_get_index(const emi_handle *handle)
{
    return (uint32_t)(handle->signature & ((UINT64_C(1) << EMI_HANDLE_INDEX_BITS) - 1));
}

/** Gives a number to an object. EM_NO_MEMORY, EM_LIMIT. */
em_status emi_handle_table_add(emi_handle_table *table, emi_handle *handle);

/** Takes the number away. Does nothing for an object without one. */
void emi_handle_table_remove(emi_handle_table *table, emi_handle *handle);

/** Returns the object of a number, or NULL if there is none any more or never was. */
emi_handle *emi_handle_table_find(const emi_handle_table *table, em_signature signature);

/** For going through all objects: returns the one at `index`, or NULL. Indices are below emi_handle_table_used. */
static inline emi_handle *emi_handle_table_at(const emi_handle_table *table, uint32_t index)
{
    return emi_index_table_at(&table->objects, index);
}

static inline uint32_t emi_handle_table_used(const emi_handle_table *table)
{
    return table->objects.used;
}

#endif
