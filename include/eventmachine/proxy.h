/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies: the bytes that one connection (the source) receives are sent by another (the target), within the library,
 * without passing through the program. Datagram sockets may take part, see em_loop_start_proxy. Connections may be of
 * any kind: TCP, Unix-domain, or with TLS (decrypted bytes are relayed, and encrypted again if the target has TLS). A
 * proxy has one direction. For both directions, start two, in either order. Chains (a to b, b to c) are possible, too.
 *
 * All functions here are for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_PROXY_H
#define EVENTMACHINE_PROXY_H

#include <eventmachine/connection.h>
#include <eventmachine/datagram.h>

EM_BEGIN_DECLARATIONS

/** What the end of the source means for the target. */
typedef enum em_proxy_end {
    /** The target stays as it is: the program decides, in the source's receive_end or unbind. */
    EM_PROXY_LEAVE_OPEN = 0,

    /**
     * When the source's peer has sent its last byte, and everything has been relayed, the target's sending ends as by
     * em_connection_close_write, and the target goes on receiving. If the source is itself the target of a proxy, it
     * stays open for that direction even if its handler has no receive_end. So two proxies with this option relay
     * half-closes both ways, and both connections end when both peers have ended. If the source ends in any other way,
     * for instance by a reset, the target is closed as by em_connection_close_after_writing. The same happens if the
     * source itself ends after its peer's last byte while the proxy in the other direction still exists.
     */
    EM_PROXY_CLOSE_WRITE = 1,

    /** When the source's peer has sent its last byte, or the source ends in any other way, the target is closed as by
     * em_connection_close_after_writing. */
    EM_PROXY_CLOSE_AFTER_WRITING = 2
} em_proxy_end;

/** Options of em_connection_start_proxy and em_loop_start_proxy. Begin with `.size = sizeof options`; zero means the
 * default. Copied. */
typedef struct em_proxy_options {
    size_t size; /**< sizeof (em_proxy_options) */

    /**
     * Flow control: the source is not read while more bytes than this are waiting to be sent by the target
     * (em_connection_get_outbound_bytes). So a proxy holds at most this many bytes and those of one more read
     * (receive_buffer_bytes in em_loop_options). 0: 256 KiB, but for bulk data between plain TCP connections the kernel
     * may hold up to 1 MiB, for at most 32 proxies of a loop at a time. SIZE_MAX: no limit.
     */
    size_t buffer_bytes;

    /** The proxy ends after it has relayed this many bytes. proxy_completed is called, and bytes received after them go
     * to receive_data next. 0: no end. */
    uint64_t length_bytes;

    em_proxy_end at_end; /**< default: EM_PROXY_LEAVE_OPEN */
    unsigned reserved;   /**< for a future option; must be 0 */
} em_proxy_options;

/**
 * Starts a proxy between any two objects that carry bytes, given by their signatures: connections, including those of
 * child processes and attached descriptors, and datagram sockets. For two connections this is
 * em_connection_start_proxy. Everything said there also applies to datagram sockets, with these differences:
 *
 * - Source: the bytes of each datagram are relayed. If the target is a connection, the boundaries are lost. Between
 *   datagram sockets, each datagram stays one datagram, and those of length 0 are relayed as well. After length_bytes,
 *   the rest of a datagram goes to receive_datagram. While a socket is held back, datagrams wait in the system's
 *   buffer, as far as it has room.
 * - Target: each piece is sent as one datagram. It goes to the fixed peer (em_datagram_socket_connect) or, if there is
 *   none, to the sender of the latest datagram received. Until there is one or the other, the source is held back. A
 *   piece from a connection is at most receive_buffer_bytes long (em_loop_options). Where the stream is divided depends
 *   on the network, so the protocol must not depend on it. Bytes beyond 65 507, the most that fits into an IPv4
 *   datagram, follow in another datagram. So do bytes for which outbox_limit_bytes or the loop's limit leaves no room.
 *   A datagram that the system refuses is reported by the target's send_failed.
 * - A datagram socket has no end of input. As a source it has none to pass on. As a target it is closed as by
 *   em_datagram_socket_close_after_writing when the source's peer has ended, if at_end says so. With
 *   EM_PROXY_CLOSE_WRITE and a proxy in the other direction, it stays open for that proxy until the connection ends.
 *
 * EM_INVALID_ARGUMENT: `loop` is NULL, or one of the two is of another kind (a server, a watch, a process). EM_CLOSED:
 * there is no object `from`, or it has ended. EM_NOT_FOUND: there is no object `to`. Other errors as for
 * em_connection_start_proxy.
 */
EM_API em_status em_loop_start_proxy(em_loop *loop, em_signature from, em_signature to,
                                     const em_proxy_options *options);

/** Ends the proxy of `from`. EM_INVALID_STATE if it has none; EM_CLOSED if there is no such object; EM_INVALID_ARGUMENT
 * if it carries no bytes, or `loop` is NULL. */
EM_API em_status em_loop_stop_proxy(em_loop *loop, em_signature from);

/** Returns how many bytes the latest proxy of `from` has relayed, as em_connection_get_proxied_bytes; 0 if there was
 * none, or if there is no such object. */
EM_API uint64_t em_loop_get_proxied_bytes(const em_loop *loop, em_signature from);

/**
 * Starts a proxy: from now on, the bytes that `from` receives are sent by `to` and are not passed to receive_data. If
 * this is called in receive_data, the bytes just passed to it are not relayed. Either connection may still be
 * connecting. Data that the program itself sends by `to` is inserted between the relayed pieces, in the order of the
 * calls.
 *
 * If `from` has a proxy already, the new one replaces it and counts from 0. A connection is the target of at most one
 * proxy. options: NULL for defaults.
 *
 * The source is held back, which means that nothing is read from it: while more than buffer_bytes are waiting in the
 * target, while the target accepts no more data to send (em_connection_close_write and the like), and while
 * outbox_limit_bytes of the target or the loop leaves no room. So a proxy never exceeds those limits and loses nothing
 * because of them. Other pauses are independent: bytes are received only while neither they nor the proxy hold the
 * source back. em_connection_is_paused and em_connection_is_receiving_paused do not report that a proxy holds it back.
 * The end of `from` is noticed after the bytes before it have been relayed.
 *
 * A proxy ends:
 * - after length_bytes, when proxy_completed is called;
 * - after the target's unbind, when proxy_target_unbound is called, and later bytes go to receive_data;
 * - by em_connection_stop_proxy, or em_connection_detach of `from`;
 * - after the unbind of `from`. No callback of `to` is called for this, and `to` is affected only as at_end says.
 * Bytes that have been relayed belong to the target: they are sent or dropped like those of em_connection_send. Bytes
 * that have been received, but could not be relayed before the proxy ended, go to receive_data or to the next proxy.
 *
 * EM_INVALID_ARGUMENT: `from` or `to` is NULL, they are the same or of different loops, or the options are invalid.
 * EM_CLOSED: `from` has ended, or its peer has. EM_NOT_FOUND: the unbind of `to` has returned. If `to` has ended but
 * its unbind has not returned, the call succeeds, and proxy_target_unbound follows. EM_INVALID_STATE: `to` is the
 * target of another proxy, or the loop is being destroyed. EM_NO_MEMORY, EM_FORKED. A call that fails has no effect: a
 * former proxy goes on.
 *
 * If there is no memory for bytes that must wait, `from` ends with EM_NO_MEMORY.
 */
EM_API em_status em_connection_start_proxy(em_connection *from, em_connection *to, const em_proxy_options *options);

/** Ends the proxy of `from`: bytes that it receives from now on go to receive_data. EM_INVALID_STATE if it has none;
 * EM_CLOSED if it has ended; EM_INVALID_ARGUMENT for NULL. */
EM_API em_status em_connection_stop_proxy(em_connection *from);

/** Returns how many bytes the latest proxy of `from` has relayed, also after it has ended and within unbind; 0 if there
 * was none. */
EM_API uint64_t em_connection_get_proxied_bytes(const em_connection *from);

/** Returns the target of the proxy of `from`; NULL if it has none now, or if the target is a datagram socket. */
EM_API em_connection *em_connection_get_proxy_target(const em_connection *from);

EM_END_DECLARATIONS

#endif
