/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams that wait to be sent, with their addresses: a chain of blocks that never move. Each datagram is in one
 * piece. An empty queue owns no memory.
 */
#ifndef EMI_DATAGRAM_QUEUE_H
#define EMI_DATAGRAM_QUEUE_H

#include "base/memory.h"
#include "base/outbox.h"
#include "system/datagrams.h"

typedef struct emi_datagram_block emi_datagram_block;

typedef struct emi_datagram_queue {
    emi_datagram_block *first;
    emi_datagram_block *last;
    size_t count;        /* datagrams */
    size_t bytes;        /* of the datagrams alone */
    size_t memory_bytes; /* with addresses and what else they need */
} emi_datagram_queue;

/** What all queues of a loop share. */
typedef struct emi_datagram_pool {
    emi_outbox_pool *outboxes; /* of the loop, whose limit counts */
    emi_datagram_block *spare; /* kept for the next use; or NULL */
} emi_datagram_pool;

/** Frees the spare block. */
void emi_datagram_pool_clear(emi_datagram_pool *pool);

/**
 * Appends a copy. is_fixed: it goes to the fixed peer, whose address is given for the case that another peer is fixed
 * first. limit_bytes: of memory_bytes. EM_NO_MEMORY, EM_OUTBOX_LIMIT, EM_LOOP_OUTBOX_LIMIT; then nothing has changed.
 */
em_status emi_datagram_queue_append(emi_datagram_queue *queue, emi_datagram_pool *pool, const emi_outgoing *datagram,
                                    bool is_fixed, size_t limit_bytes);

/** Lists up to `capacity` datagrams from the front. Returns how many. */
unsigned emi_datagram_queue_gather(const emi_datagram_queue *queue, emi_outgoing *list, unsigned capacity);

/** As emi_datagram_queue_gather for the first one; its address is filled in also for the fixed peer. */
void emi_datagram_queue_look(const emi_datagram_queue *queue, emi_outgoing *datagram);

/** Removes `count` datagrams, at most all, from the front. Returns their bytes. */
size_t emi_datagram_queue_consume(emi_datagram_queue *queue, emi_datagram_pool *pool, unsigned count);

/** From now on all datagrams go to the addresses that they have: another peer is about to be fixed. */
void emi_datagram_queue_unfix(emi_datagram_queue *queue);

void emi_datagram_queue_clear(emi_datagram_queue *queue, emi_datagram_pool *pool);

#endif
