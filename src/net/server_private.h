/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers from within: what their files share.
 */
#ifndef EMI_SERVER_PRIVATE_H
#define EMI_SERVER_PRIVATE_H

#include <eventmachine/server.h>

#include "net/net_private.h"
#include "system/socket_file.h"

/** One listening socket of a server. */
typedef struct emi_listener {
    emi_channel channel;
    em_server *server;
    emi_loop_timer back_off; /* pending while it backs off, because descriptors or memory were exhausted */
    uint64_t back_off_ns;    /* how long the next back-off will be */
    emi_list backing_off;    /* among the listeners that back off */
    bool is_unusable;        /* the system says that it will never accept again */
    bool is_tcp;
    bool inherits_options; /* accepted sockets inherit the options from this one */
    bool may_linger;       /* accepted sockets may have SO_LINGER from this one */
} emi_listener;

/* Its memory and its index stay until its last socket is closed and its last connection has ended. */
struct em_server {
    emi_object object;
    const em_handler *handler;
    em_stream_options stream;
    bool stopped;
    bool paused;
    unsigned max_connections; /* 0: no limit */
    unsigned connections;     /* accepted, their unbind has not returned yet */
    unsigned attached;        /* how many of the listeners have a channel that is not yet released */
    unsigned count;
    emi_listener listeners[]; /* one, or one for each address of a name */
};

/** A server's options as read. They refer to no memory of the caller's. */
typedef struct emi_server_settings {
    em_server_options options; /* without what it refers to */
    em_stream_options stream;
    emi_file_access file_access;
} emi_server_settings;

/** Listening sockets that do not belong to a server yet. */
typedef struct emi_server_sockets {
    unsigned count;
    int list[EMI_MOST_ADDRESSES];
} emi_server_sockets;

/* net_options.c */

/** Reads and checks options: EM_INVALID_ARGUMENT for invalid values. has_file: whether the server is to listen on
 * a Unix-domain socket with a file. EM_NOT_FOUND for owners of the file that this system does not know. */
em_status emi_read_server_options(emi_server_settings *own, const em_server_options *given, bool has_file);

/** Applies the options of a listening socket, before it is bound. */
em_status emi_apply_server_options(int socket, em_address_family family, const em_server_options *options);

/** Applies the options of its file, if it has one, after it is bound and before it listens: nobody connects earlier. */
em_status emi_apply_file_access(const em_address *address, const emi_server_settings *settings);

/* server_sockets.c */

/**
 * Opens a socket at each address. Port 0: chosen by the system, the same for all. Addresses that this machine does not
 * have are left out, unless it has none of them. After any other failure no socket is open.
 */
em_status emi_server_sockets_open(emi_server_sockets *sockets, const emi_addresses *addresses,
                                  const emi_server_settings *settings);

/** Closes them after a failure, and removes their files. */
void emi_server_sockets_discard(const emi_server_sockets *sockets);

/* server.c */

/** Ends a server: closes its sockets. Its memory is freed later. */
void emi_server_release(em_server *server);

/** Frees the memory of a server that has ended, if nothing refers to it any more. */
void emi_server_free_if_unused(em_server *server);

/** Returns whether neither a pause nor the maximum of connections keeps the server from accepting. */
bool emi_server_may_accept(const em_server *server);

/** Counts a connection that the server has accepted, until its unbind has returned. */
void emi_server_count(em_server *server, em_connection *connection);

/* listener.c */

/** Initializes a listener that is embedded in zeroed memory. */
void emi_listener_init(emi_listener *listener, em_server *server);

/** Starts accepting from this socket. Even after a failure the listener may have a channel. */
em_status emi_listener_start(emi_listener *listener, int socket, emi_ownership ownership);

/** Sets a socket option, setsockopt(2). On systems that do so, sockets that are accepted later inherit it. */
em_status emi_listener_set_option(emi_listener *listener, int level, int option, const void *value, size_t bytes);

/** Starts or stops accepting, after a change of something that this depends on. */
void emi_listener_update(emi_listener *listener);

/** Closes the listener's socket, if it was started. */
void emi_listener_release(emi_listener *listener);

/** A descriptor has become free: ends all back-offs. */
void emi_net_descriptor_freed(emi_net *net);

/** Opens the descriptor that is held in reserve, unless it is open. */
void emi_net_open_reserve(emi_net *net);

#endif
