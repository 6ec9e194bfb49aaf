/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Queues of calls to be made, for em_loop_next_tick and em_loop_post.
 */
#include <string.h>

#include "base/features.h"
#include "base/invariant.h"
#include "loop/loop_private.h"

/* A queue with room for more than this is freed when it is empty. */
enum { KEPT_ENTRIES = 4096 };

/* Returns a larger array that begins with the old one; NULL without memory. */
static void *copy_larger(const emi_memory *memory, const void *old, size_t old_bytes, size_t bytes)
{
    void *larger = emi_allocate(memory, bytes);
    if (larger && old_bytes > 0)
        memcpy(larger, old, old_bytes);
    return larger;
}

static em_status grow(emi_call_queue *queue, const emi_memory *memory)
{
    emi_call_queue old = *queue;
    size_t capacity = old.capacity ? old.capacity * 2 : 64;
    em_dispose *disposes = NULL;
    emi_call_entry *entries = copy_larger(memory, old.entries, old.count * sizeof *entries, capacity * sizeof *entries);
    if (!entries)
        return EM_NO_MEMORY;
    if (old.disposes) {
        disposes = copy_larger(memory, old.disposes, old.count * sizeof *disposes, capacity * sizeof *disposes);
        if (!disposes) {
            emi_release(memory, entries);
            return EM_NO_MEMORY;
        }
    }
    atomic_signal_fence(memory_order_release);
    queue->disposes = disposes;
    queue->entries = entries;
    atomic_signal_fence(memory_order_release);
    queue->capacity = capacity;
    emi_release(memory, old.disposes);
    emi_release(memory, old.entries);
    return EM_OK;
}

static em_status add_disposes(emi_call_queue *queue, const emi_memory *memory)
{
    em_dispose *disposes = emi_allocate_zeroed(memory, queue->capacity * sizeof *disposes);
    if (!disposes)
        return EM_NO_MEMORY;
    atomic_signal_fence(memory_order_release);
    queue->disposes = disposes;
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
    if (status == EM_OK && dispose && !queue->disposes)
        status = add_disposes(queue, memory);
    if (status != EM_OK)
        return status;
    EMI_INVARIANT(queue->first <= queue->count && queue->count < queue->capacity);
    queue->entries[queue->count] = (emi_call_entry){.call = call, .user = user};
    if (EMI_UNLIKELY(queue->disposes))
        queue->disposes[queue->count] = dispose;
    atomic_signal_fence(memory_order_release);
    queue->count++;
    return EM_OK;
}

void emi_call_queue_clear(emi_call_queue *queue, const emi_memory *memory)
{
    EMI_INVARIANT(queue->first == queue->count);
    queue->first = 0;
    queue->count = 0;
    if (queue->capacity > KEPT_ENTRIES)
        emi_call_queue_free(queue, memory);
}

void emi_call_queue_dispose(emi_call_queue *queue)
{
    while (queue->first < queue->count) {
        size_t index = queue->first++;
        if (queue->disposes && queue->disposes[index])
            queue->disposes[index](queue->entries[index].user);
    }
}

void emi_call_queue_free(emi_call_queue *queue, const emi_memory *memory)
{
    emi_release(memory, queue->entries);
    emi_release(memory, queue->disposes);
    *queue = (emi_call_queue){.entries = NULL};
}
