/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Programs that a child is to execute: where they are, and whether they can be executed. These are answers for now; the
 * system decides when it executes one.
 */
#ifndef EMI_PROGRAM_H
#define EMI_PROGRAM_H

#include <stddef.h>

#include <eventmachine/status.h>

/**
 * Finds a program. A name with a slash is its path. Any other is looked for in the folders of a list such as the value
 * of PATH; NULL: the system's default list. Relative paths begin in `directory`, unless that is NULL. found: the path.
 * EM_NO_SUCH_FILE; EM_PERMISSION_DENIED if it is there but must not be executed; EM_PATH_TOO_LONG.
 */
em_status emi_program_find(const char *name, const char *folders, const char *directory, char *found,
                           size_t found_bytes);

/** EM_OK if the file is there, which does not say that it can be executed. */
em_status emi_program_exists(const char *path, const char *directory);

/** The environment of this process, environ(7). */
const char *const *emi_own_environment(void);

/** EM_OK if a process can have this as its working directory. */
em_status emi_directory_check(const char *path);

#endif
