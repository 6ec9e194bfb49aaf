/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Addresses of sockets: IPv4, IPv6, Unix domain with a path, Unix domain in Linux's abstract namespace. An address is a
 * plain value and may be copied. Nothing here opens a socket or asks a name server. All functions may be called by any
 * thread; those with a status return EM_INVALID_ARGUMENT for NULL.
 */
#ifndef EVENTMACHINE_ADDRESS_H
#define EVENTMACHINE_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include <eventmachine/export.h>
#include <eventmachine/status.h>

EM_BEGIN_DECLARATIONS

/** The kind of an address. */
typedef enum em_address_family {
    EM_ADDRESS_NONE = 0, /**< empty, or of a family that the library does not know */
    EM_ADDRESS_UNIX = 1, /**< Unix domain, unix(7) */
    EM_ADDRESS_IPV4 = 4, /**< Internet Protocol, version 4, ip(7) */
    EM_ADDRESS_IPV6 = 6  /**< Internet Protocol, version 6, ipv6(7) */
} em_address_family;

/** Enough for the text of any address from em_address_to_text, including the zero byte at its end. */
#define EM_ADDRESS_TEXT_BYTES 160

/**
 * One address in the form of the system's `struct sockaddr`: the first `length` bytes of `bytes` are valid (0: no
 * address). The address of an unnamed Unix socket consists of its family field alone, see unix(7).
 */
typedef struct em_address {
    uint32_t length;
    uint32_t reserved; /**< zero */
    union {
        unsigned char bytes[128];
        uint64_t alignment;
    } storage;
} em_address;

/**
 * Makes an address of a literal IPv4 or IPv6 address (RFC 4291, with an optional %zone as in RFC 4007) and a port.
 * text: for instance "127.0.0.1", "::1", "fe80::1%eth0"; without brackets. port: 0 to 65535.
 * EM_INVALID_ADDRESS if the text is not such a literal (a host name, say), EM_INVALID_PORT.
 */
EM_API em_status em_address_from_text(const char *text, int port, em_address *address);

/**
 * Makes the address of a Unix-domain socket. A path that begins with '@' names a socket in Linux's abstract namespace:
 * the '@' stands for the zero byte, and the rest is the name. To use a file with such a name, write "./@name".
 * EM_PATH_TOO_LONG beyond the system's limit (108 bytes on Linux, unix(7)), EM_INVALID_ADDRESS for an empty path,
 * EM_UNSUPPORTED for an abstract name on a system without them.
 */
EM_API em_status em_address_from_path(const char *path, em_address *address);

/**
 * As em_address_from_path, but the name is given with its length, in the form that unix(7) describes: a name that
 * begins with a zero byte is in the abstract namespace and may contain more zero bytes. '@' has no special meaning.
 * EM_INVALID_ADDRESS also for a path that contains a zero byte.
 */
EM_API em_status em_address_from_unix_name(const char *name, size_t length, em_address *address);

/** Copies a `struct sockaddr` of the given length in bytes. EM_INVALID_ADDRESS if it is longer than 128 bytes. */
EM_API em_status em_address_from_sockaddr(const void *sockaddr, size_t length, em_address *address);

/**
 * Writes the address as text: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "unix:/run/app.sock", "unix:@name" (each
 * zero byte of an abstract name is written as '@'), "unix:" for an unnamed socket, "" for no address. The text is cut
 * to fit into `capacity` bytes and always ends with a zero byte. Returns the length of the whole text without the zero
 * byte, as snprintf(3) does.
 */
EM_API size_t em_address_to_text(const em_address *address, char *text, size_t capacity);

/** Returns the family; EM_ADDRESS_NONE if the address is empty, of an unknown family, or NULL. */
EM_API em_address_family em_address_get_family(const em_address *address);

/** Returns the port, 0 to 65535; -1 if there is none (Unix domain, no address, NULL). */
EM_API int em_address_get_port(const em_address *address);

EM_END_DECLARATIONS

#endif
