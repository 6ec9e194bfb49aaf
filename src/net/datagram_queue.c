/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams that wait to be sent.
 */
#include "net/datagram_queue.h"

#include <string.h>

#include "base/invariant.h"

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = 8 };

struct emi_datagram_block {
    emi_datagram_block *next;
    size_t capacity;
    size_t taken; /* where the first datagram begins */
    size_t used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

/* What precedes a datagram. Behind it: the peer's address, the local address, the bytes, each at a multiple of
 * ALIGNMENT. */
typedef struct head {
    uint32_t length;
    uint16_t peer_bytes;
    uint8_t local_bytes;
    bool is_fixed;
} head;

/* An entry counts for at least this much, so that a queue of empty datagrams is limited, too. */
enum { LEAST_ENTRY_BYTES = 64 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t entry_bytes(size_t peer_bytes, size_t local_bytes, size_t length)
{
    size_t bytes = sizeof(head) + aligned(peer_bytes) + aligned(local_bytes) + aligned(length);
    return bytes < LEAST_ENTRY_BYTES ? LEAST_ENTRY_BYTES : bytes;
}

static size_t entry_bytes_of(const head *entry)
{
    return entry_bytes(entry->peer_bytes, entry->local_bytes, entry->length);
}

static head *head_at(emi_datagram_block *block, size_t offset)
{
    return (head *)(void *)(block->bytes + offset);
}

/* Blocks */

static void release_block(emi_datagram_pool *pool, emi_datagram_block *block)
{
    if (!pool->spare && block->capacity == BLOCK_BYTES)
        pool->spare = block;
    else
        emi_release(pool->outboxes->memory, block);
}

void emi_datagram_pool_clear(emi_datagram_pool *pool)
{
    emi_release(pool->outboxes->memory, pool->spare);
    pool->spare = NULL;
}

static emi_datagram_block *take_block(emi_datagram_pool *pool, size_t least_bytes)
{
    emi_datagram_block *block = least_bytes <= BLOCK_BYTES ? pool->spare : NULL;
    if (block) {
        pool->spare = NULL;
    } else {
        size_t capacity = least_bytes > BLOCK_BYTES ? least_bytes : BLOCK_BYTES;
        block = emi_allocate(pool->outboxes->memory, sizeof *block + capacity);
        if (!block)
            return NULL;
        block->capacity = capacity;
    }
    block->next = NULL;
    block->taken = block->used = 0;
    return block;
}

/* Returns the place for an entry; NULL without memory. */
static head *reserve(emi_datagram_queue *queue, emi_datagram_pool *pool, size_t bytes)
{
    emi_datagram_block *block = queue->last;
    if (!block || block->capacity - block->used < bytes) {
        block = take_block(pool, bytes);
        if (!block)
            return NULL;
        if (queue->last)
            queue->last->next = block;
        else
            queue->first = block;
        queue->last = block;
    }
    head *entry = head_at(block, block->used);
    block->used += bytes;
    return entry;
}

/* Entries */

static em_status check_limits(const emi_datagram_queue *queue, const emi_datagram_pool *pool, size_t length,
                              size_t bytes, size_t limit_bytes)
{
    if (bytes > limit_bytes || queue->memory_bytes > limit_bytes - bytes)
        return EM_OUTBOX_LIMIT;
    if (length > pool->outboxes->limit_bytes || pool->outboxes->bytes > pool->outboxes->limit_bytes - length)
        return EM_LOOP_OUTBOX_LIMIT;
    return EM_OK;
}

static unsigned char *put(unsigned char *place, const void *data, size_t length)
{
    if (length > 0)
        memcpy(place, data, length);
    return place + aligned(length);
}

em_status emi_datagram_queue_append(emi_datagram_queue *queue, emi_datagram_pool *pool, const emi_outgoing *datagram,
                                    bool is_fixed, size_t limit_bytes)
{
    size_t bytes = entry_bytes(datagram->peer_bytes, datagram->local_bytes, datagram->length);
    em_status status = check_limits(queue, pool, datagram->length, bytes, limit_bytes);
    if (status != EM_OK)
        return status;
    head *entry = reserve(queue, pool, bytes);
    if (!entry)
        return EM_NO_MEMORY;
    *entry = (head){.length = (uint32_t)datagram->length,
                    .peer_bytes = (uint16_t)datagram->peer_bytes,
                    .local_bytes = (uint8_t)datagram->local_bytes,
                    .is_fixed = is_fixed};
    unsigned char *place = put((unsigned char *)(entry + 1), datagram->peer, datagram->peer_bytes);
    place = put(place, datagram->local, datagram->local_bytes);
    put(place, datagram->data, datagram->length);
    queue->count++;
    queue->bytes += datagram->length;
    queue->memory_bytes += bytes;
    pool->outboxes->bytes += datagram->length;
    return EM_OK;
}

static void describe(const head *entry, emi_outgoing *datagram)
{
    const unsigned char *place = (const unsigned char *)(entry + 1);
    *datagram = (emi_outgoing){.peer = place, .peer_bytes = entry->peer_bytes};
    place += aligned(entry->peer_bytes);
    datagram->local = place;
    datagram->local_bytes = entry->local_bytes;
    datagram->data = place + aligned(entry->local_bytes);
    datagram->length = entry->length;
}

unsigned emi_datagram_queue_gather(const emi_datagram_queue *queue, emi_outgoing *list, unsigned capacity)
{
    unsigned count = 0;
    for (emi_datagram_block *block = queue->first; block && count < capacity; block = block->next) {
        for (size_t offset = block->taken; offset < block->used && count < capacity;) {
            const head *entry = head_at(block, offset);
            describe(entry, &list[count]);
            if (entry->is_fixed)
                list[count].peer_bytes = 0;
            count++;
            offset += entry_bytes_of(entry);
        }
    }
    return count;
}

void emi_datagram_queue_look(const emi_datagram_queue *queue, emi_outgoing *datagram)
{
    EMI_INVARIANT(queue->count > 0);
    describe(head_at(queue->first, queue->first->taken), datagram);
}

static void consume_first(emi_datagram_queue *queue, emi_datagram_pool *pool)
{
    emi_datagram_block *block = queue->first;
    const head *entry = head_at(block, block->taken);
    size_t bytes = entry_bytes_of(entry);
    queue->count--;
    queue->bytes -= entry->length;
    queue->memory_bytes -= bytes;
    pool->outboxes->bytes -= entry->length;
    block->taken += bytes;
    if (block->taken < block->used)
        return;
    queue->first = block->next;
    if (!queue->first)
        queue->last = NULL;
    release_block(pool, block);
}

size_t emi_datagram_queue_consume(emi_datagram_queue *queue, emi_datagram_pool *pool, unsigned count)
{
    size_t before = queue->bytes;
    for (; count > 0 && queue->count > 0; count--)
        consume_first(queue, pool);
    return before - queue->bytes;
}

void emi_datagram_queue_unfix(emi_datagram_queue *queue)
{
    for (emi_datagram_block *block = queue->first; block; block = block->next) {
        for (size_t offset = block->taken; offset < block->used;) {
            head *entry = head_at(block, offset);
            entry->is_fixed = false;
            offset += entry_bytes_of(entry);
        }
    }
}

void emi_datagram_queue_clear(emi_datagram_queue *queue, emi_datagram_pool *pool)
{
    while (queue->count > 0)
        consume_first(queue, pool);
}
