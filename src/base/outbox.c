/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The outbox. A block holds copied bytes behind its header, refers to borrowed ones, or is a mark.
 */
#include "base/outbox.h"

#include <string.h>

#include "base/features.h"
#include "base/invariant.h"

enum {
    STANDARD_BYTES = 4096 - 64, /* of a block from the pool: with its header and malloc's just under a page */
    LARGEST_BYTES = 256 * 1024, /* of one block */
    SPARE_BLOCKS = 512          /* as many connections as are served in one go */
};

struct emi_outbox_block {
    emi_outbox_block *next;
    const unsigned char *data; /* of copied bytes: the memory behind this header; of a mark: NULL */
    size_t begin;              /* what is still to be sent lies from here … */
    size_t end;                /* … to here */
    size_t capacity;           /* for copied bytes; 0 for borrowed ones */
    void (*release)(void *user, const void *data);
    void *user; /* for release, or the mark's owner */
};

void emi_outbox_pool_init(emi_outbox_pool *pool, const emi_memory *memory, size_t limit_bytes)
{
    *pool = (emi_outbox_pool){.memory = memory, .limit_bytes = limit_bytes ? limit_bytes : SIZE_MAX};
}

void emi_outbox_pool_clear(emi_outbox_pool *pool)
{
    while (pool->spare) {
        emi_outbox_block *block = pool->spare;
        pool->spare = block->next;
        emi_release(pool->memory, block);
    }
    pool->spare_count = 0;
}

static unsigned char *memory_of(emi_outbox_block *block)
{
    return (unsigned char *)(block + 1);
}

static emi_outbox_block *new_block(emi_outbox_pool *pool, size_t bytes)
{
    emi_outbox_block *block;
    size_t capacity = bytes <= STANDARD_BYTES ? STANDARD_BYTES : bytes < LARGEST_BYTES ? bytes : LARGEST_BYTES;
    if (capacity == STANDARD_BYTES && pool->spare) {
        block = pool->spare;
        pool->spare = block->next;
        pool->spare_count--;
    } else {
        block = emi_allocate(pool->memory, sizeof *block + capacity);
        if (!block)
            return NULL;
    }
    *block = (emi_outbox_block){.data = memory_of(block), .capacity = capacity};
    return block;
}

static void free_block(emi_outbox_pool *pool, emi_outbox_block *block)
{
    if (block->release) {
        pool->releases++;
        block->release(block->user, block->data);
        pool->releases--;
    }
    if (block->capacity == STANDARD_BYTES && pool->spare_count < SPARE_BLOCKS) {
        block->next = pool->spare;
        pool->spare = block;
        pool->spare_count++;
    } else {
        emi_release(pool->memory, block);
    }
}

static void free_blocks(emi_outbox_pool *pool, emi_outbox_block *blocks)
{
    while (blocks) {
        emi_outbox_block *block = blocks;
        blocks = block->next;
        free_block(pool, block);
    }
}

static bool is_mark(const emi_outbox_block *block)
{
    return !block->data;
}

static void link_block(emi_outbox *outbox, emi_outbox_block *block)
{
    if (outbox->last)
        outbox->last->next = block;
    else
        outbox->first = block;
    while (block->next)
        block = block->next;
    outbox->last = block;
}

/* Empty blocks for `length` bytes; NULL if memory runs out. */
static emi_outbox_block *new_blocks(emi_outbox_pool *pool, size_t length)
{
    emi_outbox_block *first = NULL;
    emi_outbox_block **next = &first;
    while (length > 0) {
        emi_outbox_block *block = new_block(pool, length);
        if (!block) {
            free_blocks(pool, first);
            return NULL;
        }
        length -= length < block->capacity ? length : block->capacity;
        *next = block;
        next = &block->next;
    }
    return first;
}

void emi_outbox_move(emi_outbox *to, emi_outbox *from)
{
    if (from->first)
        link_block(to, from->first);
    to->bytes += from->bytes;
    *from = (emi_outbox){.bytes = 0};
}

static size_t room_in(const emi_outbox_block *block)
{
    return block && block->capacity ? block->capacity - block->end : 0;
}

em_status emi_outbox_reserve(emi_outbox *outbox, emi_outbox_pool *pool, size_t length, emi_outbox_block **place)
{
    if (length > pool->limit_bytes || pool->bytes > pool->limit_bytes - length)
        return EM_LOOP_OUTBOX_LIMIT;
    size_t room = room_in(outbox->last);
    *place = room > 0 ? outbox->last : NULL;
    if (room < length) {
        emi_outbox_block *blocks = new_blocks(pool, length - room);
        if (!blocks)
            return EM_NO_MEMORY;
        link_block(outbox, blocks);
        if (!*place)
            *place = blocks;
    }
    outbox->bytes += length;
    pool->bytes += length;
    return EM_OK;
}

emi_outbox_block *emi_outbox_put(emi_outbox_block *place, const void *data, size_t length)
{
    const unsigned char *bytes = data;
    while (length > 0) {
        size_t room = room_in(place);
        size_t piece = length < room ? length : room;
        memcpy(memory_of(place) + place->end, bytes, piece);
        place->end += piece;
        bytes += piece;
        length -= piece;
        if (length > 0)
            place = place->next;
    }
    return place;
}

em_status emi_outbox_append(emi_outbox *outbox, emi_outbox_pool *pool, const void *data, size_t length)
{
    emi_outbox_block *place;
    em_status status = emi_outbox_reserve(outbox, pool, length, &place);
    if (status == EM_OK)
        emi_outbox_put(place, data, length);
    return status;
}

em_status emi_outbox_append_borrowed(emi_outbox *outbox, emi_outbox_pool *pool, const void *data, size_t length,
                                     void (*release)(void *user, const void *data), void *user)
{
    if (length > pool->limit_bytes || pool->bytes > pool->limit_bytes - length)
        return EM_LOOP_OUTBOX_LIMIT;
    emi_outbox_block *block = emi_allocate(pool->memory, sizeof *block);
    if (!block)
        return EM_NO_MEMORY;
    *block = (emi_outbox_block){.data = data, .end = length, .release = release, .user = user};
    link_block(outbox, block);
    outbox->bytes += length;
    pool->bytes += length;
    return EM_OK;
}

unsigned emi_outbox_gather(const emi_outbox *outbox, emi_span *spans, unsigned capacity)
{
    unsigned count = 0;
    for (const emi_outbox_block *block = outbox->first; block && count < capacity; block = block->next) {
        spans[count++] = emi_span_of(block->data + block->begin, block->end - block->begin);
    }
    return count;
}

/* Removes the first `length` bytes. Returns the blocks that are empty now. */
static emi_outbox_block *take_blocks(emi_outbox *outbox, size_t length)
{
    emi_outbox_block *taken = NULL;
    emi_outbox_block **end = &taken;
    while (length > 0) {
        emi_outbox_block *block = outbox->first;
        size_t waiting = block->end - block->begin;
        if (length < waiting) {
            block->begin += length;
            break;
        }
        length -= waiting;
        *end = block;
        end = &block->next;
        outbox->first = block->next;
    }
    *end = NULL;
    if (!outbox->first)
        outbox->last = NULL;
    return taken;
}

/* The outbox is in order before the first `release` is called, which may fill it or move its contents elsewhere. */
void emi_outbox_consume(emi_outbox *outbox, emi_outbox_pool *pool, size_t length)
{
    if (length > outbox->bytes)
        length = outbox->bytes;
    EMI_INVARIANT(outbox->bytes <= pool->bytes);
    outbox->bytes -= length;
    pool->bytes -= length;
    emi_outbox_block *taken = take_blocks(outbox, length);
    EMI_INVARIANT(outbox->bytes > 0 ? outbox->first != NULL : !outbox->first || is_mark(outbox->first));
    free_blocks(pool, taken);
}

void emi_outbox_clear(emi_outbox *outbox, emi_outbox_pool *pool)
{
    emi_outbox_block *blocks = outbox->first;
    EMI_INVARIANT(outbox->bytes <= pool->bytes);
    pool->bytes -= outbox->bytes;
    *outbox = (emi_outbox){.bytes = 0};
    free_blocks(pool, blocks);
}

/* Marks */

em_status emi_outbox_append_mark(emi_outbox *outbox, emi_outbox_pool *pool, void *owner)
{
    emi_outbox_block *block = emi_allocate(pool->memory, sizeof *block);
    if (!block)
        return EM_NO_MEMORY;
    *block = (emi_outbox_block){.user = owner};
    link_block(outbox, block);
    return EM_OK;
}

void *emi_outbox_first_mark(const emi_outbox *outbox)
{
    return outbox->first && is_mark(outbox->first) ? outbox->first->user : NULL;
}

void emi_outbox_remove_mark(emi_outbox *outbox, emi_outbox_pool *pool)
{
    emi_outbox_block *block = outbox->first;
    EMI_INVARIANT(is_mark(block));
    outbox->first = block->next;
    if (!outbox->first)
        outbox->last = NULL;
    emi_release(pool->memory, block);
}

void emi_outbox_cut(emi_outbox *outbox, emi_outbox_pool *pool)
{
    emi_outbox kept = {.bytes = 0};
    while (outbox->first && !is_mark(outbox->first)) {
        emi_outbox_block *block = outbox->first;
        outbox->first = block->next;
        block->next = NULL;
        kept.bytes += block->end - block->begin;
        link_block(&kept, block);
    }
    outbox->bytes -= kept.bytes;
    emi_outbox dropped = *outbox;
    *outbox = kept;
    emi_outbox_clear(&dropped, pool);
}

unsigned emi_outbox_gather_to_mark(const emi_outbox *outbox, emi_span *spans, unsigned capacity)
{
    unsigned count = 0;
    const emi_outbox_block *block = outbox->first;
    for (; block && !is_mark(block) && count < capacity; block = block->next)
        spans[count++] = emi_span_of(block->data + block->begin, block->end - block->begin);
    return count;
}

emi_outbox_block *emi_outbox_make_block(emi_outbox_pool *pool, size_t *bytes, void **room)
{
    emi_outbox_block *block = new_block(pool, *bytes);
    if (!block)
        return NULL;
    *bytes = block->capacity;
    *room = memory_of(block);
    return block;
}

void emi_outbox_put_first(emi_outbox *outbox, emi_outbox_pool *pool, emi_outbox_block *block, size_t length)
{
    if (length == 0) {
        free_block(pool, block);
        return;
    }
    block->end = length;
    block->next = outbox->first;
    outbox->first = block;
    if (!outbox->last)
        outbox->last = block;
    outbox->bytes += length;
    pool->bytes += length;
}
