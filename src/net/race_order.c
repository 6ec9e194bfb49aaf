/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the race compares: addresses by their precedence, and failures by how much they tell.
 */
#include <netinet/in.h>
#include <string.h>

#include "net/race.h"

bool emi_addresses_are_equal(const em_address *one, const em_address *other)
{
    return one->length == other->length && memcmp(one->storage.bytes, other->storage.bytes, one->length) == 0;
}

/* The policy table of RFC 6724, section 2.1, longest prefixes first. */
static const struct {
    uint8_t prefix[16];
    unsigned bits;
    int precedence;
} policies[] = {
    {{[15] = 1}, 128, 50},                /* ::1 */
    {{[10] = 0xff, [11] = 0xff}, 96, 35}, /* ::ffff:0:0/96, IPv4 */
    {{0}, 96, 1},                         /* ::/96 */
    {{0x20, 0x01}, 32, 5},                /* 2001::/32, Teredo */
    {{0x20, 0x02}, 16, 30},               /* 2002::/16, 6to4 */
    {{0x3f, 0xfe}, 16, 1},                /* 3ffe::/16 */
    {{0xfe, 0xc0}, 10, 1},                /* fec0::/10 */
    {{0xfc}, 7, 3},                       /* fc00::/7, unique local */
};

enum { PRECEDENCE_OF_IPV4 = 35, PRECEDENCE_OF_LOOPBACK_OF_IPV4 = 60, PRECEDENCE_OF_IPV6 = 40 };

static bool has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned mask = 0xffU << (8 - bits % 8) & 0xffU;
    return memcmp(bytes, prefix, whole) == 0 && (bits % 8 == 0 || ((bytes[whole] ^ prefix[whole]) & mask) == 0);
}

static int precedence_of_ipv6(const uint8_t *bytes)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        if (has_prefix(bytes, policies[i].prefix, policies[i].bits))
            return policies[i].precedence;
    return PRECEDENCE_OF_IPV6;
}

int emi_address_precedence(const em_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    if (em_address_get_family(address) == EM_ADDRESS_IPV6) {
        memcpy(&ipv6, address->storage.bytes, sizeof ipv6);
        return precedence_of_ipv6(ipv6.sin6_addr.s6_addr);
    }
    memcpy(&ipv4, address->storage.bytes, sizeof ipv4);
    return ntohl(ipv4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? PRECEDENCE_OF_LOOPBACK_OF_IPV4 : PRECEDENCE_OF_IPV4;
}

/* The more a status tells, the later it comes here. What this machine lacks tells most, because it concerns every
 * address. Then comes what the peer has said, then what the network has said. Statuses that are not listed tell more
 * than the network. */
static const em_status by_weight[] = {
    EM_ADDRESS_FAMILY,      EM_ADDRESS_NOT_AVAILABLE, EM_NETWORK_DOWN,
    EM_NETWORK_UNREACHABLE, EM_HOST_UNREACHABLE,      EM_TIMED_OUT,
    EM_SYSTEM_ERROR,        EM_CONNECTION_ABORTED,    EM_CONNECTION_RESET,
    EM_CONNECTION_REFUSED,  EM_PERMISSION_DENIED,     EM_ADDRESS_IN_USE,
    EM_NO_BUFFERS,          EM_NO_DESCRIPTORS,        EM_NO_MEMORY,
};

static unsigned weight_of(em_status status)
{
    unsigned unlisted = 0;
    for (unsigned i = 0; i < sizeof by_weight / sizeof by_weight[0]; i++) {
        if (by_weight[i] == status)
            return i;
        if (by_weight[i] == EM_SYSTEM_ERROR)
            unlisted = i;
    }
    return unlisted;
}

bool emi_is_lookup_failure(em_status status)
{
    return status == EM_RESOLVER_FAILED || status == EM_RESOLVE_TIMEOUT || status == EM_NO_MEMORY || status == EM_LIMIT;
}

/* Without an attempt: addresses that were excluded tell most, then a lookup that has failed, then one that has found
 * nothing. */
static em_status reason_of_lookup(const emi_race *race)
{
    em_status reason = EM_NAME_NOT_FOUND;
    for (unsigned family = 0; family < EMI_RACE_FAMILIES; family++) {
        const emi_race_list *list = &race->lists[family];
        if (list->addresses.count > 0 && list->is_excluded)
            return EM_ADDRESS_FAMILY;
        if (!list->is_known || list->status == EM_OK || list->status == EM_NAME_NOT_FOUND)
            continue;
        if (!emi_is_lookup_failure(reason))
            reason = list->status;
    }
    return reason;
}

em_status emi_race_reason(const emi_race *race, int *system_error)
{
    const emi_race_attempt *telling = NULL;
    for (unsigned i = 0; i < race->attempt_count; i++) {
        const emi_race_attempt *attempt = &race->attempts[i];
        if (attempt->state == EMI_ATTEMPT_FAILED &&
            (!telling || weight_of((em_status)attempt->status) > weight_of((em_status)telling->status)))
            telling = attempt;
    }
    if (telling) {
        *system_error = telling->system_error;
        return (em_status)telling->status;
    }
    em_status reason = reason_of_lookup(race);
    *system_error = em_status_get_system_error(reason);
    return reason;
}
