/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Users and groups by name, getpwnam_r(3) and getgrnam_r(3). They may ask a directory service, and so wait.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "system/owners.h"
#include "system/system_error.h"

/* An entry with its strings: a group with very many members is long. */
enum { FIRST_ENTRY_BYTES = 1024, LONGEST_ENTRY_BYTES = 16 * 1024 * 1024 };

/* Looks a name up, with memory for the entry's strings. Returns an errno; *number stays if nobody has the name. */
typedef int (*lookup)(const char *name, char *buffer, size_t bytes, int64_t *number);

static int look_up_user(const char *name, char *buffer, size_t bytes, int64_t *number)
{
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, buffer, bytes, &found);
    if (found)
        *number = (int64_t)entry.pw_uid;
    return error;
}

static int look_up_group(const char *name, char *buffer, size_t bytes, int64_t *number)
{
    struct group entry, *found = NULL;
    int error = getgrnam_r(name, &entry, buffer, bytes, &found);
    if (found)
        *number = (int64_t)entry.gr_gid;
    return error;
}

static int try_to_find(lookup look_up, const char *name, size_t bytes, int64_t *number)
{
    char *buffer = malloc(bytes);
    if (!buffer)
        return ENOMEM;
    int error;
    do {
        error = look_up(name, buffer, bytes, number);
    } while (error == EINTR);
    free(buffer);
    return error;
}

/* The manual page lists what systems return where nobody has the name. */
static bool means_nobody(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM || error == EWOULDBLOCK;
}

/* The largest number is -1, which means "leave it" to chown(2). */
static em_status read_number(const char *text, int64_t *number)
{
    if (strspn(text, "0123456789") != strlen(text))
        return EM_NOT_FOUND;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0 || value >= UINT32_MAX)
        return EM_NOT_FOUND;
    *number = (int64_t)value;
    return EM_OK;
}

static em_status find(lookup look_up, const char *text, int64_t *number)
{
    *number = EMI_KEEP_OWNER;
    if (!text)
        return EM_OK;
    if (text[0] == '\0')
        return EM_INVALID_ARGUMENT;
    int error = ERANGE;
    for (size_t bytes = FIRST_ENTRY_BYTES; error == ERANGE && bytes <= LONGEST_ENTRY_BYTES; bytes *= 4)
        error = try_to_find(look_up, text, bytes, number);
    if (*number != EMI_KEEP_OWNER)
        return EM_OK;
    return means_nobody(error) ? read_number(text, number) : emi_status_from_errno(error);
}

em_status emi_find_user(const char *text, int64_t *number)
{
    return find(look_up_user, text, number);
}

em_status emi_find_group(const char *text, int64_t *number)
{
    return find(look_up_group, text, number);
}

#endif
