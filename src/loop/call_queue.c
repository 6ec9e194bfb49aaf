/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calls waiting to be made: those of em_next_tick and em_loop_post.
 */
#include "loop/loop_private.h"

/* A queue that was large once gives its memory back. */
enum { KEPT_ENTRIES = 4096 };

em_status emi_call_queue_add(emi_call_queue *queue, const emi_memory *memory, em_call call, void *user)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
        emi_call_entry *entries = emi_reallocate(memory, queue->entries, capacity * sizeof *entries);
        if (!entries)
            return EM_NO_MEMORY;
        queue->entries = entries;
        queue->capacity = capacity;
    }
    queue->entries[queue->count++] = (emi_call_entry){.call = call, .user = user};
    return EM_OK;
}

void emi_call_queue_clear(emi_call_queue *queue, const emi_memory *memory)
{
    queue->count = 0;
    if (queue->capacity > KEPT_ENTRIES) {
        emi_release(memory, queue->entries);
        *queue = (emi_call_queue){.entries = NULL};
    }
}
