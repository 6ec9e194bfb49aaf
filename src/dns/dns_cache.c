/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The table of inquiries: chained buckets, and a list in the order of use.
 */
#include "dns/dns_cache.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { FIRST_BUCKETS = 64 };

static size_t length_of(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

/* FNV-1a, without the case of letters. */
static uint32_t hash_of(const char *name, size_t length, unsigned type)
{
    uint32_t hash = (2166136261U ^ type) * 16777619U;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint32_t)tolower((unsigned char)name[i])) * 16777619U;
    return hash;
}

void emi_dns_cache_init(emi_dns_cache *cache, const emi_memory *memory, size_t most_entries)
{
    *cache = (emi_dns_cache){.memory = memory, .most_entries = most_entries};
    emi_list_init(&cache->by_use);
}

emi_inquiry *emi_inquiry_create(const emi_memory *memory, const char *name, unsigned type, emi_dns_config *config)
{
    size_t length = length_of(name);
    emi_inquiry *inquiry = emi_allocate_zeroed(memory, sizeof *inquiry + length + 1);
    if (!inquiry)
        return NULL;
    memcpy(inquiry->name, name, length);
    inquiry->hash = hash_of(name, length, type);
    inquiry->question.name = inquiry->name;
    inquiry->question.type = (uint16_t)type;
    inquiry->question.config = emi_dns_config_retain(config);
    emi_list_init(&inquiry->question.link);
    emi_list_init(&inquiry->waiting);
    emi_list_init(&inquiry->by_use);
    return inquiry;
}

void emi_inquiry_free(emi_dns_cache *cache, emi_inquiry *inquiry)
{
    EMI_INVARIANT(emi_list_is_empty(&inquiry->waiting) && !inquiry->question.client && !inquiry->is_in_table);
    emi_answer_release(inquiry->answer);
    emi_dns_config_release(inquiry->question.config);
    emi_release(cache->memory, inquiry);
}

static void forget(emi_dns_cache *cache, emi_inquiry *inquiry)
{
    emi_dns_cache_remove(cache, inquiry);
    emi_inquiry_free(cache, inquiry);
}

emi_inquiry *emi_dns_cache_find(emi_dns_cache *cache, const char *name, unsigned type, uint64_t now_ns)
{
    if (cache->bucket_count == 0)
        return NULL;
    size_t length = length_of(name);
    uint32_t hash = hash_of(name, length, type);
    emi_inquiry *each = cache->buckets[hash & (cache->bucket_count - 1)];
    while (each && (each->hash != hash || each->question.type != type || strlen(each->name) != length ||
                    strncasecmp(each->name, name, length) != 0))
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
    emi_inquiry **buckets = emi_allocate_zeroed(cache->memory, count * sizeof(emi_inquiry *));
    if (!buckets)
        return cache->bucket_count > 0 ? EM_OK : EM_NO_MEMORY; /* longer chains will do */
    for (uint32_t i = 0; i < cache->bucket_count; i++)
        for (emi_inquiry *each = cache->buckets[i], *next; each; each = next) {
            next = each->next;
            each->next = buckets[each->hash & (count - 1)];
            buckets[each->hash & (count - 1)] = each;
        }
    emi_release(cache->memory, cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
    return EM_OK;
}

em_status emi_dns_cache_add(emi_dns_cache *cache, emi_inquiry *inquiry)
{
    em_status status = cache->count >= cache->bucket_count ? grow(cache) : EM_OK;
    if (status != EM_OK)
        return status;
    emi_inquiry **bucket = &cache->buckets[inquiry->hash & (cache->bucket_count - 1)];
    inquiry->next = *bucket;
    *bucket = inquiry;
    inquiry->is_in_table = true;
    cache->count++;
    return EM_OK;
}

void emi_dns_cache_remove(emi_dns_cache *cache, emi_inquiry *inquiry)
{
    if (!inquiry->is_in_table)
        return;
    emi_inquiry **link = &cache->buckets[inquiry->hash & (cache->bucket_count - 1)];
    while (*link != inquiry)
        link = &(*link)->next;
    *link = inquiry->next;
    inquiry->is_in_table = false;
    cache->count--;
    if (!emi_list_is_linked(&inquiry->by_use))
        return;
    emi_list_remove(&inquiry->by_use);
    cache->kept--;
    cache->kept_bytes -= inquiry->answer->size_bytes;
}

static bool is_too_full(const emi_dns_cache *cache)
{
    return cache->kept > cache->most_entries || cache->kept_bytes > cache->most_entries * EMI_CACHE_ENTRY_BYTES;
}

void emi_dns_cache_keep(emi_dns_cache *cache, emi_inquiry *inquiry)
{
    EMI_INVARIANT(inquiry->is_in_table && inquiry->answer);
    emi_list_append(&cache->by_use, &inquiry->by_use);
    cache->kept++;
    cache->kept_bytes += inquiry->answer->size_bytes;
    while (is_too_full(cache))
        forget(cache, EMI_CONTAINER(cache->by_use.next, emi_inquiry, by_use));
}

void emi_dns_cache_clear(emi_dns_cache *cache)
{
    while (!emi_list_is_empty(&cache->by_use))
        forget(cache, EMI_CONTAINER(cache->by_use.next, emi_inquiry, by_use));
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
