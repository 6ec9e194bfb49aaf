/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The version of the library: the one that a program was compiled against, and the one that it runs on.
 */
#ifndef EVENTMACHINE_VERSION_H
#define EVENTMACHINE_VERSION_H

#include <eventmachine/export.h>

EM_BEGIN_DECLARATIONS

/** The version of these headers, by semantic versioning (https://semver.org). */
#define EM_VERSION_MAJOR 0
#define EM_VERSION_MINOR 1
#define EM_VERSION_PATCH 0
#define EM_VERSION "0.1.0"

/**
 * Returns the version of the library in use, for instance "0.1.0". Compare it with EM_VERSION to detect a shared
 * library that does not match the headers. Any thread. Static text.
 */
EM_API const char *em_get_version(void);

EM_END_DECLARATIONS

#endif
