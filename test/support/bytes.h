/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A buffer of bytes that grows, a pattern in which every lost, repeated or exchanged byte is noticed, and random
 * numbers that are the same in every run.
 */
#ifndef TEST_BYTES_H
#define TEST_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct byte_buffer {
    unsigned char *data; /* the memory; its bytes are from `begin` to `end` */
    size_t begin;
    size_t end;
    size_t capacity;
} byte_buffer;

static inline size_t bytes_length(const byte_buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static inline const unsigned char *bytes_at(const byte_buffer *buffer)
{
    return buffer->data + buffer->begin;
}

void bytes_append(byte_buffer *buffer, const void *data, size_t length);

/** Removes up to `length` bytes from the front, copies them to `data` unless it is NULL, and returns how many. */
size_t bytes_take(byte_buffer *buffer, void *data, size_t length);

/** Puts bytes back at the front, where bytes_take has taken them from. */
void bytes_untake(byte_buffer *buffer, const void *data, size_t length);

void bytes_free(byte_buffer *buffer);

/** Whether the buffer holds exactly this text. */
bool bytes_equal_text(const byte_buffer *buffer, const char *text);

/** The byte of the pattern at an offset. */
unsigned char pattern_byte(uint64_t offset);

/** Fills memory with the pattern from an offset on. */
void pattern_fill(void *data, size_t length, uint64_t offset);

/** Whether memory holds the pattern from an offset on. */
bool pattern_matches(const void *data, size_t length, uint64_t offset);

/** The next random number of a sequence; seed: its state. */
uint64_t next_random(uint64_t *seed);

/** A random number below a limit from 1 to 2^32. */
uint64_t random_below(uint64_t *seed, uint64_t limit);

#endif
