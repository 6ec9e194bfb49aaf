/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Remembering the addresses that worked, in a table of sets. An entry has only a hash of the host's name and port. If
 * two hosts have the same hash, the address that is found does not belong to the host, and the race ignores it.
 */
#include "net/address_history.h"

#include <string.h>

#include <eventmachine/timer.h>

#include "base/ascii.h"

#define LONGEST_AGE_NS (600 * EM_SECONDS)

/* An entry is in one of the WAYS places of its set. */
enum { SETS = 32, WAYS = 4 };

typedef struct entry {
    uint64_t hash; /* 0: none */
    uint64_t noted_ns;
    em_address address;
} entry;

struct emi_address_history {
    entry entries[SETS][WAYS];
};

/* FNV-1a over the name without regard to case, and the port. Never 0. */
static uint64_t hash_of(const char *host, int port)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *next = host; *next; next++)
        hash = (hash ^ emi_ascii_lower((unsigned char)*next)) * UINT64_C(1099511628211);
    hash = (hash ^ (uint64_t)port) * UINT64_C(1099511628211);
    return hash | 1;
}

static entry *set_of(emi_address_history *history, uint64_t hash)
{
    return history->entries[(hash >> 32) % SETS];
}

static entry *find(emi_address_history *history, uint64_t hash)
{
    entry *set = set_of(history, hash);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].hash == hash)
            return &set[i];
    return NULL;
}

bool emi_address_history_find(emi_address_history *history, const char *host, int port, uint64_t now_ns,
                              em_address *address)
{
    const entry *known = history ? find(history, hash_of(host, port)) : NULL;
    if (!known || now_ns - known->noted_ns >= LONGEST_AGE_NS)
        return false;
    *address = known->address;
    return true;
}

/* Returns a free place, or else that of the oldest entry. */
static entry *find_place(entry *set)
{
    entry *oldest = set;
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].hash == 0 || (oldest->hash != 0 && set[i].noted_ns < oldest->noted_ns))
            oldest = &set[i];
    return oldest;
}

void emi_address_history_note(emi_address_history **history, const emi_memory *memory, const char *host,
                              const em_address *address, uint64_t now_ns)
{
    if (!*history)
        *history = emi_allocate_zeroed(memory, sizeof **history);
    if (!*history)
        return;
    uint64_t hash = hash_of(host, em_address_get_port(address));
    entry *known = find(*history, hash);
    entry *place = known ? known : find_place(set_of(*history, hash));
    *place = (entry){.hash = hash, .noted_ns = now_ns, .address = *address};
}

void emi_address_history_destroy(emi_address_history *history, const emi_memory *memory)
{
    emi_release(memory, history);
}
