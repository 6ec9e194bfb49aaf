/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the page cache holds of a file, by preadv2(2) with RWF_NOWAIT. mincore(2) would tell it exactly, but only to
 * those who may write the file.
 */
#include "base/features.h"

#if EMI_HAVE_CACHED_READS

#include <sys/uio.h>

#include "system/file.h"

/* Between two samples. The system reads ahead and gives up memory in larger pieces, mostly; with a sample of each page
 * sending a file would take twice the time. */
enum { SAMPLE_BYTES = 64 * 1024 };

static bool is_byte_cached(int descriptor, uint64_t offset)
{
    char byte;
    struct iovec room = {.iov_base = &byte, .iov_len = 1};
    return preadv2(descriptor, &room, 1, (off_t)offset, RWF_NOWAIT) >= 0;
}

/* Also where the file ends before. A file system that cannot tell fails with EOPNOTSUPP. */
bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length)
{
    for (uint64_t at = 0; at < length; at += SAMPLE_BYTES)
        if (!is_byte_cached(descriptor, offset + at))
            return false;
    return length == 0 || is_byte_cached(descriptor, offset + length - 1);
}

#endif
