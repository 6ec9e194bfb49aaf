/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Looking for programs as execvp(3) does, but in folders that the caller names.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/program.h"
#include "system/system_error.h"

/* The path as this process sees it; NULL if it is too long. */
static const char *seen_from_here(const char *path, const char *directory, char *buffer, size_t buffer_bytes)
{
    if (!directory || path[0] == '/')
        return path;
    int length = snprintf(buffer, buffer_bytes, "%s/%s", directory, path);
    return length < 0 || (size_t)length >= buffer_bytes ? NULL : buffer;
}

static em_status check(const char *path, const char *directory)
{
    char buffer[PATH_MAX];
    struct stat file;
    path = seen_from_here(path, directory, buffer, sizeof buffer);
    if (!path)
        return EM_PATH_TOO_LONG;
    if (stat(path, &file) < 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return emi_last_status();
    return S_ISREG(file.st_mode) ? EM_OK : emi_status_from_errno(EACCES);
}

static em_status copy(const char *name, char *found, size_t found_bytes)
{
    if (strlen(name) >= found_bytes)
        return emi_status_from_errno(ENAMETOOLONG);
    memcpy(found, name, strlen(name) + 1);
    return EM_OK;
}

/* An empty folder is the working directory. */
static em_status try_folder(const char *folder, size_t length, const char *name, const char *directory, char *found,
                            size_t found_bytes)
{
    int written = snprintf(found, found_bytes, "%.*s%s%s", (int)length, folder, length > 0 ? "/" : "./", name);
    if (written < 0 || (size_t)written >= found_bytes)
        return emi_status_from_errno(ENAMETOOLONG);
    return check(found, directory);
}

/* Goes on after a folder that is none, that is closed to this user or whose file must not be executed, but remembers
 * the latter. */
static em_status search(const char *name, const char *folders, const char *directory, char *found, size_t found_bytes)
{
    bool forbidden = false;
    for (const char *folder = folders;;) {
        size_t length = strcspn(folder, ":");
        em_status status =
            length > PATH_MAX ? EM_PATH_TOO_LONG : try_folder(folder, length, name, directory, found, found_bytes);
        if (status == EM_OK)
            return EM_OK;
        forbidden = forbidden || status == EM_PERMISSION_DENIED;
        if (folder[length] == '\0')
            return emi_status_from_errno(forbidden ? EACCES : ENOENT);
        folder += length + 1;
    }
}

em_status emi_program_find(const char *name, const char *folders, const char *directory, char *found,
                           size_t found_bytes)
{
    char standard[256];
    if (strchr(name, '/') || name[0] == '\0')
        return name[0] == '\0' ? emi_status_from_errno(ENOENT) : copy(name, found, found_bytes);
    if (!folders) {
        size_t length = confstr(_CS_PATH, standard, sizeof standard);
        folders = length > 0 && length <= sizeof standard ? standard : "/usr/bin:/bin";
    }
    return search(name, folders, directory, found, found_bytes);
}

em_status emi_program_exists(const char *path, const char *directory)
{
    char buffer[PATH_MAX];
    path = seen_from_here(path, directory, buffer, sizeof buffer);
    return path && access(path, F_OK) == 0 ? EM_OK : EM_NO_SUCH_FILE;
}

const char *const *emi_own_environment(void)
{
    return (const char *const *)environ;
}

em_status emi_directory_check(const char *path)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return emi_last_status();
    if (!S_ISDIR(file.st_mode))
        return emi_status_from_errno(ENOTDIR);
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? emi_last_status() : EM_OK;
}

#endif
