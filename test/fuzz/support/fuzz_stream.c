/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bytes that fuzzers send.
 */
#include "fuzz/support/fuzz_stream.h"

#include "support/bytes.h"

/* How far apart the patterns of two senders begin. */
#define STRIDE UINT64_C(1000000007)

void fuzz_stream_fill(uint32_t sender, void *data, size_t length, uint64_t offset)
{
    unsigned char *out = data;
    for (; length > 0 && offset < FUZZ_STREAM_HEADER_BYTES; length--, offset++)
        *out++ = (unsigned char)(sender >> (8 * offset));
    pattern_fill(out, length, sender * STRIDE + offset);
}

bool fuzz_stream_accept(fuzz_stream *stream, const void *data, size_t length)
{
    const unsigned char *in = data;
    for (; length > 0 && stream->bytes < FUZZ_STREAM_HEADER_BYTES; length--, stream->bytes++)
        stream->sender |= (uint32_t)*in++ << (8 * stream->bytes);
    if (length == 0)
        return true;
    bool matches = pattern_matches(in, length, stream->sender * STRIDE + stream->bytes);
    stream->bytes += length;
    return matches;
}
