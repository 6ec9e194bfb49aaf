/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers: listening sockets, and the connections that they accept. All functions here are for the loop's thread, and
 * any callback may call them.
 */
#ifndef EVENTMACHINE_SERVER_H
#define EVENTMACHINE_SERVER_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** A server. Owned by its loop; valid until em_server_stop or em_loop_destroy. */
typedef struct em_server em_server;

/**
 * Options of a server. Begin with `.size = sizeof options`; zero means the default. Copied, together with the strings
 * and options that they refer to.
 */
typedef struct em_server_options {
    size_t size; /**< sizeof (em_server_options) */
    void *user;  /**< the first user pointer of every connection that the server accepts */
    int backlog; /**< the length of the queue of clients, listen(2). 0: as long as the system allows */

    /** The number of connections that the server accepts before others get their turn; simultaneous_accept_count in
     * Ruby. 0: 64, or 1 for em_loop_attach_server: other processes may share that socket, and an idle one can accept
     * while this one is busy. At most 4096; more counts as 4096. */
    unsigned accept_batch;

    /** The most connections that the server may have open at once, see em_server_set_max_connections. 0: no limit. */
    unsigned max_connections;

    em_switch reuse_address; /**< SO_REUSEADDR, socket(7). Default: on */
    em_switch reuse_port;    /**< SO_REUSEPORT: several loops or processes share the port. Default: off */
    em_switch v6_only;       /**< IPV6_V6ONLY, ipv6(7). Default: the system's */

    /** For Unix-domain servers: first removes the file of a socket that no process has open any more. Default: on.
     * No other file is removed, and never the socket of a running server. */
    em_switch replace_socket_file;

    /** For Unix-domain servers with a path: the permission bits of the socket file, chmod(2), at most 0777. On Linux,
     * whoever may write to the file may connect, unix(7). 0: determined by the umask. This option and the two below are
     * applied before the server listens, so nobody can connect earlier. For any other server they are refused with
     * EM_INVALID_ARGUMENT. */
    unsigned socket_file_mode;

    /** The user and the group that own the socket file, chown(2): a name, or a decimal number if there is no such name.
     * NULL: unchanged. The call waits while a name is looked up. EM_NOT_FOUND, EM_PERMISSION_DENIED. */
    const char *socket_file_owner;
    const char *socket_file_group; /**< as socket_file_owner */

    const em_stream_options *stream; /**< for the connections that it accepts; NULL: all defaults */
} em_server_options;

/* Starting and stopping */

/**
 * Listens on a TCP port.
 *
 * host: a literal IPv4 or IPv6 address or a name; "" or NULL: all IPv4 addresses of the machine; "::": all addresses.
 * The call waits while a name is looked up (usually it is in the hosts file). The server listens on all addresses of
 * the name that this machine has: on 127.0.0.1 and ::1 for "localhost". If one of them is in use, nothing is started.
 * port: 0 to 65535; 0: chosen by the system, the same for all addresses, see em_server_get_port. handler:
 * required; must outlive the server and its connections. options: NULL for defaults. server: set to the handle, NULL on
 * failure; may be NULL.
 *
 * EM_ADDRESS_IN_USE, EM_PERMISSION_DENIED, EM_ADDRESS_NOT_AVAILABLE, EM_NAME_NOT_FOUND, EM_INVALID_ADDRESS (malformed),
 * EM_INVALID_PORT, EM_INVALID_ARGUMENT, EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_FORKED, EM_INVALID_STATE (the loop is being
 * destroyed).
 */
EM_API em_status em_loop_start_server(em_loop *loop, const char *host, int port, const em_handler *handler,
                                      const em_server_options *options, em_server **server);

/**
 * As em_loop_start_server, at an address of any family: at a Unix-domain name from em_address_from_unix_name, for
 * instance. EM_INVALID_ADDRESS if it is empty or of a family that the library does not know.
 */
EM_API em_status em_loop_start_server_at(em_loop *loop, const em_address *address, const em_handler *handler,
                                         const em_server_options *options, em_server **server);

/**
 * Listens on a Unix-domain socket; path as in em_address_from_path. The socket file stays when the server stops. A call
 * that fails leaves no file behind. EM_ADDRESS_IN_USE (another process serves there, or the file is not a socket),
 * EM_PERMISSION_DENIED, EM_NO_SUCH_FILE, EM_PATH_TOO_LONG, EM_INVALID_ADDRESS (an empty path), EM_NOT_FOUND (no such
 * user or group), and what em_loop_start_server returns.
 */
EM_API em_status em_loop_start_unix_domain_server(em_loop *loop, const char *path, const em_handler *handler,
                                                  const em_server_options *options, em_server **server);

/**
 * Serves a socket that is bound and listening already, for instance one from a parent process or systemd, and makes it
 * non-blocking. On success the loop owns the descriptor and closes it with the server. On failure the caller still owns
 * it: EM_NOT_A_SOCKET, EM_BAD_DESCRIPTOR, EM_INVALID_ARGUMENT (not listening, or not a stream), EM_FILE_EXISTS (this
 * loop serves it already), and what em_loop_start_server returns.
 */
EM_API em_status em_loop_attach_server(em_loop *loop, int descriptor, const em_handler *handler,
                                       const em_server_options *options, em_server **server);

/**
 * Stops listening. Connections that the server has accepted go on. The handle is invalid afterwards.
 * EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_server_stop(em_server *server);

/* Accepting */

/**
 * Stops accepting until em_server_resume. A pause within post_init takes effect before the next client. The sockets go
 * on listening: clients wait in the system's queue (see backlog), and other processes that share a socket may accept
 * them. Connections that the server has accepted go on. EM_INVALID_STATE if it is paused already; EM_INVALID_ARGUMENT
 * for NULL.
 */
EM_API em_status em_server_pause(em_server *server);

/** Ends a pause. EM_INVALID_STATE if the server is not paused; EM_INVALID_ARGUMENT for NULL. */
EM_API em_status em_server_resume(em_server *server);

/** Returns 1 while paused by em_server_pause, otherwise 0. A server that has reached its maximum is not paused. */
EM_API int em_server_is_paused(const em_server *server);

/**
 * Sets the maximum of open connections; 0: no limit. While that many are open (em_server_get_connection_count), the
 * server does not accept, and clients wait as during a pause. Accepting resumes by itself when one of the connections
 * has ended. A maximum below the present count closes no connection. If several processes share a socket, each counts
 * its own connections. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_server_set_max_connections(em_server *server, unsigned max_connections);

/** Returns the maximum of open connections; 0: no limit. */
EM_API unsigned em_server_get_max_connections(const em_server *server);

/**
 * Returns how many connections that the server has accepted, on all its sockets, are open: those whose unbind has not
 * returned yet. So a connection counts within its own post_init and unbind. A socket that stays open after unbind (see
 * em_connection_close_after_writing) does not count.
 */
EM_API unsigned em_server_get_connection_count(const em_server *server);

/** Changes accept_batch, see em_server_options: at least 1; more than 4096 counts as 4096. EM_INVALID_ARGUMENT for 0
 * and for NULL. */
EM_API em_status em_server_set_accept_batch(em_server *server, unsigned accept_batch);

/* Looking at a server */

/** Gets the address that the server listens on; the first one if there are several. EM_INVALID_ARGUMENT for NULL, or
 * the error of getsockname(2). */
EM_API em_status em_server_get_local_address(const em_server *server, em_address *address);

/** Returns the TCP port that the server listens on, also the one that the system chose for port 0. 0 for a Unix-domain
 * server and for NULL. */
EM_API int em_server_get_port(const em_server *server);

/** Returns the loop that the server belongs to. NULL for NULL. */
EM_API em_loop *em_server_get_loop(const em_server *server);

/** Returns the user pointer of the server's options. NULL for NULL. */
EM_API void *em_server_get_user(const em_server *server);

/** Returns the descriptor of the listening socket; of the first one if there are several. The library owns it: do not
 * accept from it or close it. -1 for NULL. */
EM_API int em_server_get_descriptor(const em_server *server);

/** Returns the server's signature; 0 for NULL. */
EM_API em_signature em_server_get_signature(const em_server *server);

/** Returns the server with this signature; NULL if it was stopped or never existed. */
EM_API em_server *em_loop_find_server(const em_loop *loop, em_signature signature);

/**
 * Sets an option of the server's listening sockets by the system's numbers, setsockopt(2). value_bytes: the length of
 * the value.
 * On most systems, connections that are accepted from then on inherit it. EM_INVALID_ARGUMENT, EM_NO_PROTOCOL_OPTION.
 */
EM_API em_status em_server_set_socket_option(em_server *server, int level, int option, const void *value,
                                             size_t value_bytes);

EM_END_DECLARATIONS

#endif
