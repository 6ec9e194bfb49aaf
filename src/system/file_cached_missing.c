/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Systems that cannot tell what the page cache holds of a file: every range is fetched first.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_CACHED_READS

#include "system/file.h"

bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length)
{
    (void)descriptor;
    (void)offset;
    return length == 0;
}

#endif
