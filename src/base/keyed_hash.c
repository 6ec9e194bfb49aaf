/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * SipHash with one round for each eight bytes and three at the end. The order of bytes is the machine's, as a hash
 * never leaves the process.
 */
#include "base/keyed_hash.h"

#include <string.h>

typedef struct state {
    uint64_t a, b, c, d;
} state;

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void run_round(state *of)
{
    of->a += of->b;
    of->c += of->d;
    of->b = rotate(of->b, 13) ^ of->a;
    of->d = rotate(of->d, 16) ^ of->c;
    of->a = rotate(of->a, 32) + of->d;
    of->c += of->b;
    of->d = rotate(of->d, 21) ^ of->a;
    of->b = rotate(of->b, 17) ^ of->c;
    of->c = rotate(of->c, 32);
}

static void absorb(state *of, uint64_t word)
{
    of->d ^= word;
    run_round(of);
    of->a ^= word;
}

uint64_t emi_keyed_hash(emi_hash_key key, const void *bytes, size_t length)
{
    state of = {
        .a = key.words[0] ^ UINT64_C(0x736f6d6570736575),
        .b = key.words[1] ^ UINT64_C(0x646f72616e646f6d),
        .c = key.words[0] ^ UINT64_C(0x6c7967656e657261),
        .d = key.words[1] ^ UINT64_C(0x7465646279746573),
    };
    const unsigned char *next = bytes;
    uint64_t word;
    for (size_t left = length; left >= sizeof word; left -= sizeof word, next += sizeof word) {
        memcpy(&word, next, sizeof word);
        absorb(&of, word);
    }
    word = 0;
    memcpy(&word, next, length % sizeof word);
    absorb(&of, word ^ (uint64_t)length << 56);
    of.c ^= 0xff;
    for (int i = 0; i < 3; i++)
        run_round(&of);
    return of.a ^ of.b ^ of.c ^ of.d;
}
