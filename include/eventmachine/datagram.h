/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets: UDP over IPv4 and IPv6 (RFC 768), and Unix-domain datagrams (unix(7)).
 *
 * A datagram arrives whole or not at all. Only Unix-domain sockets guarantee the order. Datagrams of length 0 are valid
 * in both directions. An error concerns one datagram and never ends the socket: send_failed is called, and everything
 * else goes on.
 *
 * All functions here are for the loop's thread, and any callback may call them. Once a socket has ended, also within
 * unbind, the functions that send, close, pause or change something return EM_CLOSED. The others still report its last
 * state unless stated otherwise. If the socket is NULL, functions that return a status return EM_INVALID_ARGUMENT, and
 * the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_DATAGRAM_H
#define EVENTMACHINE_DATAGRAM_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A datagram socket. Owned by its loop; valid until its unbind has returned. */
typedef struct em_datagram_socket em_datagram_socket;

/** A datagram that was received. Valid, with everything that it points to, until receive_datagram returns. New fields
 * are added at the end only. */
typedef struct em_datagram {
    const void *data; /**< never NULL */
    size_t length;    /**< bytes; may be 0 */

    /** Who sent it. Empty for a Unix-domain peer that has no name. */
    const em_address *peer;

    /** The address of this machine that it was sent to. Answers should come from it, see em_datagram_socket_reply. The
     * port is 0. NULL unless receive_destination is on, and if there is no such address, as with IPv6 multicast. */
    const em_address *local;

    /** The destination in the packet, which may be a multicast group or a broadcast address. The port is 0. NULL unless
     * receive_destination is on. */
    const em_address *destination;

    unsigned interface_index; /**< the interface it arrived on, if_indextoname(3); 0 unless receive_destination is on */
    int ttl;                  /**< the TTL or hop limit on arrival; -1 unless receive_ttl is on */
    int ecn;                  /**< the two ECN bits, RFC 3168, 0 to 3; -1 unless receive_ecn is on */
    int is_truncated;         /**< 1 if the system has truncated it to `length` bytes, otherwise 0 */
} em_datagram;

/** Why a datagram has not arrived. Valid, with everything that it points to, until send_failed returns. New fields are
 * added at the end only. */
typedef struct em_datagram_failure {
    em_status status; /**< for instance EM_MESSAGE_TOO_LONG, EM_NETWORK_UNREACHABLE, EM_CONNECTION_REFUSED */
    int system_error; /**< the system's error number behind it, errno(3); 0 if there is none */

    /** The address that the datagram was sent to; NULL if the system does not report it. */
    const em_address *peer;

    /** 0: the system refused to send it. 1: it was sent, and the network reported an error, usually by ICMP (RFC 792,
     * RFC 4443). */
    int is_remote;

    /** The datagram, if the system refused to send it. Otherwise the beginning of it that the network has returned;
     * NULL if it has returned nothing. */
    const void *data;
    size_t length; /**< of `data` */

    /** The address of the peer or router that reported the error. NULL if the system does not report it. */
    const em_address *reporter;
} em_datagram_failure;

/**
 * The callbacks of a datagram socket, which the loop's thread calls. Any of them may be NULL. The struct is not copied
 * and must outlive the sockets that use it. The `reserved` fields are for future callbacks and must be NULL. A callback
 * that this library does not know is refused with EM_INVALID_ARGUMENT, never ignored.
 */
typedef struct em_datagram_handler {
    /** The socket exists and is bound. */
    void (*post_init)(em_datagram_socket *socket);

    /** A datagram has arrived. */
    void (*receive_datagram)(em_datagram_socket *socket, const em_datagram *datagram);

    /** A datagram could not be sent, or the network has reported that one has not arrived, see report_network_errors.
     * Never called within a function that sends. If this callback is NULL, such datagrams are dropped silently. */
    void (*send_failed)(em_datagram_socket *socket, const em_datagram_failure *failure);

    /** The bytes waiting to be sent have fallen to the low-water mark, after they had exceeded the high-water mark. */
    void (*drained)(em_datagram_socket *socket);

    /** The socket has ended. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy.
     * reason: EM_OK if the program has closed it, EM_INACTIVITY_TIMEOUT, EM_WRITE_TIMEOUT (see drain_timeout_ns), or
     * why the loop can no longer watch it, such as EM_NO_MEMORY. */
    void (*unbind)(em_datagram_socket *socket, em_status reason);

    /** The proxy of this socket has relayed length_bytes, see em_loop_start_proxy, and has ended. The rest of the
     * datagram goes to receive_datagram next. */
    void (*proxy_completed)(em_datagram_socket *socket);

    /** The target of this socket's proxy has ended: its unbind has returned. The proxy has ended, and later datagrams
     * go to receive_datagram. */
    void (*proxy_target_unbound)(em_datagram_socket *socket);

    void (*reserved[6])(void);
} em_datagram_handler;

/**
 * Options of a datagram socket. Begin with `.size = sizeof options`; zero means the default. Copied. A call that gets
 * invalid values returns EM_INVALID_ARGUMENT. If the system refuses an option that was given, the call returns that
 * status, and there is no socket.
 */
typedef struct em_datagram_options {
    size_t size; /**< sizeof (em_datagram_options) */
    void *user;  /**< the socket's user pointer, set before post_init */

    /** SO_REUSEADDR, socket(7). On Linux a second socket can then take over the port and its unicast datagrams.
     * Multicast datagrams reach all such sockets. Default: off */
    em_switch reuse_address;
    em_switch reuse_port; /**< SO_REUSEPORT: the system distributes the senders among the sockets. Default: off */
    em_switch v6_only;    /**< IPV6_V6ONLY, ipv6(7). Default: the system's */
    em_switch broadcast;  /**< SO_BROADCAST: may send to broadcast addresses. Default: off */

    /** Fills in local, destination and interface_index of em_datagram (IP_PKTINFO, IPV6_RECVPKTINFO). Default: on if
     * the socket is bound to all addresses of the machine and the system supports it. */
    em_switch receive_destination;
    em_switch receive_ttl; /**< fills in ttl (IP_RECVTTL, IPV6_RECVHOPLIMIT). Default: off */
    em_switch receive_ecn; /**< fills in ecn (IP_RECVTOS, IPV6_RECVTCLASS). Default: off */

    /** Receives datagrams of equal size from one sender together, where the system supports it (UDP_GRO, udp(7)). They
     * cost less, and are still reported one by one. Default: off */
    em_switch receive_offload;

    /** Sends consecutive datagrams of equal size to one peer together, where the system supports it (UDP_SEGMENT,
     * udp(7)). They cost less, and still arrive one by one. For datagrams that fit into the packets of the network.
     * Default: off */
    em_switch segmentation;

    /** Calls send_failed also if the network reports that a datagram has not arrived, for instance because nobody
     * listens on the port. Not for Unix-domain sockets. If it is off, or if the system has no error queue (IP_RECVERR,
     * ip(7)), only a socket with a fixed peer gets such reports. Default: on if the handler has send_failed */
    em_switch report_network_errors;

    int ttl;           /**< of unicast datagrams (IP_TTL, IPV6_UNICAST_HOPS), 1 to 255. 0: the system's */
    int multicast_ttl; /**< of multicast datagrams (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), 1 to 255. 0: 1 */

    /** Datagrams sent to a group also reach sockets of this machine (IP_MULTICAST_LOOP). Default: on */
    em_switch multicast_loop;
    unsigned multicast_interface; /**< the interface that multicast leaves by, if_nametoindex(3). 0: the system's */

    int send_buffer_bytes;    /**< SO_SNDBUF. 0: the system's */
    int receive_buffer_bytes; /**< SO_RCVBUF. 0: the system's. Datagrams that do not fit are lost */

    uint64_t inactivity_timeout_ns; /**< see em_datagram_socket_set_inactivity_timeout_ns. 0: never */

    /** With more bytes than this waiting to be sent, functions that send return EM_UNDER_PRESSURE. 0: 1 MiB. */
    size_t high_water_bytes;
    /** `drained` is called when the bytes waiting have fallen to this. 0: a quarter of the high-water mark. */
    size_t low_water_bytes;

    /** The most memory that datagrams waiting to be sent may need, in bytes. Each datagram counts as its length plus
     * about 64 bytes. Beyond that, functions that send return EM_OUTBOX_LIMIT and accept nothing. 0: 64 MiB. */
    size_t outbox_limit_bytes;

    /** After em_datagram_socket_close_after_writing: how long the system may accept nothing before the socket ends with
     * EM_WRITE_TIMEOUT. 0: 30 seconds. EM_FOREVER: no limit. */
    uint64_t drain_timeout_ns;
} em_datagram_options;

/* Opening */

/**
 * Opens a UDP socket and binds it.
 *
 * host: a literal IPv4 or IPv6 address, or "localhost"; "" or NULL: all IPv4 addresses of the machine; "::": all
 * addresses. Other names are refused with EM_INVALID_ADDRESS, because looking them up would block the loop. Resolve
 * them first, see em_loop_resolve. port: 0 to 65535; 0: chosen by the system, see em_datagram_socket_get_port. handler:
 * required. options: NULL for defaults. socket: set to the handle, NULL on failure; may be NULL.
 *
 * When this returns EM_OK, post_init has been called.
 *
 * EM_ADDRESS_IN_USE, EM_PERMISSION_DENIED, EM_ADDRESS_NOT_AVAILABLE, EM_ADDRESS_FAMILY, EM_INVALID_ADDRESS,
 * EM_INVALID_PORT, EM_INVALID_ARGUMENT, EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_NO_PROTOCOL_OPTION and the like for options
 * that the system does not have, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_open_datagram_socket(em_loop *loop, const char *host, int port,
                                              const em_datagram_handler *handler, const em_datagram_options *options,
                                              em_datagram_socket **socket);

/**
 * As em_loop_open_datagram_socket, at an address of any family. At a Unix-domain address (em_address_from_path), the
 * file of the socket must not exist yet; it stays when the socket ends. Options of IP do not apply there: those that
 * are given are refused with EM_INVALID_ARGUMENT. EM_INVALID_ADDRESS if the address is of a family that the library
 * does not know.
 *
 * An empty address opens a Unix-domain socket without a name. It can send but gets no answers.
 */
EM_API em_status em_loop_open_datagram_socket_at(em_loop *loop, const em_address *address,
                                                 const em_datagram_handler *handler, const em_datagram_options *options,
                                                 em_datagram_socket **socket);

/**
 * Takes over a datagram socket that exists already, for instance one inherited from a parent process or one end of
 * socketpair(2). Options that are given are set on it. All others stay as they are, except that receive_destination and
 * report_network_errors have their usual defaults. On success the loop owns the descriptor: it makes it non-blocking
 * and close-on-exec, and closes it when the socket ends. On failure the caller still owns it. handler: required.
 * options: NULL for defaults. socket: set to the handle, NULL on failure; may be NULL.
 *
 * EM_BAD_DESCRIPTOR, EM_NOT_A_SOCKET, EM_INVALID_ARGUMENT (not a datagram socket), EM_FILE_EXISTS (attached to this
 * loop already), and what em_loop_open_datagram_socket returns.
 */
EM_API em_status em_loop_attach_datagram_socket(em_loop *loop, int descriptor, const em_datagram_handler *handler,
                                                const em_datagram_options *options, em_datagram_socket **socket);

/**
 * Detaches the descriptor from the loop and returns it to the caller: the counterpart of
 * em_loop_attach_datagram_socket, for any datagram socket. unbind(EM_OK) follows at the end of the present turn.
 * Datagrams waiting to be sent are dropped. Datagrams that have been read but not delivered, because the socket was
 * paused meanwhile, are passed to receive_datagram before this returns. descriptor: set to the descriptor, which the
 * caller owns from now on; -1 on failure. EM_CLOSED, EM_FORKED.
 */
EM_API em_status em_datagram_socket_detach(em_datagram_socket *socket, int *descriptor);

/* Sending */

/**
 * Sends a copy of the bytes as one datagram, after those sent before. Datagrams that one callback sends leave together
 * when it returns. A datagram that the system cannot accept now is kept and sent later. length: may be 0. Returns:
 *
 * - EM_OK: accepted. Later failures are reported by send_failed only.
 * - EM_UNDER_PRESSURE: accepted, but more than the high-water mark is waiting. Stop sending until `drained` is called.
 * - EM_OUTBOX_LIMIT, EM_LOOP_OUTBOX_LIMIT, EM_NO_MEMORY: nothing was accepted, and the socket goes on.
 * - EM_MESSAGE_TOO_LONG: more than 65 535 bytes over IP. The system enforces the limit of IPv4, 65 507 bytes: exceeding
 *   it is reported by send_failed, and so are the smaller limits of some networks.
 * - EM_ADDRESS_FAMILY: the socket cannot send to this kind of address. An IPv6 socket can send to IPv4 addresses unless
 *   it is bound to IPv6 only.
 * - EM_INVALID_ADDRESS: the address is empty. EM_INVALID_PORT: its port is 0.
 * - EM_CLOSED: the socket has ended, or is about to end.
 * - EM_INVALID_ARGUMENT: `data` is NULL and length is not 0.
 */
EM_API em_status em_datagram_socket_send_to(em_datagram_socket *socket, const void *data, size_t length,
                                            const em_address *peer);

/** As em_datagram_socket_send_to, to the fixed peer. EM_NOT_CONNECTED if there is none, see em_datagram_socket_connect.
 */
EM_API em_status em_datagram_socket_send(em_datagram_socket *socket, const void *data, size_t length);

/** As em_datagram_socket_send_to, to the sender of a datagram. For use within receive_datagram. The answer comes from
 * the address to which that datagram was sent, if it is known, see receive_destination: clients drop answers from
 * another address. EM_INVALID_ADDRESS if the sender has no name. */
EM_API em_status em_datagram_socket_reply(em_datagram_socket *socket, const em_datagram *datagram, const void *data,
                                          size_t length);

/**
 * As em_datagram_socket_send_to, to a literal address. A host name is refused with EM_INVALID_ADDRESS, because looking
 * it up for each datagram would be slow and could block: resolve it once, see em_loop_resolve. EM_INVALID_PORT.
 */
EM_API em_status em_datagram_socket_send_to_host(em_datagram_socket *socket, const void *data, size_t length,
                                                 const char *host, int port);

/** Returns the number of bytes in datagrams waiting to be sent in this library. 0 once the socket has ended. */
EM_API size_t em_datagram_socket_get_outbound_bytes(const em_datagram_socket *socket);

/** Returns the number of datagrams waiting to be sent in this library. 0 once the socket has ended. */
EM_API size_t em_datagram_socket_get_outbound_count(const em_datagram_socket *socket);

/* The fixed peer */

/**
 * Fixes the peer, connect(2): em_datagram_socket_send sends to it, and only its datagrams are received. Datagrams
 * already waiting to be sent still go to their own peers. May be called again for another peer. Errors as for
 * em_datagram_socket_send_to and those of connect(2), for instance EM_NETWORK_UNREACHABLE; for Unix-domain sockets
 * EM_NO_SUCH_FILE and EM_CONNECTION_REFUSED. EM_FORKED.
 */
EM_API em_status em_datagram_socket_connect(em_datagram_socket *socket, const em_address *peer);

/** Removes the fixed peer: datagrams of all senders are received again. EM_NOT_CONNECTED, EM_CLOSED, EM_FORKED. */
EM_API em_status em_datagram_socket_disconnect(em_datagram_socket *socket);

/** Gets the fixed peer. EM_NOT_CONNECTED if there is none. */
EM_API em_status em_datagram_socket_get_peer_address(const em_datagram_socket *socket, em_address *address);

/* Ending */

/** Closes at the end of the present turn, when unbind is called. Datagrams waiting to be sent are dropped, and nothing
 * is received any more. EM_CLOSED if the socket has ended already. */
EM_API em_status em_datagram_socket_close(em_datagram_socket *socket);

/** Closes when everything has been sent; unbind follows. From now on functions that send return EM_CLOSED. Datagrams
 * that arrive meanwhile are still delivered. See drain_timeout_ns. EM_CLOSED if the socket has ended already. */
EM_API em_status em_datagram_socket_close_after_writing(em_datagram_socket *socket);

/* Flow */

/** Stops receiving until em_datagram_socket_resume; sending goes on. Takes effect before the next datagram, also within
 * receive_datagram. Datagrams wait in the system's buffer meanwhile, as far as it has room. EM_INVALID_STATE if it is
 * paused already; EM_CLOSED. */
EM_API em_status em_datagram_socket_pause(em_datagram_socket *socket);

/** Ends a pause. EM_INVALID_STATE if it is not paused; EM_CLOSED. */
EM_API em_status em_datagram_socket_resume(em_datagram_socket *socket);

/** Returns 1 while paused, otherwise 0. */
EM_API int em_datagram_socket_is_paused(const em_datagram_socket *socket);

/** Sets the water marks, see em_datagram_options. EM_INVALID_ARGUMENT if low_bytes > high_bytes or high_bytes is 0;
 * EM_CLOSED. */
EM_API em_status em_datagram_socket_set_water_marks(em_datagram_socket *socket, size_t low_bytes, size_t high_bytes);

/** Sets the limit on the memory of datagrams waiting to be sent, see em_datagram_options; 0: 64 MiB. EM_CLOSED. */
EM_API em_status em_datagram_socket_set_outbox_limit_bytes(em_datagram_socket *socket, size_t limit_bytes);

/** Sets the inactivity timeout: the socket ends with EM_INACTIVITY_TIMEOUT if no datagram is received or sent for this
 * long. 0: never. It does not end while it is paused. EM_CLOSED. */
EM_API em_status em_datagram_socket_set_inactivity_timeout_ns(em_datagram_socket *socket, uint64_t timeout_ns);
EM_API uint64_t em_datagram_socket_get_inactivity_timeout_ns(const em_datagram_socket *socket);

/* Multicast, RFC 1112, RFC 3678 */

/**
 * Joins a multicast group on one interface; call it once for each interface. A socket that this library has opened
 * receives only the datagrams of groups that it has joined itself. group: the group's address; the port is ignored.
 * interface_index: if_nametoindex(3); 0: chosen by the system from its routing table. source: NULL, or the only sender
 * whose datagrams are wanted (source-specific multicast, RFC 4607); may be called for several sources.
 * EM_INVALID_ARGUMENT (not a multicast address), EM_ADDRESS_FAMILY (not the socket's family), EM_ADDRESS_IN_USE (joined
 * already), EM_NO_BUFFERS (too many groups), EM_CLOSED, and what setsockopt(2) returns.
 */
EM_API em_status em_datagram_socket_join(em_datagram_socket *socket, const em_address *group, unsigned interface_index,
                                         const em_address *source);

/** Leaves a group; arguments as for em_datagram_socket_join. EM_ADDRESS_NOT_AVAILABLE if the group was not joined. */
EM_API em_status em_datagram_socket_leave(em_datagram_socket *socket, const em_address *group, unsigned interface_index,
                                          const em_address *source);

/* Looking at a socket */

/** Returns the loop that the socket belongs to. NULL for NULL. */
EM_API em_loop *em_datagram_socket_get_loop(const em_datagram_socket *socket);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_datagram_socket_get_user(const em_datagram_socket *socket);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_datagram_socket_set_user(em_datagram_socket *socket, void *user);

/** Returns the socket's signature; 0 for NULL. */
EM_API em_signature em_datagram_socket_get_signature(const em_datagram_socket *socket);

/** Returns the datagram socket with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_datagram_socket *em_loop_find_datagram_socket(const em_loop *loop, em_signature signature);

/** Gets the address that the socket is bound to. EM_CLOSED once the descriptor has been detached, and what
 * getsockname(2) returns. */
EM_API em_status em_datagram_socket_get_local_address(const em_datagram_socket *socket, em_address *address);

/** Returns the UDP port that the socket is bound to, also if the system chose it; 0 if there is none. */
EM_API int em_datagram_socket_get_port(const em_datagram_socket *socket);

/** Gets the sender of the latest datagram that was received, also of one that a proxy has relayed. local: set to the
 * address that the datagram was sent to, see em_datagram, or to an empty one if that is unknown; may be NULL.
 * EM_NOT_FOUND if no datagram has been received, or if its sender has no name: `sender` is then empty. */
EM_API em_status em_datagram_socket_get_sender(const em_datagram_socket *socket, em_address *sender, em_address *local);

/** Returns the nanoseconds of loop time since a datagram was last received or sent, or since the socket was opened. */
EM_API uint64_t em_datagram_socket_get_idle_ns(const em_datagram_socket *socket);

/** Gets the numbers of datagrams received and sent so far. Either pointer may be NULL. */
EM_API void em_datagram_socket_get_counts(const em_datagram_socket *socket, uint64_t *received, uint64_t *sent);

/** Returns the descriptor, also within unbind; -1 for NULL, or once it has been detached. The library owns it: do not
 * read, write or close it. */
EM_API int em_datagram_socket_get_descriptor(const em_datagram_socket *socket);

/** Sets a socket option by the system's numbers, setsockopt(2). The value is passed to the system as it is.
 * EM_CLOSED; EM_INVALID_ARGUMENT; EM_NO_PROTOCOL_OPTION, and what the system returns. */
EM_API em_status em_datagram_socket_set_socket_option(em_datagram_socket *socket, int level, int option,
                                                      const void *value, size_t value_bytes);

/** Gets a socket option, getsockopt(2). value_bytes: the capacity of `value`; set to the length of the value. */
EM_API em_status em_datagram_socket_get_socket_option(em_datagram_socket *socket, int level, int option, void *value,
                                                      size_t *value_bytes);

EM_END_DECLARATIONS

#endif
