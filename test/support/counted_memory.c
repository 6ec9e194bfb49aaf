/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * malloc(3), counted. Any thread may use it.
 */
#include "support/counted_memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/features.h"
#include "support/deadline.h"

#if EMI_HAVE_OPENSSL
#include <openssl/crypto.h>
#endif

static atomic_long allocations;
static atomic_long allocated_bytes;

static void count(void *pointer, int sign)
{
    if (!pointer)
        return;
    atomic_fetch_add(&allocations, sign);
    atomic_fetch_add(&allocated_bytes, sign * (long)malloc_usable_size(pointer));
}

static void *reallocate(void *user, void *pointer, size_t bytes)
{
    (void)user;
    count(pointer, -1);
    if (bytes == 0) {
        free(pointer);
        return NULL;
    }
    void *moved = realloc(pointer, bytes);
    count(moved ? moved : pointer, 1);
    return moved;
}

const em_allocator *counted_memory_allocator(void)
{
    static const em_allocator allocator = {.reallocate = reallocate};
    return &allocator;
}

counted_memory counted_memory_get(void)
{
    return (counted_memory){.allocations = atomic_load(&allocations), .bytes = atomic_load(&allocated_bytes)};
}

#if EMI_HAVE_OPENSSL

static void *allocate_for_openssl(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return reallocate(NULL, NULL, bytes);
}

static void *reallocate_for_openssl(void *pointer, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return reallocate(NULL, pointer, bytes);
}

static void free_for_openssl(void *pointer, const char *file, int line)
{
    (void)file;
    (void)line;
    count(pointer, -1);
    free(pointer);
}

void counted_memory_count_openssl(void)
{
    if (CRYPTO_set_mem_functions(allocate_for_openssl, reallocate_for_openssl, free_for_openssl) != 1)
        stop_test("OpenSSL has allocated memory already");
}

#else

void counted_memory_count_openssl(void)
{
}

#endif
