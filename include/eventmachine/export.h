/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The macros by which public symbols are exported and the headers can be included in C++.
 */
#ifndef EVENTMACHINE_EXPORT_H
#define EVENTMACHINE_EXPORT_H

#if defined(__GNUC__)
#define EM_API __attribute__((visibility("default")))
#else
#define EM_API
#endif

#ifdef __cplusplus
#define EM_BEGIN_DECLARATIONS extern "C" {
#define EM_END_DECLARATIONS }
#else
#define EM_BEGIN_DECLARATIONS
#define EM_END_DECLARATIONS
#endif

#endif
