/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bytes that fuzzers send: four that name the sender, then a pattern of the sender's own. So a receiver knows whose
 * they are, and each byte that is lost, repeated, changed or given to another connection is noticed.
 */
#ifndef TEST_FUZZ_STREAM_H
#define TEST_FUZZ_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUZZ_STREAM_HEADER_BYTES = 4 };

/** What a receiver has had so far; zeroed at first. */
typedef struct fuzz_stream {
    uint64_t bytes;
    uint32_t sender; /**< known after FUZZ_STREAM_HEADER_BYTES */
} fuzz_stream;

/** The sender's bytes from an offset on. */
void fuzz_stream_fill(uint32_t sender, void *data, size_t length, uint64_t offset);

/** Takes note of what arrived; false if it is not what comes next. */
bool fuzz_stream_accept(fuzz_stream *stream, const void *data, size_t length);

static inline bool fuzz_stream_is_known(const fuzz_stream *stream)
{
    return stream->bytes >= FUZZ_STREAM_HEADER_BYTES;
}

#endif
