/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A piece of memory to be written, with the layout of POSIX's struct iovec so that it can be handed on as it is.
 */
#ifndef EMI_SPAN_H
#define EMI_SPAN_H

#include <stddef.h>
#include <stdint.h>

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

/** A piece of a file to be sent. */
typedef struct emi_file_span {
    int descriptor;
    uint64_t offset;
    size_t length; /**< not 0 */
} emi_file_span;

/** The most spans that one gathering may fill. */
#define EMI_MAX_SPANS 16

#endif
