/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OpenSSL's allocations by functions of ours, see CRYPTO_set_mem_functions(3).
 */
#include "support/openssl_memory.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "support/deadline.h"

struct openssl_memory openssl_memory;

enum { HEAD_BYTES = 16 }; /* before each allocation: its size */

static bool must_fail(void)
{
    return ++openssl_memory.request == openssl_memory.fail_at;
}

static void *count_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    unsigned char *head = bytes == 0 || must_fail() ? NULL : malloc(bytes + HEAD_BYTES);
    if (!head)
        return NULL;
    memcpy(head, &bytes, sizeof bytes);
    openssl_memory.live++;
    openssl_memory.large += bytes >= 1000;
    openssl_memory.live_bytes += (long)bytes;
    return head + HEAD_BYTES;
}

static void count_free(void *pointer, const char *file, int line)
{
    (void)file;
    (void)line;
    size_t bytes;
    if (!pointer)
        return;
    unsigned char *head = (unsigned char *)pointer - HEAD_BYTES;
    memcpy(&bytes, head, sizeof bytes);
    openssl_memory.live--;
    openssl_memory.live_bytes -= (long)bytes;
    free(head);
}

static void *count_realloc(void *pointer, size_t bytes, const char *file, int line)
{
    size_t old = 0;
    if (!pointer)
        return count_malloc(bytes, file, line);
    if (bytes == 0) {
        count_free(pointer, file, line);
        return NULL;
    }
    void *moved = count_malloc(bytes, file, line);
    if (!moved)
        return NULL;
    memcpy(&old, (unsigned char *)pointer - HEAD_BYTES, sizeof old);
    memcpy(moved, pointer, old < bytes ? old : bytes);
    count_free(pointer, file, line);
    return moved;
}

void openssl_memory_count(void)
{
    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
        stop_test("OpenSSL has allocated memory already");
}

#endif
