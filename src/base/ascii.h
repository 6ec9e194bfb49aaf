/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Letters in protocols are those of ASCII. The functions of <ctype.h> and <strings.h> depend on the locale of the
 * program: in a Turkish one "INVALID" is not "invalid", and in Latin-1 bytes of UTF-8 are letters or control
 * characters.
 */
#ifndef EMI_ASCII_H
#define EMI_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline unsigned char emi_ascii_lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

/** Whether two texts of this length are the same, whatever the case of their letters. */
static inline bool emi_ascii_same(const void *one, const void *other, size_t length)
{
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < length; i++)
        if (emi_ascii_lower(a[i]) != emi_ascii_lower(b[i]))
            return false;
    return true;
}

#endif
