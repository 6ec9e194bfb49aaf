/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names by RFC 1035.
 */
#include "dns/dns_name.h"

#include <string.h>

#include "base/ascii.h"

bool emi_name_is_under(const char *name, const char *top)
{
    size_t length = emi_name_length(name);
    size_t tail = strlen(top);
    if (length < tail || !emi_ascii_same(name + length - tail, top, tail))
        return false;
    return length == tail || name[length - tail - 1] == '.';
}

/* Digits, or hexadecimal ones after "0x". */
static bool is_number(const char *label, size_t length)
{
    if (length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
        return 2 + strspn(label + 2, "0123456789abcdefABCDEF") >= length;
    return strspn(label, "0123456789") >= length;
}

/* "127.1", "0x7f000001", "127.0.0.0x1", "010.0.0.1", "1.2.3.4.5": inet_aton(3), and with it getaddrinfo(3), reads most
 * names of numbers as IPv4 addresses, of which a program that has checked the name knows nothing. One parser decides
 * what an address is: em_address_from_text. */
static bool looks_like_ipv4(const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        if (!is_number(name, length))
            return false;
        name += length;
        if (*name == '.')
            name++;
    }
    return true;
}

/* getaddrinfo(3) of glibc takes "*" for no name at all, which means this machine. */
static bool is_asterisk(const char *name)
{
    return strcmp(name, "*") == 0;
}

/* Labels of 1 to 63 bytes (RFC 1035, section 2.3.4), separated by dots, with or without a final one. */
static bool has_good_labels(const char *name)
{
    for (const char *label = name; *label;) {
        size_t length = strcspn(label, ".");
        if (length == 0 || length > EMI_LONGEST_LABEL)
            return false;
        label += length;
        if (*label == '.')
            label++;
    }
    return true;
}

static bool is_well_formed(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > EMI_LONGEST_NAME || !has_good_labels(name))
        return false;
    if (length == EMI_LONGEST_NAME && name[length - 1] != '.')
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            return false;
    return true;
}

em_status emi_name_check_query(const char *name)
{
    if (strcmp(name, ".") == 0)
        return EM_OK;
    if (!is_well_formed(name))
        return EM_INVALID_ADDRESS;
    return emi_name_is_under(name, "invalid") || emi_name_is_under(name, "onion") ? EM_NAME_NOT_FOUND : EM_OK;
}

em_status emi_name_check(const char *name)
{
    bool is_root = strcmp(name, ".") == 0;
    if (is_root || strchr(name, ':') || looks_like_ipv4(name) || is_asterisk(name))
        return EM_INVALID_ADDRESS;
    return emi_name_check_query(name);
}

/* Comparing */

size_t emi_name_length(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

/* FNV-1a. */
uint32_t emi_name_hash(const char *name, size_t length)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ emi_ascii_lower((unsigned char)name[i])) * 16777619U;
    return hash;
}

bool emi_names_are_equal(const char *one, const char *other)
{
    size_t length = emi_name_length(one);
    return emi_name_length(other) == length && emi_ascii_same(one, other, length);
}
