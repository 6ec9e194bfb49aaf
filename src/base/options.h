/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading option structs, which begin with their size so that they can grow without breaking programs built before.
 */
#ifndef EMI_OPTIONS_H
#define EMI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/loop.h>
#include <eventmachine/status.h>

/** No version of any struct is larger. A greater size is a mistake, mostly memory that was not initialized. */
#define EMI_LARGEST_STRUCT_BYTES ((size_t)4096)

/** Whether a struct that the caller provides, and that begins with its size, can be of this size. */
static inline bool emi_is_struct_size(size_t bytes)
{
    return bytes >= sizeof bytes && bytes <= EMI_LARGEST_STRUCT_BYTES;
}

/**
 * Copies the caller's struct. A shorter one, of a program built against older headers, is completed with zeros. In a
 * longer one the fields that this library does not know must be zero: an option is never ignored. given: NULL for all
 * defaults. EM_INVALID_ARGUMENT for fields that are not known, and for a size that is none; the details begin with
 * `name`.
 */
em_status emi_read_named_options(const char *name, void *own, size_t own_bytes, const void *given);

static inline em_status emi_read_options(void *own, size_t own_bytes, const void *given)
{
    return emi_read_named_options("options", own, own_bytes, given);
}

/** Whether it is one of the values of em_switch, and not memory that was not initialized. */
static inline bool emi_is_switch(em_switch given)
{
    return (unsigned)given <= EM_OFF;
}

/** Whether a handler is given and has none of the callbacks that this library does not know yet. */
#define EMI_IS_HANDLER(handler)                                                                                        \
    ((handler) && emi_are_null((handler)->reserved, sizeof(handler)->reserved / sizeof(handler)->reserved[0]))

static inline bool emi_are_null(void (*const *callbacks)(void), size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (callbacks[i])
            return false;
    return true;
}

#endif
