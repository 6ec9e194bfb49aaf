/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The list of everything that can go wrong. Every function that can fail returns an em_status, and every connection,
 * datagram socket and watch ends with one.
 */
#ifndef EVENTMACHINE_STATUS_H
#define EVENTMACHINE_STATUS_H

#include <eventmachine/export.h>

EM_BEGIN_DECLARATIONS

/**
 * The list behind em_status, as X(name, number, text). The numbers are part of the ABI: they are never changed or
 * reused.
 */
#define EM_STATUS_LIST(X)                                                                                              \
    /* From this library. */                                                                                           \
    X(EM_OK, 0, "success")                                                                                             \
    X(EM_UNDER_PRESSURE, 1, "accepted, but the data waiting to be sent exceeds the high-water mark")                   \
    X(EM_NO_MEMORY, -1, "out of memory")                                                                               \
    X(EM_INVALID_ARGUMENT, -2, "invalid argument")                                                                     \
    X(EM_INVALID_STATE, -3, "not possible in the current state")                                                       \
    X(EM_FORKED, -4, "the loop belongs to another process")                                                            \
    X(EM_UNSUPPORTED, -5, "not supported on this system")                                                              \
    X(EM_NOT_FOUND, -6, "no such object, or it has already ended")                                                     \
    X(EM_LIMIT, -7, "a limit of the library or of the system's threads was reached")                                   \
    X(EM_CLOSED, -8, "closed or closing")                                                                              \
    X(EM_OUTBOX_LIMIT, -9, "the data waiting to be sent exceeds its limit")                                            \
    X(EM_LOOP_OUTBOX_LIMIT, -10, "the data of the whole loop waiting to be sent exceeds its limit")                    \
    X(EM_RESOLVE_TIMEOUT, -11, "timed out while resolving the name")                                                   \
    X(EM_CONNECT_TIMEOUT, -12, "timed out while connecting")                                                           \
    X(EM_INACTIVITY_TIMEOUT, -13, "timed out because of inactivity")                                                   \
    X(EM_WRITE_TIMEOUT, -14, "timed out because the peer does not receive")                                            \
    X(EM_INVALID_ADDRESS, -15, "malformed address or name")                                                            \
    X(EM_INVALID_PORT, -16, "port out of range")                                                                       \
    X(EM_NAME_NOT_FOUND, -17, "host name not found")                                                                   \
    X(EM_RESOLVER_FAILED, -18, "name resolution failed")                                                               \
    X(EM_UNKNOWN_BACKEND, -19, "unknown or unavailable backend")                                                       \
    X(EM_TLS_HANDSHAKE_TIMEOUT, -20, "timed out during the TLS handshake")                                             \
    X(EM_TLS_FAILED, -21, "a TLS protocol error occurred")                                                             \
    X(EM_TLS_ALERT, -22, "the peer ended TLS with an alert")                                                           \
    X(EM_TLS_UNTRUSTED, -23, "the peer's certificate is not trusted")                                                  \
    X(EM_TLS_WRONG_NAME, -24, "the peer's certificate does not match the host name")                                   \
    X(EM_TLS_REJECTED, -25, "the program rejected the peer's certificate")                                             \
    X(EM_TLS_TRUNCATED, -26, "connection truncated: the peer closed it without ending TLS")                            \
    X(EM_TLS_BAD_CERTIFICATE, -27, "unusable certificate")                                                             \
    X(EM_TLS_BAD_KEY, -28, "unusable private key")                                                                     \
    X(EM_TLS_BAD_OPTION, -29, "unusable TLS option")                                                                   \
    X(EM_TLS_NO_HOSTNAME, -30, "verification needs the peer's host name")                                              \
    X(EM_NOT_A_FILE, -31, "not a regular file")                                                                        \
    X(EM_FILE_TRUNCATED, -32, "the file was truncated while it was being sent")                                        \
    X(EM_CANCELLED, -33, "cancelled before it began")                                                                  \
    X(EM_NO_RECORDS, -34, "the name exists, but has no record of this type")                                           \
    X(EM_ANSWER_TRUNCATED, -35, "the name server's answer was truncated, and could not be fetched over TCP")           \
    /* From the operating system. */                                                                                   \
    X(EM_SYSTEM_ERROR, -100, "unexpected error of the operating system")                                               \
    X(EM_ADDRESS_IN_USE, -101, "address already in use")                                                               \
    X(EM_ADDRESS_NOT_AVAILABLE, -102, "address not available")                                                         \
    X(EM_ADDRESS_FAMILY, -103, "address family not supported")                                                         \
    X(EM_PERMISSION_DENIED, -104, "permission denied")                                                                 \
    X(EM_CONNECTION_REFUSED, -105, "connection refused")                                                               \
    X(EM_CONNECTION_RESET, -106, "connection reset by peer")                                                           \
    X(EM_CONNECTION_ABORTED, -107, "connection aborted")                                                               \
    X(EM_BROKEN_PIPE, -108, "the peer no longer accepts data")                                                         \
    X(EM_NETWORK_UNREACHABLE, -109, "network unreachable")                                                             \
    X(EM_HOST_UNREACHABLE, -110, "host unreachable")                                                                   \
    X(EM_TIMED_OUT, -111, "timed out in the operating system")                                                         \
    X(EM_NETWORK_DOWN, -112, "network is down")                                                                        \
    X(EM_NO_DESCRIPTORS, -113, "too many open files")                                                                  \
    X(EM_NO_BUFFERS, -114, "no buffer space available")                                                                \
    X(EM_NOT_CONNECTED, -115, "not connected")                                                                         \
    X(EM_ALREADY_CONNECTED, -116, "already connected")                                                                 \
    X(EM_NO_SUCH_FILE, -117, "no such file or directory")                                                              \
    X(EM_BAD_DESCRIPTOR, -118, "bad file descriptor")                                                                  \
    X(EM_NOT_A_SOCKET, -119, "not a socket")                                                                           \
    X(EM_MESSAGE_TOO_LONG, -120, "message too long")                                                                   \
    X(EM_PATH_TOO_LONG, -121, "path too long")                                                                         \
    X(EM_FILE_EXISTS, -122, "file exists")                                                                             \
    X(EM_IO_ERROR, -123, "input/output error")                                                                         \
    X(EM_WOULD_BLOCK, -124, "the operation would block")                                                               \
    X(EM_INTERRUPTED, -125, "interrupted by a signal")                                                                 \
    X(EM_IN_PROGRESS, -126, "operation in progress")                                                                   \
    X(EM_PROTOCOL_ERROR, -127, "protocol error")                                                                       \
    X(EM_NO_PROTOCOL_OPTION, -128, "no such socket option")                                                            \
    X(EM_NO_SUCH_PROCESS, -129, "no such process")                                                                     \
    X(EM_ARGUMENTS_TOO_LONG, -130, "the arguments and the environment are too long")

/**
 * EM_OK (0) is success, and negative values are failures. The only positive value, EM_UNDER_PRESSURE, is success with
 * advice and is returned by the sending functions only. So `status < 0` tests for failure everywhere.
 */
typedef enum em_status {
#define EM_STATUS_ENUMERATOR(name, number, text) name = number,
    EM_STATUS_LIST(EM_STATUS_ENUMERATOR)
#undef EM_STATUS_ENUMERATOR
} em_status;

/**
 * Returns what a status means, as a short English phrase without a full stop; "unknown status" for any other number.
 * Any thread. Static text, never NULL.
 */
EM_API const char *em_status_get_text(em_status status);

/**
 * Returns the details of the latest failure with this status in the calling thread, for instance which file could not
 * be read, or OpenSSL's message. Returns em_status_get_text(status) if nothing more is known. Call it directly after
 * the call that returned the status. Details are returned only once, here or by em_status_report, so that they do not
 * seem to explain a later failure that has none. Any thread. Never NULL; valid until the next failure in this thread.
 */
EM_API const char *em_status_get_detail(em_status status);

/** Returns the name of a status, for instance "EM_CONNECTION_REFUSED"; "unknown" for any other number. Any
 * thread. Static text, never NULL. */
EM_API const char *em_status_get_name(em_status status);

/**
 * Returns the system's error number behind a status, errno(3). One status may stand for several error numbers, and
 * EM_SYSTEM_ERROR stands for all that have no status of their own. So this returns the last number that was translated
 * to the status in this thread, and if there was none, the usual one. Returns 0 for EM_OK and for the statuses that
 * come from this library (those above EM_SYSTEM_ERROR). Call it directly after the call that returned the status; in
 * unbind use em_connection_get_reason. Any thread.
 */
EM_API int em_status_get_system_error(em_status status);

/**
 * Reports a failure at the end of main(): prints "eventmachine: TEXT (NAME)" to standard error. If this thread has just
 * failed to create a loop because its backend is unavailable, the text says which one, why, and what there is to choose
 * from. Prints nothing for success. Returns the exit status: 0 for success, 1 for failure. Any thread.
 */
EM_API int em_status_report(em_status status);

EM_END_DECLARATIONS

#endif
