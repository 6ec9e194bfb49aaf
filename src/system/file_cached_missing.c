/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Systems that cannot tell what the page cache holds of a file: every range is fetched first.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_CACHED_READS

#include "base/status_detail.h"
#include "system/file.h"

em_status emi_file_read_cached(int descriptor, uint64_t offset, void *bytes, size_t capacity, size_t *length)
{
    (void)descriptor;
    (void)offset;
    (void)bytes;
    (void)capacity;
    *length = 0;
    return emi_status_without_detail(EM_UNSUPPORTED);
}

bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length)
{
    (void)descriptor;
    (void)offset;
    return length == 0;
}

#endif
