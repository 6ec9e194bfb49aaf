/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Numbers for handles. A number is an index into a table and, above it, a serial number that grows with every handle
 * made; so a number finds its object at once, is not given again while anyone may hold it, and larger ones were made
 * later.
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

/** serial: counts the numbers given; begins at 0, must outlive the table. */
void emi_handle_table_init(emi_handle_table *table, const emi_memory *memory, uint64_t *serial);
void emi_handle_table_clear(emi_handle_table *table);

/** The next serial number in its place: for timers without a handle that are ordered among those with one. */
em_signature emi_next_serial(uint64_t *serial);

/** The index of one that has a number. */
static inline uint32_t emi_handle_get_index(const emi_handle *handle)
{
    return (uint32_t)(handle->signature & ((UINT64_C(1) << EMI_HANDLE_INDEX_BITS) - 1));
}

/** Gives a number to an object. EM_NO_MEMORY, EM_LIMIT. */
em_status emi_handle_table_add(emi_handle_table *table, emi_handle *handle);

/** Takes the number away; without one, does nothing. */
void emi_handle_table_remove(emi_handle_table *table, emi_handle *handle);

/** The object of a number, or NULL if it has ended or never was. */
emi_handle *emi_handle_table_find(const emi_handle_table *table, em_signature signature);

/** For going through all objects: the one at `index`, or NULL; indices run to emi_handle_table_used. */
static inline emi_handle *emi_handle_table_at(const emi_handle_table *table, uint32_t index)
{
    return emi_index_table_at(&table->objects, index);
}

static inline uint32_t emi_handle_table_used(const emi_handle_table *table)
{
    return table->objects.used;
}

#endif
