/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library's version: what a program was compiled against and what it runs on.
 */
#ifndef EVENTMACHINE_VERSION_H
#define EVENTMACHINE_VERSION_H

#include <eventmachine/export.h>

EM_BEGIN_DECLARATIONS

/** The version of these headers, semantic versioning (https://semver.org). */
#define EM_VERSION_MAJOR 0
#define EM_VERSION_MINOR 1
#define EM_VERSION_PATCH 0
#define EM_VERSION "0.1.0"

/**
 * The version of the library in use, for instance "0.1.0". Compare with EM_VERSION to find a mismatch between the
 * headers and the shared library. Any thread; the text is static.
 */
EM_API const char *em_get_version(void);

EM_END_DECLARATIONS

#endif
