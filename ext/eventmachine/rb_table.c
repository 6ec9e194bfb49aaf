/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From a signature to its slot: one hash table for connections, servers and timers, with open addressing, Fibonacci
 * hashing and a load factor of at most one half. Signatures come from one counter that only grows, over all runs of the
 * reactor.
 */
#include "rb_table.h"

#include "rb_page.h"

typedef struct entry {
    uint64_t signature; /* 0: empty */
    rb_em_slot *slot;
} entry;

enum { FIRST_BITS = 6 };

static struct {
    entry *entries;
    unsigned bits; /* of the capacity */
    size_t count;
    uint64_t last_signature;
} table;

static size_t home_of(uint64_t signature)
{
    return (size_t)((signature * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - table.bits));
}

static size_t capacity(void)
{
    return (size_t)1 << table.bits;
}

static entry *entry_for(uint64_t signature)
{
    size_t mask = capacity() - 1;
    size_t i = home_of(signature);
    while (table.entries[i].signature != 0 && table.entries[i].signature != signature)
        i = (i + 1) & mask;
    return &table.entries[i];
}

static void resize(unsigned bits)
{
    entry *entries = ZALLOC_N(entry, (size_t)1 << bits);
    entry *old = table.entries;
    size_t old_capacity = old ? capacity() : 0;
    table.entries = entries;
    table.bits = bits;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].signature != 0)
            *entry_for(old[i].signature) = old[i];
    xfree(old);
}

static void add(rb_em_slot *slot)
{
    if (!table.entries)
        resize(FIRST_BITS);
    else if ((table.count + 1) * 2 > capacity())
        resize(table.bits + 1);
    slot->signature = ++table.last_signature;
    *entry_for(slot->signature) = (entry){slot->signature, slot};
    table.count++;
}

rb_em_slot *rb_em_table_add(rb_em_kind kind, VALUE value)
{
    rb_em_slot *slot = rb_em_slot_take(kind, value);
    add(slot);
    return slot;
}

/* Moves displaced entries back into the gap, so that no tombstones are needed. */
static void close_gap(size_t gap)
{
    size_t mask = capacity() - 1;
    for (size_t i = (gap + 1) & mask; table.entries[i].signature != 0; i = (i + 1) & mask) {
        size_t home = home_of(table.entries[i].signature);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        table.entries[gap] = table.entries[i];
        gap = i;
    }
    table.entries[gap].signature = 0;
}

void rb_em_table_remove(rb_em_slot *slot)
{
    if (!table.entries)
        return;
    entry *entry = entry_for(slot->signature);
    if (entry->signature == 0 || entry->slot != slot)
        return;
    close_gap((size_t)(entry - table.entries));
    table.count--;
    if (table.count == 0 && table.bits > FIRST_BITS + 6) {
        xfree(table.entries);
        table.entries = NULL;
    }
}

void rb_em_table_delete(rb_em_slot *slot)
{
    rb_em_table_remove(slot);
    rb_em_slot_give_back(slot);
}

uint64_t rb_em_last_signature(void)
{
    return table.last_signature;
}

rb_em_slot *rb_em_table_find(uint64_t signature)
{
    if (!table.entries || signature == 0)
        return NULL;
    entry *entry = entry_for(signature);
    return entry->signature ? entry->slot : NULL;
}

rb_em_slot *rb_em_find_any(VALUE signature)
{
    if (!RB_INTEGER_TYPE_P(signature))
        rb_raise(rb_eTypeError, "wrong argument type %" PRIsVALUE " (expected Integer)", rb_obj_class(signature));
    if (!FIXNUM_P(signature) || FIX2LONG(signature) <= 0)
        return NULL;
    return rb_em_table_find((uint64_t)FIX2LONG(signature));
}

rb_em_slot *rb_em_find(VALUE signature, rb_em_kind kind)
{
    rb_em_slot *slot = rb_em_find_any(signature);
    return slot && slot->kind == kind ? slot : NULL;
}
