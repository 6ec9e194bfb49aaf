/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Memory from the loop's allocator, which is malloc(3) by default.
 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *reallocate_by_malloc(void *user, void *pointer, size_t bytes)
{
    (void)user;
    if (bytes == 0) {
        free(pointer);
        return NULL;
    }
    return realloc(pointer, bytes);
}

void emi_memory_init(emi_memory *memory, const em_allocator *allocator)
{
    static const em_allocator by_malloc = {.reallocate = reallocate_by_malloc};
    *memory = allocator ? *allocator : by_malloc;
}

void *emi_allocate(const emi_memory *memory, size_t bytes)
{
    return memory->reallocate(memory->user, NULL, bytes);
}

void *emi_allocate_zeroed(const emi_memory *memory, size_t bytes)
{
    void *pointer = emi_allocate(memory, bytes);
    if (pointer)
        memset(pointer, 0, bytes);
    return pointer;
}

void *emi_reallocate(const emi_memory *memory, void *pointer, size_t bytes)
{
    return memory->reallocate(memory->user, pointer, bytes);
}

void *emi_allocate_page_aligned(const emi_memory *memory, size_t bytes, void **allocation)
{
    enum { PAGE_BYTES = 4096 };
    *allocation = bytes <= SIZE_MAX - PAGE_BYTES ? emi_allocate(memory, bytes + PAGE_BYTES) : NULL;
    if (!*allocation)
        return NULL;
    uintptr_t address = (uintptr_t)*allocation;
    return (char *)*allocation + (PAGE_BYTES - address % PAGE_BYTES) % PAGE_BYTES;
}

void emi_release(const emi_memory *memory, void *pointer)
{
    if (pointer)
        memory->reallocate(memory->user, pointer, 0);
}
