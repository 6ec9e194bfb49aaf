/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The cache of answers: a table with one entry for each name and type. An entry is made when its question is asked.
 * Searches that want the same name and type meanwhile wait for that entry, so a question is asked once, however many
 * want the answer. Afterwards the entry keeps the answer until it expires.
 *
 * A lookup with options of its own uses entries that are not in the cache.
 */
#ifndef EMI_DNS_CACHE_H
#define EMI_DNS_CACHE_H

#include "base/keyed_hash.h"
#include "dns/dns_answer.h"
#include "dns/dns_transport.h"

typedef struct emi_cache_entry emi_cache_entry;

struct emi_cache_entry {
    emi_question question; /* its name is the field `name` */
    emi_list waiting;      /* emi_search.link, while there is no answer */
    emi_answer *answer;    /* NULL: the question is still open */
    uint64_t expires_ns;
    emi_list by_use;       /* among those with an answer */
    emi_cache_entry *next; /* in the same bucket */
    void *owner;           /* the resolver */
    uint32_t hash;
    bool is_in_cache;
    char name[]; /* without a final dot */
};

typedef struct emi_dns_cache {
    const emi_memory *memory;
    emi_hash_key key; /* programs look up names that others have chosen */
    emi_cache_entry **buckets;
    uint32_t bucket_count; /* a power of two; 0: none yet */
    uint32_t count;
    emi_list by_use; /* entries with an answer; least recently used first */
    size_t kept;
    size_t kept_bytes;
    size_t most_entries;
} emi_dns_cache;

/** The average size of an entry that is allowed for: a cache of n entries takes n times as many bytes at most. */
#define EMI_CACHE_ENTRY_BYTES ((size_t)1024)

void emi_dns_cache_init(emi_dns_cache *cache, const emi_memory *memory, size_t most_entries);

/** Makes an entry, which is not in the cache yet. NULL: no memory. */
emi_cache_entry *emi_cache_entry_create(const emi_memory *memory, const char *name, unsigned type,
                                        emi_dns_config *config);

/** Frees an entry that is not in the cache. Nothing waits for it, and no transport has its question. */
void emi_cache_entry_free(emi_dns_cache *cache, emi_cache_entry *entry);

/** Returns the entry of a name and type. Its question is open, or its answer has not expired. NULL: there is none. */
emi_cache_entry *emi_dns_cache_find(emi_dns_cache *cache, const char *name, unsigned type, uint64_t now_ns);

/** Adds an entry. EM_NO_MEMORY. */
em_status emi_dns_cache_add(emi_dns_cache *cache, emi_cache_entry *entry);

/** Takes an entry out of the cache, if it is there; the caller frees it. */
void emi_dns_cache_remove(emi_dns_cache *cache, emi_cache_entry *entry);

/** Counts the answer of an entry in the cache. If there are too many, the least recently used ones are freed. */
void emi_dns_cache_keep(emi_dns_cache *cache, emi_cache_entry *entry);

/** Frees the entries with an answer. Those whose question is open leave the cache: they serve those who wait. */
void emi_dns_cache_clear(emi_dns_cache *cache);

/** Clears the cache and frees its table. */
void emi_dns_cache_free(emi_dns_cache *cache);

#endif
