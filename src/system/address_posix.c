/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Addresses, to and from text, paths and struct sockaddr.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "system/socket.h"

_Static_assert(sizeof(struct sockaddr_un) <= sizeof(((em_address *)0)->storage), "every address fits");

static const size_t path_offset = offsetof(struct sockaddr_un, sun_path);

static int family_of(const em_address *address)
{
    sa_family_t family;
    if (!address || address->length < offsetof(struct sockaddr, sa_family) + sizeof family)
        return AF_UNSPEC;
    memcpy(&family, address->storage.bytes + offsetof(struct sockaddr, sa_family), sizeof family);
    return family;
}

em_status em_address_from_sockaddr(const void *sockaddr, size_t length, em_address *address)
{
    if (!sockaddr || !address)
        return EM_INVALID_ARGUMENT;
    *address = (em_address){.length = 0};
    if (length > sizeof address->storage.bytes)
        return EM_INVALID_ADDRESS;
    memcpy(address->storage.bytes, sockaddr, length);
    address->length = (uint32_t)length;
    return EM_OK;
}

static em_status from_ipv4(const char *text, int port, em_address *address)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) != 1)
        return EM_INVALID_ADDRESS;
    return em_address_from_sockaddr(&ipv4, sizeof ipv4, address);
}

/* RFC 4007, section 11.2: a zone is an interface's name or its number. */
static em_status zone_to_scope(const char *zone, uint32_t *scope)
{
    *scope = if_nametoindex(zone);
    if (*scope != 0)
        return EM_OK;
    char *end;
    unsigned long number = strtoul(zone, &end, 10);
    if (zone[0] < '0' || zone[0] > '9' || *end != '\0' || number > UINT32_MAX)
        return EM_INVALID_ADDRESS;
    *scope = (uint32_t)number;
    return EM_OK;
}

static em_status from_ipv6(const char *text, int port, em_address *address)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    char literal[INET6_ADDRSTRLEN];
    const char *zone = strchr(text, '%');
    size_t length = zone ? (size_t)(zone - text) : strlen(text);
    if (length >= sizeof literal)
        return EM_INVALID_ADDRESS;
    memcpy(literal, text, length);
    literal[length] = '\0';
    if (inet_pton(AF_INET6, literal, &ipv6.sin6_addr) != 1)
        return EM_INVALID_ADDRESS;
    if (zone && zone_to_scope(zone + 1, &ipv6.sin6_scope_id) != EM_OK)
        return EM_INVALID_ADDRESS;
    return em_address_from_sockaddr(&ipv6, sizeof ipv6, address);
}

em_status em_address_from_text(const char *text, int port, em_address *address)
{
    if (!text || !address)
        return EM_INVALID_ARGUMENT;
    *address = (em_address){.length = 0};
    if (port < 0 || port > UINT16_MAX)
        return EM_INVALID_PORT;
    return strchr(text, ':') ? from_ipv6(text, port, address) : from_ipv4(text, port, address);
}

em_status em_address_from_unix_name(const char *name, size_t length, em_address *address)
{
    if (!name || !address)
        return EM_INVALID_ARGUMENT;
    *address = (em_address){.length = 0};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool abstract = length > 0 && name[0] == '\0';
    if (length == 0 || (abstract ? length == 1 : memchr(name, '\0', length) != NULL))
        return EM_INVALID_ADDRESS;
    if (abstract && !EMI_HAVE_ABSTRACT_UNIX)
        return EM_UNSUPPORTED;
    /* The length of a path includes its final zero byte. An abstract name begins with a zero byte and ends without one.
     */
    size_t counted = length + !abstract;
    if (length >= sizeof local.sun_path + abstract)
        return EM_PATH_TOO_LONG;
    memcpy(local.sun_path, name, length);
    return em_address_from_sockaddr(&local, path_offset + counted, address);
}

em_status em_address_from_path(const char *path, em_address *address)
{
    if (!path || !address)
        return EM_INVALID_ARGUMENT;
    char name[sizeof(struct sockaddr_un)];
    size_t length = strlen(path);
    if (path[0] != '@' || length > sizeof name)
        return em_address_from_unix_name(path, length, address);
    memcpy(name, path, length);
    name[0] = '\0';
    return em_address_from_unix_name(name, length, address);
}

/* A zero byte of an abstract name is written as '@', as ss(8) and /proc/net/unix do. */
static int abstract_to_text(const char *name, size_t length, char *text, size_t capacity)
{
    char written[sizeof(struct sockaddr_un)];
    for (size_t i = 0; i < length; i++)
        written[i] = name[i] == '\0' ? '@' : name[i];
    return snprintf(text, capacity, "unix:%.*s", (int)length, written);
}

static int unix_to_text(const em_address *address, char *text, size_t capacity)
{
    size_t length = address->length > path_offset ? address->length - path_offset : 0;
    const char *path = (const char *)address->storage.bytes + path_offset;
    if (length > 0 && path[0] == '\0')
        return abstract_to_text(path, length, text, capacity);
    return snprintf(text, capacity, "unix:%.*s", (int)length, path);
}

static int ipv4_to_text(const em_address *address, char *text, size_t capacity)
{
    struct sockaddr_in ipv4;
    char literal[INET_ADDRSTRLEN];
    memcpy(&ipv4, address->storage.bytes, sizeof ipv4);
    inet_ntop(AF_INET, &ipv4.sin_addr, literal, sizeof literal);
    return snprintf(text, capacity, "%s:%u", literal, ntohs(ipv4.sin_port));
}

static int ipv6_to_text(const em_address *address, char *text, size_t capacity)
{
    struct sockaddr_in6 ipv6;
    char literal[INET6_ADDRSTRLEN];
    memcpy(&ipv6, address->storage.bytes, sizeof ipv6);
    inet_ntop(AF_INET6, &ipv6.sin6_addr, literal, sizeof literal);
    if (ipv6.sin6_scope_id != 0)
        return snprintf(text, capacity, "[%s%%%u]:%u", literal, ipv6.sin6_scope_id, ntohs(ipv6.sin6_port));
    return snprintf(text, capacity, "[%s]:%u", literal, ntohs(ipv6.sin6_port));
}

size_t em_address_to_text(const em_address *address, char *text, size_t capacity)
{
    int length = 0;
    if (capacity > 0)
        text[0] = '\0';
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        length = ipv4_to_text(address, text, capacity);
        break;
    case EM_ADDRESS_IPV6:
        length = ipv6_to_text(address, text, capacity);
        break;
    case EM_ADDRESS_UNIX:
        length = unix_to_text(address, text, capacity);
        break;
    case EM_ADDRESS_NONE:
        break;
    }
    return length > 0 ? (size_t)length : 0;
}

em_address_family em_address_get_family(const em_address *address)
{
    int family = family_of(address);
    if (family == AF_INET && address->length >= sizeof(struct sockaddr_in))
        return EM_ADDRESS_IPV4;
    if (family == AF_INET6 && address->length >= sizeof(struct sockaddr_in6))
        return EM_ADDRESS_IPV6;
    return family == AF_UNIX ? EM_ADDRESS_UNIX : EM_ADDRESS_NONE;
}

void emi_address_set_port(em_address *address, int port)
{
    in_port_t number = htons((uint16_t)port);
    em_address_family family = em_address_get_family(address);
    if (family == EM_ADDRESS_IPV4)
        memcpy(address->storage.bytes + offsetof(struct sockaddr_in, sin_port), &number, sizeof number);
    else if (family == EM_ADDRESS_IPV6)
        memcpy(address->storage.bytes + offsetof(struct sockaddr_in6, sin6_port), &number, sizeof number);
}

static bool are_equal_ipv4(const em_address *one, const em_address *other)
{
    struct sockaddr_in a, b;
    memcpy(&a, one->storage.bytes, sizeof a);
    memcpy(&b, other->storage.bytes, sizeof b);
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

static bool are_equal_ipv6(const em_address *one, const em_address *other)
{
    struct sockaddr_in6 a, b;
    memcpy(&a, one->storage.bytes, sizeof a);
    memcpy(&b, other->storage.bytes, sizeof b);
    return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
           memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

/* Programs leave anything in the unused bytes of a sockaddr_in. */
bool emi_addresses_are_equal(const em_address *one, const em_address *other)
{
    em_address_family family = em_address_get_family(one);
    if (family != em_address_get_family(other))
        return false;
    if (family == EM_ADDRESS_IPV4)
        return are_equal_ipv4(one, other);
    if (family == EM_ADDRESS_IPV6)
        return are_equal_ipv6(one, other);
    return one->length == other->length && memcmp(one->storage.bytes, other->storage.bytes, one->length) == 0;
}

bool emi_address_is_loopback(const em_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        memcpy(&ipv4, address->storage.bytes, sizeof ipv4);
        return ntohl(ipv4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case EM_ADDRESS_IPV6:
        memcpy(&ipv6, address->storage.bytes, sizeof ipv6);
        return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
    case EM_ADDRESS_UNIX:
    case EM_ADDRESS_NONE:
        break;
    }
    return false;
}

int em_address_get_port(const em_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        memcpy(&ipv4, address->storage.bytes, sizeof ipv4);
        return ntohs(ipv4.sin_port);
    case EM_ADDRESS_IPV6:
        memcpy(&ipv6, address->storage.bytes, sizeof ipv6);
        return ntohs(ipv6.sin6_port);
    case EM_ADDRESS_UNIX:
    case EM_ADDRESS_NONE:
        break;
    }
    return -1;
}

#endif
