/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A piece of memory to be written, with the layout of POSIX's struct iovec so that it can be handed on as it is.
 */
#ifndef EMI_SPAN_H
#define EMI_SPAN_H

#include <stddef.h>

typedef struct emi_span {
    void *data;
    size_t length;
} emi_span;

/** A piece of memory that is only read, as writev(2) and its like do though struct iovec does not say so. */
static inline emi_span emi_span_of(const void *data, size_t length)
{
    union {
        const void *constant;
        void *writable;
    } bytes = {.constant = data};
    return (emi_span){.data = bytes.writable, .length = length};
}

/** The most spans that one gathering may fill. */
#define EMI_MAX_SPANS 16

#endif
