/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Queues of calls to be made, for em_loop_next_tick and em_loop_post.
 */
#include <string.h>

#include "base/invariant.h"
#include "loop/loop_private.h"

/* A queue with room for more than this is freed when it is empty. */
enum { KEPT_ENTRIES = 4096 };

static em_status grow(emi_call_queue *queue, const emi_memory *memory)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
    emi_call_entry *entries = emi_allocate(memory, capacity * sizeof *entries);
    if (!entries)
        return EM_NO_MEMORY;
    emi_call_entry *old = queue->entries;
    if (queue->count > 0)
        memcpy(entries, old, queue->count * sizeof *entries);
    atomic_signal_fence(memory_order_release);
    queue->entries = entries;
    atomic_signal_fence(memory_order_release);
    queue->capacity = capacity;
    emi_release(memory, old);
    return EM_OK;
}

/*
 * The queue is consistent after each of these steps. So a child that is forked while another thread is in here gets a
 * queue that it can use, with the call or without it (em_loop_take_over). The order of the compiler's stores is
 * sufficient, because fork(2) stops every processor that runs the process in order to change its page tables.
 */
em_status emi_call_queue_add(emi_call_queue *queue, const emi_memory *memory, em_call call, void *user,
                             em_dispose dispose)
{
    em_status status = queue->count == queue->capacity ? grow(queue, memory) : EM_OK;
    if (status != EM_OK)
        return status;
    EMI_INVARIANT(queue->first <= queue->count && queue->count < queue->capacity);
    queue->entries[queue->count] = (emi_call_entry){.call = call, .user = user, .dispose = dispose};
    atomic_signal_fence(memory_order_release);
    queue->count++;
    return EM_OK;
}

void emi_call_queue_clear(emi_call_queue *queue, const emi_memory *memory)
{
    EMI_INVARIANT(queue->first == queue->count);
    queue->first = 0;
    queue->count = 0;
    if (queue->capacity > KEPT_ENTRIES) {
        emi_release(memory, queue->entries);
        *queue = (emi_call_queue){.entries = NULL};
    }
}

void emi_call_queue_dispose(emi_call_queue *queue)
{
    while (queue->first < queue->count) {
        emi_call_entry entry = queue->entries[queue->first++];
        if (entry.dispose)
            entry.dispose(entry.user);
    }
}
