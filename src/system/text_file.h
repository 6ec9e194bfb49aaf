/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Small files of the system's configuration, such as /etc/hosts: reading a whole one, and noticing that it has changed.
 */
#ifndef EMI_TEXT_FILE_H
#define EMI_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/** What tells one state of a file from another. Symbolic links are followed, so a link that was changed counts, too. */
typedef struct emi_file_stamp {
    uint64_t device;
    uint64_t inode; /**< 0: there is no such file, or it is not a regular one */
    int64_t size;
    int64_t changed_seconds;
    int64_t changed_ns;
    int64_t modified_seconds;
    int64_t modified_ns;
    bool is_fresh; /**< the file was changed so lately that another change may get the same time */
} emi_file_stamp;

/** Takes the stamp of a file, by one stat(2). A fresh stamp equals no other one. */
void emi_text_file_stamp(const char *path, emi_file_stamp *stamp);

static inline bool emi_file_stamps_equal(const emi_file_stamp *a, const emi_file_stamp *b)
{
    return !a->is_fresh && !b->is_fresh && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_seconds == b->changed_seconds && a->changed_ns == b->changed_ns &&
           a->modified_seconds == b->modified_seconds && a->modified_ns == b->modified_ns;
}

/** Reads a regular file of at most 16 MiB. The text ends with a zero byte; the caller frees it with emi_release. NULL:
 * there is no such file, or it is not a regular one. EM_NO_MEMORY, EM_LIMIT (larger), and statuses of the system. */
em_status emi_text_file_read(const emi_memory *memory, const char *path, char **text, size_t *length);

#endif
