/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Systems without a sendfile(2) like Linux's: files are read and sent.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_SENDFILE

#include "base/status_detail.h"
#include "system/file.h"

em_status emi_file_send(int socket, int descriptor, uint64_t offset, size_t length, size_t *sent)
{
    (void)socket;
    (void)descriptor;
    (void)offset;
    (void)length;
    *sent = 0;
    return emi_status_without_detail(EM_UNSUPPORTED);
}

#endif
