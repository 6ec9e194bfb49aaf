/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the page cache holds of a file, by preadv2(2) with RWF_NOWAIT. mincore(2) would tell it exactly, but only to
 * those who may write the file.
 */
#define _FILE_OFFSET_BITS 64

#include "base/features.h"

#if EMI_HAVE_CACHED_READS

#include <sys/uio.h>

#include "system/file.h"
#include "system/system_error.h"

/* Between two samples. The system reads ahead and gives up memory in larger pieces, mostly; with a sample of each page
 * sending a file would take twice the time. */
enum { SAMPLE_BYTES = 64 * 1024 };

em_status emi_file_read_cached(int descriptor, uint64_t offset, void *bytes, size_t capacity, size_t *length)
{
    struct iovec room = {.iov_base = bytes, .iov_len = capacity};
    ssize_t result = preadv2(descriptor, &room, 1, (off_t)offset, RWF_NOWAIT);
    *length = result < 0 ? 0 : (size_t)result;
    return result < 0 ? emi_last_status() : EM_OK;
}

bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length)
{
    char byte;
    size_t got;
    for (uint64_t at = 0; at < length; at += SAMPLE_BYTES)
        if (emi_file_read_cached(descriptor, offset + at, &byte, 1, &got) != EM_OK)
            return false;
    return length == 0 || emi_file_read_cached(descriptor, offset + length - 1, &byte, 1, &got) == EM_OK;
}

#endif
