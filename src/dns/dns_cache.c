/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The cache as a hash table with chains, and a list in the order of use.
 */
#include "dns/dns_cache.h"

#include <string.h>

#include "base/ascii.h"
#include "dns/dns_name.h"
#include "system/random.h"

enum { FIRST_BUCKETS = 64 };

/* The case of letters makes no difference. */
static uint32_t hash_of(const emi_dns_cache *cache, const char *name, unsigned type)
{
    unsigned char folded[EMI_LONGEST_NAME + 2];
    size_t length = emi_name_length(name);
    for (size_t i = 0; i < length; i++)
        folded[i] = emi_ascii_lower((unsigned char)name[i]);
    folded[length] = (unsigned char)(type >> 8);
    folded[length + 1] = (unsigned char)type;
    return (uint32_t)emi_keyed_hash(cache->key, folded, length + 2);
}

void emi_dns_cache_init(emi_dns_cache *cache, const emi_memory *memory, size_t most_entries)
{
    *cache = (emi_dns_cache){.memory = memory, .most_entries = most_entries};
    emi_list_init(&cache->by_use);
    emi_random_bytes(&cache->key, sizeof cache->key); /* if this fails, no question can be asked either */
}

emi_cache_entry *emi_cache_entry_create(const emi_memory *memory, const char *name, unsigned type,
                                        emi_dns_config *config)
{
    size_t length = emi_name_length(name);
    emi_cache_entry *entry = emi_allocate_zeroed(memory, sizeof *entry + length + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, length);
    entry->question.name = entry->name;
    entry->question.type = (uint16_t)type;
    entry->question.config = emi_dns_config_retain(config);
    emi_list_init(&entry->question.link);
    emi_list_init(&entry->waiting);
    emi_list_init(&entry->by_use);
    return entry;
}

void emi_cache_entry_free(emi_dns_cache *cache, emi_cache_entry *entry)
{
    EMI_INVARIANT(emi_list_is_empty(&entry->waiting) && !entry->question.client && !entry->is_in_cache);
    emi_answer_release(entry->answer);
    emi_dns_config_release(entry->question.config);
    emi_release(cache->memory, entry);
}

static void forget(emi_dns_cache *cache, emi_cache_entry *entry)
{
    emi_dns_cache_remove(cache, entry);
    emi_cache_entry_free(cache, entry);
}

emi_cache_entry *emi_dns_cache_find(emi_dns_cache *cache, const char *name, unsigned type, uint64_t now_ns)
{
    if (cache->bucket_count == 0)
        return NULL;
    uint32_t hash = hash_of(cache, name, type);
    emi_cache_entry *each = cache->buckets[hash & (cache->bucket_count - 1)];
    while (each && (each->hash != hash || each->question.type != type || !emi_names_are_equal(each->name, name)))
        each = each->next;
    if (!each || !each->answer)
        return each;
    if (each->expires_ns <= now_ns) {
        forget(cache, each);
        return NULL;
    }
    emi_list_remove(&each->by_use);
    emi_list_append(&cache->by_use, &each->by_use);
    return each;
}

static em_status grow(emi_dns_cache *cache)
{
    uint32_t count = cache->bucket_count > 0 ? cache->bucket_count * 2 : FIRST_BUCKETS;
    emi_cache_entry **buckets = emi_allocate_zeroed(cache->memory, count * sizeof(emi_cache_entry *));
    if (!buckets)
        return cache->bucket_count > 0 ? EM_OK : EM_NO_MEMORY; /* longer chains will do */
    for (uint32_t i = 0; i < cache->bucket_count; i++)
        for (emi_cache_entry *each = cache->buckets[i], *next; each; each = next) {
            next = each->next;
            each->next = buckets[each->hash & (count - 1)];
            buckets[each->hash & (count - 1)] = each;
        }
    emi_release(cache->memory, cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
    return EM_OK;
}

em_status emi_dns_cache_add(emi_dns_cache *cache, emi_cache_entry *entry)
{
    em_status status = cache->count >= cache->bucket_count ? grow(cache) : EM_OK;
    if (status != EM_OK)
        return status;
    entry->hash = hash_of(cache, entry->name, entry->question.type);
    emi_cache_entry **bucket = &cache->buckets[entry->hash & (cache->bucket_count - 1)];
    entry->next = *bucket;
    *bucket = entry;
    entry->is_in_cache = true;
    cache->count++;
    return EM_OK;
}

/* Everything that a kept answer takes, with its place in the table and the ranks that it may get. */
static size_t bytes_of(const emi_cache_entry *entry)
{
    const emi_answer *answer = entry->answer;
    return sizeof *entry + strlen(entry->name) + 1 + 2 * sizeof entry + answer->size_bytes +
           answer->view.record_count * sizeof *answer->ranks;
}

void emi_dns_cache_remove(emi_dns_cache *cache, emi_cache_entry *entry)
{
    if (!entry->is_in_cache)
        return;
    emi_cache_entry **link = &cache->buckets[entry->hash & (cache->bucket_count - 1)];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    entry->is_in_cache = false;
    cache->count--;
    if (!emi_list_is_linked(&entry->by_use))
        return;
    emi_list_remove(&entry->by_use);
    cache->kept--;
    cache->kept_bytes -= bytes_of(entry);
}

static bool is_too_full(const emi_dns_cache *cache)
{
    return cache->kept > cache->most_entries || cache->kept_bytes > cache->most_entries * EMI_CACHE_ENTRY_BYTES;
}

void emi_dns_cache_keep(emi_dns_cache *cache, emi_cache_entry *entry)
{
    EMI_INVARIANT(entry->is_in_cache && entry->answer);
    emi_list_append(&cache->by_use, &entry->by_use);
    cache->kept++;
    cache->kept_bytes += bytes_of(entry);
    while (is_too_full(cache))
        forget(cache, EMI_CONTAINER(cache->by_use.next, emi_cache_entry, by_use));
}

void emi_dns_cache_clear(emi_dns_cache *cache)
{
    while (!emi_list_is_empty(&cache->by_use))
        forget(cache, EMI_CONTAINER(cache->by_use.next, emi_cache_entry, by_use));
    for (uint32_t i = 0; i < cache->bucket_count; i++)
        while (cache->buckets[i])
            emi_dns_cache_remove(cache, cache->buckets[i]);
}

void emi_dns_cache_free(emi_dns_cache *cache)
{
    emi_dns_cache_clear(cache);
    emi_release(cache->memory, cache->buckets);
    cache->buckets = NULL;
    cache->bucket_count = 0;
}
