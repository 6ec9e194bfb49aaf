/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers: listening sockets, and the connections that they accept. All functions are for the loop's thread.
 */
#ifndef EVENTMACHINE_SERVER_H
#define EVENTMACHINE_SERVER_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** A server. Owned by its loop; valid until em_server_stop or em_loop_destroy. */
typedef struct em_server em_server;

/** Options of a server. Begin with `.size = sizeof options`; zero means the default. Copied, and so are the strings and
 * options that it refers to. */
typedef struct em_server_options {
    size_t size; /**< sizeof (em_server_options) */
    void *user;  /**< the first user pointer of every connection that it accepts */
    int backlog; /**< listen(2). 0: as large as the system allows */

    /** How many connections it accepts in a row before others get their turn; Ruby's simultaneous_accept_count.
     * 0: 64; 1 for em_loop_attach_server, because other processes may share that socket, and those that are idle can
     * accept while this one is busy. At most 4096. */
    unsigned accept_batch;

    /** How many of its connections may be open at once, see em_server_set_max_connections. 0: no limit. */
    unsigned max_connections;

    em_switch reuse_address; /**< SO_REUSEADDR, socket(7). Default: on */
    em_switch reuse_port;    /**< SO_REUSEPORT: several loops or processes share the port. Default: off */
    em_switch v6_only;       /**< IPV6_V6ONLY, ipv6(7). Default: the system's */

    /** For Unix-domain servers: removes the file of a socket first if no process has that socket any more. Default: on.
     * No other file is removed, and never the socket of a living server. */
    em_switch replace_socket_file;

    /** For Unix-domain servers with a path: the permission bits of the socket's file, chmod(2), at most 0777. Whoever
     * may write to the file may connect, unix(7). 0: what the umask leaves. This and the two below are applied before
     * the server listens, so nobody who may not can connect earlier. Refused for other servers: EM_INVALID_ARGUMENT. */
    unsigned socket_file_mode;

    /** The user and the group that the file is to belong to, chown(2): a name, or a decimal number where nobody has
     * that name. NULL: unchanged. Names are looked up while the caller waits. EM_NOT_FOUND, EM_PERMISSION_DENIED. */
    const char *socket_file_owner;
    const char *socket_file_group; /**< as socket_file_owner */

    const em_stream_options *stream; /**< of the connections it accepts; NULL: all defaults */
} em_server_options;

/**
 * Listens on a TCP port. host: a literal IPv4 or IPv6 address or a name; "" or NULL: all IPv4 addresses of the machine;
 * "::" all addresses. A name is looked up while the caller waits (as a rule it is in the hosts file), and the server
 * listens on all of its addresses that this machine has; "localhost" has 127.0.0.1 and ::1. If one of them is in use,
 * nothing is started. port: 0 to 65535; 0: chosen by the system, one for all addresses, see
 * em_server_get_local_address. handler: required; must outlive the server and its connections. options: NULL for
 * defaults. server: receives the handle; may be NULL. EM_ADDRESS_IN_USE, EM_PERMISSION_DENIED,
 * EM_ADDRESS_NOT_AVAILABLE, EM_NAME_NOT_FOUND, EM_INVALID_PORT, EM_INVALID_ARGUMENT, EM_NO_DESCRIPTORS, EM_NO_MEMORY.
 */
EM_API em_status em_loop_start_server(em_loop *loop, const char *host, int port, const em_handler *handler,
                                      const em_server_options *options, em_server **server);

/**
 * The same at an address of whatever family, for instance a Unix-domain name from em_address_from_unix_name.
 * EM_INVALID_ADDRESS for one that is empty or of a family that the library does not know.
 */
EM_API em_status em_loop_start_server_at(em_loop *loop, const em_address *address, const em_handler *handler,
                                         const em_server_options *options, em_server **server);

/**
 * Listens on a Unix-domain socket; path as in em_address_from_path. The socket file stays when the server stops.
 * A call that fails leaves no file of its own. EM_ADDRESS_IN_USE (another process serves there, or the file is no
 * socket), EM_PERMISSION_DENIED, EM_NO_SUCH_FILE, EM_PATH_TOO_LONG, EM_NOT_FOUND (no such user or group) and the like.
 */
EM_API em_status em_loop_start_unix_domain_server(em_loop *loop, const char *path, const em_handler *handler,
                                                  const em_server_options *options, em_server **server);

/**
 * Serves a socket that is bound and listening already (from a parent process, systemd, …). It is made non-blocking. The
 * descriptor belongs to the loop from now on and is closed with the server; not so after a failure:
 * EM_NOT_A_SOCKET, EM_BAD_DESCRIPTOR, EM_INVALID_ARGUMENT (not listening), EM_FILE_EXISTS (this loop serves it
 * already).
 */
EM_API em_status em_loop_attach_server(em_loop *loop, int descriptor, const em_handler *handler,
                                       const em_server_options *options, em_server **server);

/** Stops listening. Connections that it accepted go on. The handle is invalid afterwards. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_server_stop(em_server *server);

/* Accepting */

/**
 * Stops accepting until em_server_resume. Within post_init it takes effect before the next client. Its sockets go on
 * listening, so clients wait in the system's queue (backlog), from which other processes that share the socket may
 * serve them; the connections that it has accepted go on. EM_INVALID_STATE if it is paused already; EM_INVALID_ARGUMENT
 * for NULL.
 */
EM_API em_status em_server_pause(em_server *server);

/** Ends a pause. EM_INVALID_STATE if it is not paused; EM_INVALID_ARGUMENT for NULL. */
EM_API em_status em_server_resume(em_server *server);

/** 1 while paused by em_server_pause, else 0; a server that has reached its maximum is not paused. */
EM_API int em_server_is_paused(const em_server *server);

/**
 * Sets the maximum of open connections; 0: no limit. While so many are open (em_server_get_connection_count) it does
 * not accept, and clients wait as during a pause; it goes on by itself when one ends. A maximum below the present count
 * closes nothing. Each process that shares the socket counts its own. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_server_set_max_connections(em_server *server, unsigned max_connections);

/** The maximum of open connections; 0: no limit. */
EM_API unsigned em_server_get_max_connections(const em_server *server);

/**
 * How many connections it has accepted, on all its sockets, whose unbind has not returned yet; in post_init and in
 * unbind the connection itself counts. A socket that lives on after unbind, see em_connection_close_after_writing, does
 * not count.
 */
EM_API unsigned em_server_get_connection_count(const em_server *server);

/** Changes how many connections it accepts in a row: at least 1; more than 4096 count as 4096. EM_INVALID_ARGUMENT for
 * 0 and for NULL. */
EM_API em_status em_server_set_accept_batch(em_server *server, unsigned accept_batch);

/* What is known of it */

/** The address it listens on, of several the first. EM_INVALID_ARGUMENT, or what getsockname(2) says. */
EM_API em_status em_server_get_local_address(const em_server *server, em_address *address);

/** The loop that it belongs to. */
EM_API em_loop *em_server_get_loop(const em_server *server);

/** The user pointer of its options. */
EM_API void *em_server_get_user(const em_server *server);

/** Its listening socket, of several the first. Owned by the library: do not accept from it or close it. */
EM_API int em_server_get_descriptor(const em_server *server);

/** Its number; 0 for NULL. */
EM_API em_signature em_server_get_signature(const em_server *server);

/** The server of a number; NULL if it was stopped or never was. */
EM_API em_server *em_loop_find_server(em_loop *loop, em_signature signature);

/**
 * Sets an option of its listening sockets by the system's numbers, setsockopt(2); value_bytes: the length of the value.
 * On most systems connections that are accepted from then on inherit it. EM_INVALID_ARGUMENT, EM_NO_PROTOCOL_OPTION.
 */
EM_API em_status em_server_set_socket_option(em_server *server, int level, int option, const void *value,
                                             size_t value_bytes);

EM_END_DECLARATIONS

#endif
