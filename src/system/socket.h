/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets: functions that make one system call, mostly, and return statuses instead of errno. Every descriptor is
 * close-on-exec from the start, nothing raises SIGPIPE, and nothing retries or waits.
 */
#ifndef EMI_SOCKET_H
#define EMI_SOCKET_H

#include <stdbool.h>

#include <eventmachine/address.h>

#include "base/span.h"

/** No descriptor. */
#define EMI_NO_SOCKET (-1)

/** Opens a non-blocking stream socket of the address's family. */
em_status emi_socket_open(const em_address *address, int *socket);

/** Opens two connected non-blocking stream sockets, socketpair(2). */
em_status emi_socket_pair(int sockets[2]);

/** Closes a socket; EMI_NO_SOCKET is allowed. In a process without standard streams, 0, 1 and 2 may be sockets. */
void emi_socket_close(int socket);

em_status emi_socket_bind(int socket, const em_address *address);

/** Takes its peer and its port from a connected datagram socket that was never bound: nothing arrives any more. When it
 * is connected again, the system chooses another port, as for a new socket. EM_UNSUPPORTED: it would keep the port. */
em_status emi_socket_release_port(int socket);

/** To be called before binding to port 0: if the system can do it, connect(2) chooses the port. It knows the peer, so
 * it can choose a port that other connections use. */
void emi_socket_choose_port_late(int socket);

/** backlog: 0 for the largest that the system allows. */
em_status emi_socket_listen(int socket, int backlog);

/** EM_OK if the socket is connected at once. EM_IN_PROGRESS if it polls writable once it is connected or has failed. */
em_status emi_socket_connect(int socket, const em_address *address);

/** Accepts one connection. Its socket is non-blocking; peer: its peer's address. */
em_status emi_socket_accept(int listener, int *socket, em_address *peer);

/** Accepts one connection and closes it at once. */
em_status emi_socket_accept_and_close(int listener);

/** Reads up to `capacity` bytes. EM_OK with *length 0 is the end of the stream. */
em_status emi_socket_receive(int socket, void *buffer, size_t capacity, size_t *length);

/** Sends the bytes of the spans; *length: how many the system took. */
em_status emi_socket_send(int socket, const emi_span *spans, unsigned count, size_t *length);

/** Sends from one piece of memory; *taken: how many bytes the system took. */
em_status emi_socket_send_bytes(int socket, const void *bytes, size_t length, size_t *taken);

/** Half-closes: sends the end. */
em_status emi_socket_shutdown_write(int socket);

/** Returns the pending error (SO_ERROR) and clears it; EM_OK if there is none. */
em_status emi_socket_take_error(int socket);

em_status emi_socket_set_option(int socket, int level, int option, const void *value, size_t bytes);
em_status emi_socket_get_option(int socket, int level, int option, void *value, size_t *bytes);

em_status emi_socket_set_close_on_exec(int socket);

/** Also close-on-exec. */
em_status emi_socket_set_nonblocking(int socket);

/** What emi_socket_set_nonblocking changes, fcntl(2). */
typedef struct emi_socket_modes {
    int status_flags;
    int descriptor_flags; /* -1: they are not changed */
} emi_socket_modes;

em_status emi_socket_get_modes(int socket, emi_socket_modes *modes);
void emi_socket_restore_modes(int socket, const emi_socket_modes *modes);

em_status emi_socket_local_address(int socket, em_address *address);
em_status emi_socket_peer_address(int socket, em_address *address);

/** EM_OK for a listening stream socket; EM_INVALID_ARGUMENT for another socket, EM_NOT_A_SOCKET, EM_BAD_DESCRIPTOR. */
em_status emi_socket_check_listening(int socket);

/** EM_OK if it is a connected stream socket. EM_NOT_A_SOCKET, EM_BAD_DESCRIPTOR, EM_INVALID_ARGUMENT (another kind, or
 * it listens), EM_NOT_CONNECTED. peer: its address. */
em_status emi_socket_check_connected(int socket, em_address *peer);

/* Options by name; see em_stream_options and em_server_options. */

em_status emi_socket_set_reuse_address(int socket, bool on);
em_status emi_socket_set_reuse_port(int socket, bool on);
em_status emi_socket_set_v6_only(int socket, bool on);
em_status emi_socket_set_no_delay(int socket, bool on);
em_status emi_socket_set_buffer_sizes(int socket, int send_bytes, int receive_bytes);
em_status emi_socket_set_linger(int socket, int seconds);

/** Makes TCP reset the connection when the socket is closed. If a forked child may hold a copy, close(2) would not do
 * so, and the connection is reset at once. */
void emi_socket_reset(int socket);

/** Whether close(2) would wait. It does if SO_LINGER has a time, also on a non-blocking socket. */
bool emi_socket_waits_at_close(int socket);

/** Switches SO_LINGER off. */
em_status emi_socket_clear_linger(int socket);

/** To be called before a close: clears a time in SO_LINGER. A time of zero, which resets the peer, stays set. */
void emi_socket_forget_linger(int socket);

/** Whether level and option are those of SO_LINGER. */
bool emi_is_linger_option(int level, int option);

/** Whether the system has TCP_USER_TIMEOUT. */
bool emi_has_user_timeout(void);

/** TCP_USER_TIMEOUT. EM_UNSUPPORTED where the system has none. */
em_status emi_socket_set_user_timeout(int socket, uint64_t timeout_ns);

/** SO_KEEPALIVE and, if it is on, its times; 0 leaves one as it is. EM_UNSUPPORTED for times where the system lets none
 * be set. */
em_status emi_socket_set_keepalive(int socket, bool on, int idle_seconds, int interval_seconds, int count);

/** The times of emi_socket_set_keepalive: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT. */
em_status emi_socket_set_keepalive_timers(int socket, int idle_seconds, int interval_seconds, int count);

/** Changes the port of an IPv4 or IPv6 address. */
void emi_address_set_port(em_address *address, int port);

/** Whether two addresses are the same, ports and zones included. */
bool emi_addresses_are_equal(const em_address *one, const em_address *other);

/** Whether it is one of 127.0.0.0/8 or ::1. */
bool emi_address_is_loopback(const em_address *address);

/** Opens a descriptor that is to be closed when another one is needed; EMI_NO_SOCKET on failure. */
int emi_open_reserve_descriptor(void);

#endif
