/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Buffers, patterns and random numbers of the tests.
 */
#include "support/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "support/deadline.h"

void bytes_append(byte_buffer *buffer, const void *data, size_t length)
{
    if (length == 0)
        return;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
    if (length > buffer->capacity - buffer->end) {
        size_t capacity = (buffer->end + length) * 2;
        unsigned char *grown = realloc(buffer->data, capacity);
        if (!grown)
            stop_test("no memory for a buffer of %zu bytes", capacity);
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->end, data, length);
    buffer->end += length;
}

size_t bytes_take(byte_buffer *buffer, void *data, size_t length)
{
    if (length > bytes_length(buffer))
        length = bytes_length(buffer);
    if (data && length > 0)
        memcpy(data, bytes_at(buffer), length);
    buffer->begin += length;
    return length;
}

void bytes_untake(byte_buffer *buffer, const void *data, size_t length)
{
    if (buffer->begin < length) {
        byte_buffer moved = {.data = NULL};
        bytes_append(&moved, data, length);
        bytes_append(&moved, bytes_at(buffer), bytes_length(buffer));
        bytes_free(buffer);
        *buffer = moved;
    } else if (length > 0) {
        buffer->begin -= length;
        memcpy(buffer->data + buffer->begin, data, length);
    }
}

void bytes_free(byte_buffer *buffer)
{
    free(buffer->data);
    *buffer = (byte_buffer){.data = NULL};
}

bool bytes_equal_text(const byte_buffer *buffer, const char *text)
{
    size_t length = strlen(text);
    return bytes_length(buffer) == length && (length == 0 || memcmp(bytes_at(buffer), text, length) == 0);
}

unsigned char pattern_byte(uint64_t offset)
{
    uint64_t mixed = offset * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned char)(mixed >> 56);
}

void pattern_fill(void *data, size_t length, uint64_t offset)
{
    unsigned char *out = data;
    for (size_t i = 0; i < length; i++)
        out[i] = pattern_byte(offset + i);
}

bool pattern_matches(const void *data, size_t length, uint64_t offset)
{
    const unsigned char *in = data;
    for (size_t i = 0; i < length; i++)
        if (in[i] != pattern_byte(offset + i))
            return false;
    return true;
}

/* The linear congruential generator of Knuth's MMIX; its upper bits are the good ones. */
static uint32_t random_half(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 32);
}

uint64_t next_random(uint64_t *seed)
{
    uint64_t high = random_half(seed);
    return high << 32 | random_half(seed);
}

uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    return (uint64_t)random_half(seed) * limit >> 32;
}
