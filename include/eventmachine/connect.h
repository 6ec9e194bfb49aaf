/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections: to a name, an address, several addresses or a Unix-domain socket. All functions here are for the
 * loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_CONNECT_H
#define EVENTMACHINE_CONNECT_H

#include <eventmachine/address.h>
#include <eventmachine/connection.h>
#include <eventmachine/handler.h>
#include <eventmachine/loop.h>
#include <eventmachine/tls.h>

EM_BEGIN_DECLARATIONS

/**
 * Options of em_loop_connect and its variants. Begin with `em_connect_options options = { .size = sizeof options };`. A
 * field that is zero keeps its default. Everything is copied.
 */
typedef struct em_connect_options {
    size_t size;             /**< sizeof (em_connect_options), so that the struct can grow */
    void *user;              /**< the connection's user pointer, set before post_init */
    const char *bind_host;   /**< local end: a literal address or a name; NULL or "": chosen by the system */
    int bind_port;           /**< local port; 0: chosen by the system */
    em_switch reuse_address; /**< SO_REUSEADDR on the local end when bound. Default: on */

    /** How long resolving and connecting may take altogether, however many addresses are tried. After that, unbind's
     * reason is EM_RESOLVE_TIMEOUT if no address is known yet, otherwise EM_CONNECT_TIMEOUT. See also
     * timeout_includes_tls. 0: 20 seconds. EM_FOREVER: as long as the resolver and the system try. */
    uint64_t connect_timeout_ns;

    const em_stream_options *stream; /**< NULL: all defaults */

    /** Connection Attempt Delay of RFC 8305, if several addresses are tried: how long after the start of one attempt
     * the next one starts, unless an attempt fails earlier. At least 100 ms, or 10 ms with short_attempt_delay. Less is
     * refused (EM_INVALID_ARGUMENT), because then nearly every connection would be attempted to all addresses. 0: 250
     * ms. */
    uint64_t attempt_delay_ns;

    /** Resolution Delay of RFC 8305: how long the addresses of the other family wait for those of the preferred family,
     * while a name is resolved. 0: 50 ms. EM_FOREVER: until both are known. */
    uint64_t resolution_delay_ns;

    /** The family of the address that is tried first: EM_ADDRESS_IPV6 or EM_ADDRESS_IPV4. EM_ADDRESS_NONE: the one with
     * the higher precedence by RFC 6724, which is IPv6 in most cases. Whichever it is, the two families alternate. An
     * address that the loop remembers (see em_loop_connect) comes before the family that is given here. */
    em_address_family preferred_family;

    em_switch short_attempt_delay; /**< EM_ON: attempt_delay_ns may be as short as 10 ms. Default: off */

    /** EM_ON: connect_timeout_ns covers the TLS handshake as well, if em_connection_start_tls is called before
     * connection_completed returns. If the handshake is not finished in time, unbind's reason is
     * EM_TLS_HANDSHAKE_TIMEOUT, as after handshake_timeout_ns. Default: off, but always on with `tls`, for which EM_OFF
     * is refused */
    em_switch timeout_includes_tls;

    unsigned reserved; /**< 0 */

    /**
     * TLS that begins by itself. Each address that is connected does a handshake of its own. The first that has
     * finished it wins, provided that its certificate is verified, unless the context verifies none. Until then, the
     * next addresses are tried as if it were not connected yet. So an address that accepts connections and never
     * answers, or has the wrong certificate, costs no more than one that is dead.
     *
     * connection_completed is called after the handshake, and then ssl_handshake_completed. What is sent before is kept
     * and sent encrypted, to the winner only. Until then, em_connection_get_state returns EM_STATE_CONNECTING, and
     * em_connection_start_tls and em_connection_get_tls_info return EM_INVALID_STATE. connect_timeout_ns covers
     * everything. When it passes during a handshake, the reason is EM_TLS_HANDSHAKE_TIMEOUT. In addition, each
     * handshake has the options' handshake_timeout_ns. If all addresses fail, the reason is the most telling status,
     * such as EM_TLS_WRONG_NAME, and its text lists what each address did.
     *
     * The callbacks of the context are called on this connection, several times if there are several handshakes, which
     * may alternate. verify_peer decides about the address whose certificate it gets, which
     * em_connection_get_peer_address returns meanwhile. If it rejects one, the race goes on.
     *
     * hostname: if it is NULL, the host that em_loop_connect gets, or the address if there is only one. role: not
     * EM_TLS_SERVER. Not for Unix-domain sockets (EM_UNSUPPORTED). The call returns the errors that
     * em_connection_start_tls can return, EM_UNSUPPORTED without OpenSSL, and leaves all others to unbind, also those
     * of the local end of a literal address. Copied; the context is retained. NULL: no TLS, until
     * em_connection_start_tls is called.
     */
    const em_tls_options *tls;
} em_connect_options;

/**
 * Opens a TCP connection. Does not wait: when it returns, post_init has been called, and connection_completed or unbind
 * follows later. Data that is sent before the connection is established is kept and sent then.
 *
 * host: a literal IPv4 or IPv6 address, or a name, which is resolved without blocking the loop (see resolver.h). port:
 * 1 to 65535. handler: required. options: NULL for all defaults. connection: set to the handle, NULL on failure; may be
 * NULL.
 *
 * The addresses of a name are tried as in RFC 8305 (Happy Eyeballs). IPv6 and IPv4 alternate. The next attempt starts
 * when an attempt has failed, or 250 ms after the last start, and earlier attempts go on. The first that is connected
 * wins, and the others are closed. Each address is tried once, and at most 16 are tried. If there is no descriptor or
 * memory for an attempt, it is made later, as long as another one is running. If the address that worked was not the
 * first one, the loop begins with it for the next ten minutes. The connection has no socket until an attempt has won,
 * so em_connection_get_descriptor returns -1 until then. Options of the socket can be set nevertheless, see
 * em_connection_set_socket_option.
 *
 * If all attempts fail, unbind's reason is that of the most telling failure: one of this machine, such as
 * EM_NO_DESCRIPTORS, before a refusal, and a refusal before an unreachable network. em_connection_get_reason lists
 * every address. A socket that was connected to itself by chance counts as refused.
 *
 * A name in options->bind_host is resolved at the same time as the peer's, with the same deadline. Each address of the
 * peer is tried from the first local address of its family, and left out if there is none. If every address is left
 * out, the error is EM_ADDRESS_FAMILY. If the local name cannot be resolved, it is EM_ADDRESS_NOT_AVAILABLE. The call
 * returns these errors; if something had to be looked up first, they are unbind's reason. A literal address and a port
 * are tried at once, whatever the peer is.
 *
 * Errors that can be found without the network are returned at once, and no callback is called: EM_INVALID_ARGUMENT,
 * EM_INVALID_PORT, EM_INVALID_ADDRESS (malformed), EM_NAME_NOT_FOUND (a name under .invalid or .onion),
 * EM_ADDRESS_IN_USE and the like for the local end, EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_RESOLVER_FAILED (c-ares cannot
 * be initialised), EM_LIMIT (no thread can be started to resolve a name), EM_FORKED, EM_INVALID_STATE (the loop is
 * being destroyed). Errors of the resolver and of the network are unbind's reason. The resolver's are
 * EM_NAME_NOT_FOUND, EM_NO_RECORDS, EM_RESOLVER_FAILED and EM_RESOLVE_TIMEOUT.
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
 * that IPv6 and IPv4 alternate. Duplicates are left out, and so are addresses after the first 16 of a family.
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
