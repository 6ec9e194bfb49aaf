/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections: to a name, to an address, to several addresses, to a Unix-domain socket. All functions here are
 * for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_CONNECT_H
#define EVENTMACHINE_CONNECT_H

#include <eventmachine/address.h>
#include <eventmachine/connection.h>
#include <eventmachine/handler.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/**
 * Options of em_loop_connect and its variants. Begin with `.size = sizeof options`; zero means the
 * default. Copied, together with the strings and options that they refer to.
 */
typedef struct em_connect_options {
    size_t size;             /**< sizeof (em_connect_options) */
    void *user;              /**< the connection's user pointer, set before post_init */
    const char *bind_host;   /**< local end: a literal address or a name; NULL or "": chosen by the system */
    int bind_port;           /**< local port; 0: chosen by the system */
    em_switch reuse_address; /**< SO_REUSEADDR on the local end when bound. Default: on */

    /** How long resolving and connecting may take altogether, however many addresses are tried; see also
     * timeout_includes_tls. 0: 20 seconds. EM_FOREVER: as long as the system tries. */
    uint64_t connect_timeout_ns;

    const em_stream_options *stream; /**< NULL: all defaults */

    /** Where several addresses are tried (RFC 8305): how long after the start of one attempt the next one starts,
     * unless an attempt fails earlier. 0: 250 ms. At least 100 ms, or 10 ms with short_attempt_delay; less is refused
     * (EM_INVALID_ARGUMENT), because every connection would be made to all addresses. */
    uint64_t attempt_delay_ns;

    /** How long the addresses of one family wait for those of the preferred family, while a name is resolved. 0: 50 ms.
     * EM_FOREVER: until both are known. */
    uint64_t resolution_delay_ns;

    /** The family of the address that is tried first: EM_ADDRESS_IPV6 or EM_ADDRESS_IPV4. EM_ADDRESS_NONE: by RFC 6724,
     * which means IPv6 in most cases. The two families alternate in any case. */
    em_address_family preferred_family;

    em_switch short_attempt_delay; /**< EM_ON: attempt_delay_ns may be less than 100 ms. Default: off */

    /** EM_ON: connect_timeout_ns covers the TLS handshake as well, if em_connection_start_tls is called before
     * connection_completed returns. A handshake that is not finished then ends with EM_TLS_HANDSHAKE_TIMEOUT, as after
     * its own handshake_timeout_ns. Default: off */
    em_switch timeout_includes_tls;

    unsigned reserved; /**< 0 */
} em_connect_options;

/**
 * Opens a TCP connection. Does not wait: when it returns, post_init has been called, and connection_completed or unbind
 * follows later. Data that is sent before the connection is established is kept and sent then.
 *
 * host: a literal IPv4 or IPv6 address, or a name. A name is resolved without blocking the loop. Names under localhost
 * mean 127.0.0.1, then ::1 (RFC 6761). port: 1 to 65535. handler: required. options: NULL for defaults. connection: set
 * to the handle, NULL on failure; may be NULL.
 *
 * The addresses of a name are tried as in RFC 8305 (Happy Eyeballs): IPv6 and IPv4 alternate, the next attempt starts
 * when an attempt has failed or 250 ms after the last start, and earlier attempts go on. The first that is connected
 * wins, and the others are closed. Each address is tried once, 16 of them at most. The loop remembers for ten minutes
 * which address of a host has worked if that was not the first one, and begins with it. There is no socket until one
 * has won, so em_connection_get_descriptor returns -1 until then. Options of the socket can be set nevertheless, see
 * em_connection_set_socket_option.
 *
 * A name in options->bind_host is resolved at the same time as the peer's, with the same deadline. Each address of the
 * peer is tried from the first local address of its family, and left out if there is none. If every address is left
 * out, the error is EM_ADDRESS_FAMILY. If the local name does not resolve, it is EM_ADDRESS_NOT_AVAILABLE. The call
 * returns these; after a lookup they are unbind's reason.
 *
 * Errors that can be found without the network are returned at once, and no callback is called: EM_INVALID_ARGUMENT,
 * EM_INVALID_PORT, EM_INVALID_ADDRESS (malformed), EM_NAME_NOT_FOUND (a name under .invalid, RFC 6761),
 * EM_ADDRESS_IN_USE and the like for the local end, EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_LIMIT (no
 * thread can be started to resolve a name), EM_FORKED, EM_INVALID_STATE (the loop is being destroyed). Errors of the
 * network are unbind's reason.
 */
EM_API em_status em_loop_connect(em_loop *loop, const char *host, int port, const em_handler *handler,
                                 const em_connect_options *options, em_connection **connection);

/**
 * As em_loop_connect, to a Unix-domain socket, unix(7). path: as for em_address_from_path. bind_host and bind_port do
 * not apply. The system decides at once here, so the call also returns the errors of connecting: EM_NO_SUCH_FILE,
 * EM_CONNECTION_REFUSED, EM_PERMISSION_DENIED, EM_PATH_TOO_LONG. While the server's backlog is full, connecting is
 * tried again until the connect timeout.
 */
EM_API em_status em_loop_connect_unix_domain(em_loop *loop, const char *path, const em_handler *handler,
                                             const em_connect_options *options, em_connection **connection);

/**
 * As em_loop_connect, to an address of any family: to a Unix-domain name from em_address_from_unix_name, for instance.
 * EM_INVALID_ADDRESS if it is empty or of a family that the library does not know, EM_INVALID_PORT for port 0.
 */
EM_API em_status em_loop_connect_to(em_loop *loop, const em_address *address, const em_handler *handler,
                                    const em_connect_options *options, em_connection **connection);

/**
 * As em_loop_connect with a name that has these addresses: for programs that resolve names themselves, or that check
 * the addresses of a name and must connect to exactly what they have checked. They are tried in the given order, except
 * that IPv6 and IPv4 alternate. Duplicates and addresses beyond the sixteenth of a family are left out.
 *
 * addresses: an array of `count` addresses, IPv4 or IPv6, which is copied. count: at least 1. The attempts begin with
 * the next turn of the loop, so all their failures are unbind's reason. EM_INVALID_ADDRESS if one is of another family,
 * EM_INVALID_PORT for port 0.
 */
EM_API em_status em_loop_connect_addresses(em_loop *loop, const em_address *addresses, size_t count,
                                           const em_handler *handler, const em_connect_options *options,
                                           em_connection **connection);

EM_END_DECLARATIONS

#endif
