/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the page cache holds of a file, by preadv2(2) with RWF_NOWAIT. mincore(2) would tell it exactly, but only to
 * those who may write the file.
 */
#include "base/features.h"

#if EMI_HAVE_CACHED_READS

#include <errno.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "system/file.h"

/* Between two samples. The system reads ahead and gives up memory in larger pieces, mostly; with a sample of each page
 * sending a file would take twice the time. */
enum { SAMPLE_BYTES = 64 * 1024 };

/* tmpfs(5) has no disk but the page cache, apart from what is swapped out. */
static bool is_in_memory(int descriptor)
{
    struct statfs found;
    return fstatfs(descriptor, &found) == 0 && (found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC);
}

static bool is_byte_cached(int descriptor, uint64_t offset)
{
    char byte;
    struct iovec room = {.iov_base = &byte, .iov_len = 1};
    return preadv2(descriptor, &room, 1, (off_t)offset, RWF_NOWAIT) >= 0;
}

/* Also where the file ends before. A file system that cannot tell, as tmpfs, fails with EOPNOTSUPP. */
bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length)
{
    for (uint64_t at = 0; at < length; at += SAMPLE_BYTES)
        if (!is_byte_cached(descriptor, offset + at))
            return errno == EOPNOTSUPP && is_in_memory(descriptor);
    return length == 0 || is_byte_cached(descriptor, offset + length - 1);
}

#endif
