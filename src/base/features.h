/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The only file that tests which platform this is. All others test the features defined here, each 0 or 1, and only
 * around a whole file.
 */
#ifndef EMI_FEATURES_H
#define EMI_FEATURES_H

#include <limits.h>

#if defined(__linux__)
#define EMI_HAVE_EPOLL 1
#define EMI_HAVE_EVENTFD 1
#define EMI_HAVE_ABSTRACT_UNIX 1
#define EMI_O_PATH O_PATH /* the flag of descriptors that are open for nothing, open(2); 0: there is none */
#define EMI_HAVE_INOTIFY 1
#define EMI_EAI_NODATA EAI_NODATA /* of getaddrinfo(3): the name has no address; 0: there is none */
#else
#define EMI_HAVE_EPOLL 0
#define EMI_HAVE_EVENTFD 0
#define EMI_HAVE_ABSTRACT_UNIX 0
#define EMI_O_PATH 0
#define EMI_HAVE_INOTIFY 0
#define EMI_EAI_NODATA 0
#endif

/* The build defines EM_WITH_LIBURING if liburing is available. */
#if defined(__linux__) && defined(EM_WITH_LIBURING)
#define EMI_HAVE_URING 1
#else
#define EMI_HAVE_URING 0
#endif

/* The build defines EM_WITH_CARES if c-ares is available. */
#if defined(EM_WITH_CARES)
#define EMI_HAVE_CARES 1
#else
#define EMI_HAVE_CARES 0
#endif

/* The build defines EM_WITH_OPENSSL if OpenSSL 3 is available. */
#if defined(EM_WITH_OPENSSL)
#define EMI_HAVE_OPENSSL 1
#else
#define EMI_HAVE_OPENSSL 0
#endif

/* ioctl(2) with SIOCOUTQ reports how many bytes sent are not acknowledged, tcp(7). */
#if defined(__linux__)
#define EMI_HAVE_SIOCOUTQ 1
#else
#define EMI_HAVE_SIOCOUTQ 0
#endif

/* splice(2) and F_SETPIPE_SZ. */
#if defined(__linux__)
#define EMI_HAVE_SPLICE 1
#else
#define EMI_HAVE_SPLICE 0
#endif

/* IP_BIND_ADDRESS_NO_PORT: a bound socket gets its port when it is connected, ip(7). */
#if defined(__linux__)
#define EMI_HAVE_BIND_ADDRESS_NO_PORT 1
#else
#define EMI_HAVE_BIND_ADDRESS_NO_PORT 0
#endif

/* A datagram socket that is disconnected loses its port, and gets another one when it is connected again, udp(7). */
#if defined(__linux__)
#define EMI_HAVE_PORT_PER_CONNECT 1
#else
#define EMI_HAVE_PORT_PER_CONNECT 0
#endif

/* accept4(2), and SOCK_CLOEXEC and SOCK_NONBLOCK of socket(2). */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
#define EMI_HAVE_ACCEPT4 1
#else
#define EMI_HAVE_ACCEPT4 0
#endif

/* TCP_USER_TIMEOUT, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT, tcp(7). */
#if defined(__linux__)
#define EMI_HAVE_TCP_TIMERS 1
#else
#define EMI_HAVE_TCP_TIMERS 0
#endif

/* recvmmsg(2) and sendmmsg(2): several datagrams by one system call. */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)
#define EMI_HAVE_MMSG 1
#else
#define EMI_HAVE_MMSG 0
#endif

/* What a packet says besides its bytes (IP_PKTINFO, ip(7)), segmentation of UDP (udp(7)), and the error queue of a
 * socket (IP_RECVERR). */
#if defined(__linux__)
#define EMI_HAVE_PACKET_INFO 1
#else
#define EMI_HAVE_PACKET_INFO 0
#endif

/* Accepted sockets have the options of the listening one, tcp(7). */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__APPLE__)
#define EMI_ACCEPTED_INHERIT_OPTIONS 1
#else
#define EMI_ACCEPTED_INHERIT_OPTIONS 0
#endif

/* sendfile(2) from a file to any socket, without a copy in user memory. */
#if defined(__linux__)
#define EMI_HAVE_SENDFILE 1
#else
#define EMI_HAVE_SENDFILE 0
#endif

/* preadv2(2) with RWF_NOWAIT reads only what the page cache holds. */
#if defined(__linux__)
#define EMI_HAVE_CACHED_READS 1
#else
#define EMI_HAVE_CACHED_READS 0
#endif

/* A process as a descriptor, pidfd_open(2): Linux 5.3. Whether the running kernel has it is found out at run time. */
#if defined(__linux__)
#define EMI_HAVE_PIDFD 1
#else
#define EMI_HAVE_PIDFD 0
#endif

/* posix_spawn_file_actions_addclosefrom_np(3): glibc 2.34, FreeBSD 13.1. __GLIBC__ comes with any header of glibc's. */
#if (defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)) || defined(__FreeBSD__)
#define EMI_HAVE_SPAWN_CLOSEFROM 1
#else
#define EMI_HAVE_SPAWN_CLOSEFROM 0
#endif

#if defined(_WIN32)
#define EMI_HAVE_POSIX 0
#else
#define EMI_HAVE_POSIX 1
#endif

/* The presets with sanitizers check invariants, see invariant.h: they define EM_CHECK_INVARIANTS. */
#if defined(EM_CHECK_INVARIANTS)
#define EMI_CHECK_INVARIANTS 1
#else
#define EMI_CHECK_INVARIANTS 0
#endif

/* C requires at least one declaration in every file (C11, 6.9), also in a file that its guard leaves empty. */
typedef int emi_nothing_else_here;

#if defined(__GNUC__)
#define EMI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define EMI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Keeps what is rarely called, with all its registers and stack, out of a caller that is often called. */
#define EMI_NEVER_INLINE __attribute__((noinline))
#define EMI_PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define EMI_LIKELY(condition) (condition)
#define EMI_UNLIKELY(condition) (condition)
#define EMI_NEVER_INLINE
#define EMI_PRINTF_LIKE(text, first)
#endif

#endif
