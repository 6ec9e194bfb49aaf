/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Inquiries: one for each name and type that is being asked for or whose answer is kept. Whoever asks for the same
 * thing meanwhile waits for the same inquiry, so that a name is asked for once, however many want it.
 */
#ifndef EMI_DNS_CACHE_H
#define EMI_DNS_CACHE_H

#include "dns/dns_answer.h"
#include "dns/dns_transport.h"

typedef struct emi_inquiry emi_inquiry;

struct emi_inquiry {
    emi_question question; /* its name is `name` */
    emi_list waiting;      /* emi_search.link, while there is no answer */
    emi_answer *answer;    /* NULL: it is being asked for */
    uint64_t expires_ns;
    emi_list by_use;   /* in the order in which they were last used */
    emi_inquiry *next; /* in its bucket */
    void *owner;       /* the resolver */
    uint32_t hash;
    bool is_in_table;
    char name[]; /* without a final dot */
};

typedef struct emi_dns_cache {
    const emi_memory *memory;
    emi_inquiry **buckets;
    uint32_t bucket_count; /* a power of two; 0: none yet */
    uint32_t count;
    emi_list by_use; /* those with an answer; the longest unused one first */
    size_t kept;
    size_t kept_bytes;
    size_t most_entries;
} emi_dns_cache;

/** The average size of an answer that the limit of entries allows for. */
#define EMI_CACHE_ENTRY_BYTES ((size_t)512)

void emi_dns_cache_init(emi_dns_cache *cache, const emi_memory *memory, size_t most_entries);

/** Makes an inquiry that is not in the table. NULL: no memory. */
emi_inquiry *emi_inquiry_create(const emi_memory *memory, const char *name, unsigned type, emi_dns_config *config);

/** Frees it. Nothing waits for it, and its question is with no transport. */
void emi_inquiry_free(emi_dns_cache *cache, emi_inquiry *inquiry);

/** Returns the one for a name, which is being asked for or has an answer that has not expired; NULL: none. */
emi_inquiry *emi_dns_cache_find(emi_dns_cache *cache, const char *name, unsigned type, uint64_t now_ns);

/** Adds one that is being asked for. EM_NO_MEMORY. */
em_status emi_dns_cache_add(emi_dns_cache *cache, emi_inquiry *inquiry);

/** Takes one out of the table; the caller frees it. */
void emi_dns_cache_remove(emi_dns_cache *cache, emi_inquiry *inquiry);

/** Keeps the answer of one in the table until it expires, and frees those unused longest if there are too many. */
void emi_dns_cache_keep(emi_dns_cache *cache, emi_inquiry *inquiry);

/** Frees all answers. Those that are being asked for leave the table. */
void emi_dns_cache_clear(emi_dns_cache *cache);

/** Frees the table itself as well. */
void emi_dns_cache_free(emi_dns_cache *cache);

#endif
