/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * glibc's malloc(3). It holds the Strings for what arrives, and Ruby frees them by thousands when it collects. glibc
 * returns the top of the heap to the system as soon as 128 KiB are free there, so each collection would be followed by
 * a page fault for every page that is allocated again. No other setting of the process's malloc is changed.
 * docs/architecture.md has the figures.
 */
#include <stdlib.h>

#if defined __GLIBC__

#include <malloc.h>
#include <stdbool.h>
#include <string.h>

#include "rb_malloc.h"

enum { TRIM_THRESHOLD_BYTES = 64 * 1024 * 1024 };

static bool is_set_by_user(void)
{
    const char *tunables = getenv("GLIBC_TUNABLES");
    return getenv("MALLOC_TRIM_THRESHOLD_") || (tunables && strstr(tunables, "glibc.malloc.trim_threshold="));
}

void rb_em_keep_freed_memory(void)
{
    if (!is_set_by_user())
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
}

#endif
