/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names by RFC 1035.
 */
#include "dns/dns_name.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool emi_name_is_under(const char *name, const char *top)
{
    size_t length = emi_name_length(name);
    size_t tail = strlen(top);
    if (length < tail || strncasecmp(name + length - tail, top, tail) != 0)
        return false;
    return length == tail || name[length - tail - 1] == '.';
}

/* Digits and dots only: a malformed IPv4 address, which no resolver should see (RFC 3493 would read "1.2" as one). */
static bool looks_like_ipv4(const char *name)
{
    return name[strspn(name, "0123456789.")] == '\0';
}

/* "0x7f000001" and "0x7f.1", which inet_aton(3) reads as addresses: one parser decides, and it is em_address_from_text.
 */
static bool looks_like_hexadecimal(const char *name)
{
    return name[0] == '0' && (name[1] == 'x' || name[1] == 'X') &&
           name[2 + strspn(name + 2, "0123456789abcdefABCDEF.xX")] == '\0';
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

em_status emi_name_check_query(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > EMI_LONGEST_NAME || !has_good_labels(name))
        return EM_INVALID_ADDRESS;
    if (length == EMI_LONGEST_NAME && name[length - 1] != '.')
        return EM_INVALID_ADDRESS;
    for (size_t i = 0; i < length; i++)
        if (isspace((unsigned char)name[i]) || iscntrl((unsigned char)name[i]))
            return EM_INVALID_ADDRESS;
    return EM_OK;
}

em_status emi_name_check(const char *name)
{
    if (strchr(name, ':') || looks_like_ipv4(name) || looks_like_hexadecimal(name))
        return EM_INVALID_ADDRESS;
    em_status status = emi_name_check_query(name);
    if (status != EM_OK)
        return status;
    return emi_name_is_under(name, "invalid") || emi_name_is_under(name, "onion") ? EM_NAME_NOT_FOUND : EM_OK;
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
        hash = (hash ^ (uint32_t)tolower((unsigned char)name[i])) * 16777619U;
    return hash;
}

bool emi_names_are_equal(const char *one, const char *other)
{
    size_t length = emi_name_length(one);
    return emi_name_length(other) == length && strncasecmp(one, other, length) == 0;
}
