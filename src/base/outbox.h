/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a connection still has to send: a chain of blocks that never move, so that bytes that were gathered stay where
 * they are until they are consumed. Copied bytes are packed into blocks from the loop's pool. Borrowed bytes are
 * referred to. An empty outbox owns no memory.
 *
 * Bytes that are not in memory, such as a file's, are represented by a mark in the chain. A mark has no bytes, so an
 * outbox of 0 bytes may still have marks. Who appends marks gathers by emi_outbox_gather_to_mark, and so never consumes
 * what is behind one.
 */
#ifndef EMI_OUTBOX_H
#define EMI_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/span.h"

typedef struct emi_outbox_block emi_outbox_block;

/** Shared by all outboxes of a loop. */
typedef struct emi_outbox_pool {
    const emi_memory *memory;
    emi_outbox_block *spare; /**< empty standard blocks, kept for the next use */
    unsigned spare_count;
    unsigned releases;  /**< that are running: functions which give borrowed memory back */
    size_t bytes;       /**< in all outboxes */
    size_t limit_bytes; /**< the most that all outboxes may hold; SIZE_MAX: no limit */
} emi_outbox_pool;

typedef struct emi_outbox {
    emi_outbox_block *first;
    emi_outbox_block *last;
    size_t bytes;
} emi_outbox;

/** limit_bytes: 0 for no limit. */
void emi_outbox_pool_init(emi_outbox_pool *pool, const emi_memory *memory, size_t limit_bytes);

/** Frees the spare blocks. */
void emi_outbox_pool_clear(emi_outbox_pool *pool);

/** Appends a copy: all of it or, on EM_NO_MEMORY and EM_LOOP_OUTBOX_LIMIT, nothing. */
em_status emi_outbox_append(emi_outbox *outbox, emi_outbox_pool *pool, const void *data, size_t length);

/**
 * The same in two steps, for several pieces: makes room for `length` bytes behind the others, which count from now on,
 * so all of them must be put there before anything else is done with the outbox. *place: where the first goes.
 */
em_status emi_outbox_reserve(emi_outbox *outbox, emi_outbox_pool *pool, size_t length, emi_outbox_block **place);

/** Copies bytes to a place that was reserved; returns the place for what comes behind them. */
emi_outbox_block *emi_outbox_put(emi_outbox_block *place, const void *data, size_t length);

/** Appends by reference; release(user, data) is called when the bytes are consumed. On failure it is not called. */
em_status emi_outbox_append_borrowed(emi_outbox *outbox, emi_outbox_pool *pool, const void *data, size_t length,
                                     void (*release)(void *user, const void *data), void *user);

/** Fills up to `capacity` spans with the first bytes. Returns how many spans. */
unsigned emi_outbox_gather(const emi_outbox *outbox, emi_span *spans, unsigned capacity);

/** Removes `length` bytes, at most all, from the front. */
void emi_outbox_consume(emi_outbox *outbox, emi_outbox_pool *pool, size_t length);

/** Moves everything from `from` behind what is in `to`. */
void emi_outbox_move(emi_outbox *to, emi_outbox *from);

/** Drops everything, marks included. */
void emi_outbox_clear(emi_outbox *outbox, emi_outbox_pool *pool);

/* Marks */

/** Appends a mark for `owner`, which is not NULL. EM_NO_MEMORY. */
em_status emi_outbox_append_mark(emi_outbox *outbox, emi_outbox_pool *pool, void *owner);

/** Returns the owner of the mark that is at the front; NULL if bytes are, or nothing. */
void *emi_outbox_first_mark(const emi_outbox *outbox);

/** Removes the mark that is at the front. */
void emi_outbox_remove_mark(emi_outbox *outbox, emi_outbox_pool *pool);

/** Drops the first mark and everything behind it, if there is one. */
void emi_outbox_cut(emi_outbox *outbox, emi_outbox_pool *pool);

/** As emi_outbox_gather, but only the bytes before the first mark. */
unsigned emi_outbox_gather_to_mark(const emi_outbox *outbox, emi_span *spans, unsigned capacity);

/** Allocates a block for bytes that are to go before a mark. *bytes: how many there is room for, at least; set to the
 * block's capacity. *room: where they go. Returns NULL without memory. */
emi_outbox_block *emi_outbox_make_block(emi_outbox_pool *pool, size_t *bytes, void **room);

/** Puts such a block, into which `length` bytes were written, before everything else; with 0 bytes it is freed. */
void emi_outbox_put_first(emi_outbox *outbox, emi_outbox_pool *pool, emi_outbox_block *block, size_t length);

#endif
