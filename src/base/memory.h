/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Memory through the loop's allocator. Every allocation may fail. Callers then return EM_NO_MEMORY.
 */
#ifndef EMI_MEMORY_H
#define EMI_MEMORY_H

#include <stddef.h>

#include <eventmachine/loop.h>

typedef em_allocator emi_memory;

/** The allocator given, or malloc(3) for NULL. */
void emi_memory_init(emi_memory *memory, const em_allocator *allocator);

/** Uninitialised memory, or NULL. bytes > 0. */
void *emi_allocate(const emi_memory *memory, size_t bytes);

/** Memory of zeros, or NULL. bytes > 0. */
void *emi_allocate_zeroed(const emi_memory *memory, size_t bytes);

/** Resizes; on failure NULL, and the old memory stays as it is. bytes > 0. */
void *emi_reallocate(const emi_memory *memory, void *pointer, size_t bytes);

/**
 * Uninitialised memory at the beginning of a page, or NULL. *allocation is what to release. For buffers that the kernel
 * copies to: if their offset within a page is just above that of the source, processors mistake the loads for dependent
 * on the stores, and copying takes up to twice as long (measured on AMD Zen 4; most sources begin with a page).
 */
void *emi_allocate_page_aligned(const emi_memory *memory, size_t bytes, void **allocation);

/** Frees; NULL is allowed. */
void emi_release(const emi_memory *memory, void *pointer);

#endif
