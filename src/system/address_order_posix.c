/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Ranks by RFC 6724. Each of its rules compares a property that a destination has alone. So the properties make one
 * number, with that of the first rule in the highest bits. Rules 3, 4 and 7 (deprecated, home and tunnelled addresses)
 * need what the system does not tell. Rule 9 is applied to IPv6 only: on IPv4, every client in a network would prefer
 * the same one of many servers.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "system/address_order.h"

/* An address as IPv6, where IPv4 is mapped (RFC 4291, section 2.5.5.2). */
typedef struct in6_addr ipv6;

enum { LINK_LOCAL = 0x2, SITE_LOCAL = 0x5, GLOBAL = 0xe };

static ipv6 to_ipv6(const em_address *address)
{
    struct sockaddr_in6 long_form;
    struct sockaddr_in short_form;
    if (em_address_get_family(address) == EM_ADDRESS_IPV6) {
        memcpy(&long_form, address->storage.bytes, sizeof long_form);
        return long_form.sin6_addr;
    }
    ipv6 mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&short_form, address->storage.bytes, sizeof short_form);
    memcpy(mapped.s6_addr + 12, &short_form.sin_addr, 4);
    return mapped;
}

/* RFC 6724, section 2.1. */
static const struct policy {
    unsigned char prefix[16];
    unsigned bits;
    unsigned precedence;
    unsigned label;
} policies[] = {
    {{[15] = 1}, 128, 50, 0},  {{[10] = 0xff, [11] = 0xff}, 96, 35, 4},
    {{[0] = 0}, 96, 1, 3},     {{0x20, 0x01, 0, 0}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2}, {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11}, {{0xfc, 0}, 7, 3, 13},
    {{0}, 0, 40, 1},
};

static unsigned common_bits(const unsigned char *a, const unsigned char *b, unsigned most)
{
    unsigned bits = 0;
    while (bits < most && ((a[bits / 8] ^ b[bits / 8]) & (0x80 >> bits % 8)) == 0)
        bits++;
    return bits;
}

static const struct policy *find_policy(const ipv6 *address)
{
    const struct policy *policy = policies;
    while (common_bits(policy->prefix, address->s6_addr, policy->bits) < policy->bits)
        policy++;
    return policy;
}

/* RFC 6724, section 3.2: loopback and link-local IPv4 addresses have link-local scope, all others global scope. */
static unsigned scope_of_ipv4(const unsigned char *bytes)
{
    return bytes[0] == 127 || (bytes[0] == 169 && bytes[1] == 254) ? LINK_LOCAL : GLOBAL;
}

static unsigned scope_of(const ipv6 *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        return scope_of_ipv4(address->s6_addr + 12);
    if (IN6_IS_ADDR_MULTICAST(address))
        return address->s6_addr[1] & 0x0f;
    if (IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_LOOPBACK(address))
        return LINK_LOCAL;
    return IN6_IS_ADDR_SITELOCAL(address) ? SITE_LOCAL : GLOBAL;
}

/* The rule's number is its place in the RFC. */
static uint64_t rank(const ipv6 *to, const ipv6 *from)
{
    const struct policy *policy = find_policy(to);
    unsigned scope = scope_of(to);
    uint64_t result = (uint64_t)policy->precedence << 16; /* 6 */
    result |= (uint64_t)(0xf - (scope & 0xf)) << 8;       /* 8 */
    if (!from)
        return result;
    result |= UINT64_C(1) << 32;                                                                  /* 1 */
    result |= (uint64_t)(scope_of(from) == scope) << 31;                                          /* 2 */
    result |= (uint64_t)(find_policy(from)->label == policy->label) << 30;                        /* 5 */
    return result | (IN6_IS_ADDR_V4MAPPED(to) ? 0 : common_bits(to->s6_addr, from->s6_addr, 64)); /* 9 */
}

unsigned emi_address_precedence(const em_address *address)
{
    ipv6 bytes = to_ipv6(address);
    return find_policy(&bytes)->precedence;
}

uint64_t emi_address_rank(const em_address *destination, const em_address *source)
{
    ipv6 to = to_ipv6(destination);
    if (!source)
        return rank(&to, NULL);
    ipv6 from = to_ipv6(source);
    return rank(&to, &from);
}

void emi_addresses_sort(em_address *list, uint64_t *ranks, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        em_address address = list[i];
        uint64_t own = ranks[i];
        unsigned to = i;
        for (; to > 0 && ranks[to - 1] < own; to--) {
            list[to] = list[to - 1];
            ranks[to] = ranks[to - 1];
        }
        list[to] = address;
        ranks[to] = own;
    }
}

#endif
