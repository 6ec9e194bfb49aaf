/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets: one system call each, with statuses instead of errno. Everything is close-on-exec from birth; nothing raises
 * SIGPIPE. Nothing here retries or waits.
 */
#ifndef EMI_SOCKET_H
#define EMI_SOCKET_H

#include <stdbool.h>

#include <eventmachine/address.h>

#include "base/span.h"

/** No descriptor. */
#define EMI_NO_SOCKET (-1)

/** A new non-blocking stream socket of an address's family. */
em_status emi_socket_open(const em_address *address, int *socket);

/** Two connected non-blocking stream sockets, socketpair(2). */
em_status emi_socket_pair(int sockets[2]);

/** Closes; EMI_NO_SOCKET is allowed. In a process without standard streams, sockets have the numbers 0, 1 and 2. */
void emi_socket_close(int socket);

em_status emi_socket_bind(int socket, const em_address *address);

/** Before binding to port 0: has the port chosen by connect(2), which knows the peer and so can share ports, where the
 * system does that. */
void emi_socket_choose_port_late(int socket);

/** backlog: 0 for as large as the system allows. */
em_status emi_socket_listen(int socket, int backlog);

/** EM_OK if it is connected at once, EM_IN_PROGRESS if it will poll writable when it is decided. */
em_status emi_socket_connect(int socket, const em_address *address);

/** Accepts one connection, non-blocking. peer: its address. */
em_status emi_socket_accept(int listener, int *socket, em_address *peer);

/** Accepts one connection and closes it at once. */
em_status emi_socket_accept_and_close(int listener);

/** Reads up to `capacity` bytes; *length 0 with EM_OK is the end. */
em_status emi_socket_receive(int socket, void *buffer, size_t capacity, size_t *length);

/** Writes from the spans; *length: how many bytes the system took. */
em_status emi_socket_send(int socket, const emi_span *spans, unsigned count, size_t *length);

/** Writes from one piece of memory; returns how many bytes the system took, 0 where emi_socket_send would return an
 * error. */
size_t emi_socket_send_bytes(int socket, const void *bytes, size_t length);

/** Half-close: sends the end. */
em_status emi_socket_shutdown_write(int socket);

/** Takes the pending error (SO_ERROR); EM_OK if there is none. */
em_status emi_socket_take_error(int socket);

em_status emi_socket_set_option(int socket, int level, int option, const void *value, size_t bytes);
em_status emi_socket_get_option(int socket, int level, int option, void *value, size_t *bytes);

em_status emi_socket_set_nonblocking(int socket);
em_status emi_socket_local_address(int socket, em_address *address);
em_status emi_socket_peer_address(int socket, em_address *address);

/** EM_OK if it is a listening stream socket. EM_NOT_A_SOCKET, EM_BAD_DESCRIPTOR, EM_INVALID_ARGUMENT. */
em_status emi_socket_check_listening(int socket);

/* Options by name; see em_stream_options and em_server_options. */

em_status emi_socket_set_reuse_address(int socket, bool on);
em_status emi_socket_set_reuse_port(int socket, bool on);
em_status emi_socket_set_v6_only(int socket, bool on);
em_status emi_socket_set_no_delay(int socket, bool on);
em_status emi_socket_set_buffer_sizes(int socket, int send_bytes, int receive_bytes);
em_status emi_socket_set_linger(int socket, int seconds);

/** Has TCP reset the connection when it is closed, or at once where a forked child may hold a copy, which would prevent
 * it. */
void emi_socket_reset(int socket);

/** Whether close(2) would wait, as it does with a time in SO_LINGER, also on a non-blocking socket. */
bool emi_socket_waits_at_close(int socket);

/** Before a close: clears such a time. A reset at close (a time of zero) stays set. */
void emi_socket_forget_linger(int socket);

/** Whether these numbers mean SO_LINGER. */
bool emi_is_linger_option(int level, int option);

em_status emi_socket_set_user_timeout(int socket, uint64_t timeout_ns);
em_status emi_socket_set_keepalive(int socket, bool on, int idle_seconds, int interval_seconds, int count);

/** The part of emi_socket_set_keepalive that sets times; 0 leaves one as it is. */
em_status emi_socket_set_keepalive_timers(int socket, int idle_seconds, int interval_seconds, int count);

/** Changes the port of an IPv4 or IPv6 address. */
void emi_address_set_port(em_address *address, int port);

/** A descriptor that does nothing, to be closed when a real one is needed; EMI_NO_SOCKET on failure. */
int emi_open_reserve_descriptor(void);

#endif
