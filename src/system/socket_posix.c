/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets on POSIX systems: making them, sending and receiving. Options are in socket_options_posix.c.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "system/new_socket.h"
#include "system/socket.h"
#include "system/system_error.h"

_Static_assert(sizeof(emi_span) == sizeof(struct iovec), "a span is handed on as a struct iovec");

em_status emi_socket_open(const em_address *address, int *fd)
{
    sa_family_t family;
    memcpy(&family, address->storage.bytes + offsetof(struct sockaddr, sa_family), sizeof family);
    *fd = emi_new_socket(family, SOCK_STREAM);
    return *fd < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_pair(int sockets[2])
{
    return emi_new_socketpair(AF_UNIX, SOCK_STREAM, sockets) < 0 ? emi_last_status() : EM_OK;
}

void emi_socket_close(int fd)
{
    if (fd != EMI_NO_SOCKET)
        close(fd);
}

em_status emi_socket_bind(int fd, const em_address *address)
{
    int result = bind(fd, (const struct sockaddr *)(const void *)address->storage.bytes, address->length);
    return result < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_listen(int fd, int backlog)
{
    /* The system reduces a larger backlog to its limit, listen(2). */
    return listen(fd, backlog > 0 ? backlog : INT_MAX) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_connect(int fd, const em_address *address)
{
    int result = connect(fd, (const struct sockaddr *)(const void *)address->storage.bytes, address->length);
    if (result == 0)
        return EM_OK;
    em_status status = emi_last_status();
    /* An interrupted connect continues in the background, connect(2). */
    return status == EM_INTERRUPTED ? EM_IN_PROGRESS : status;
}

/* The system reports the whole length of an address, also if it had to cut the address. */
static em_status finish_address(int result, em_address *address, socklen_t length)
{
    if (result < 0)
        return emi_last_status();
    address->length = length <= sizeof address->storage.bytes ? length : (socklen_t)sizeof address->storage.bytes;
    return EM_OK;
}

em_status emi_socket_accept(int listener, int *fd, em_address *peer)
{
    socklen_t length = sizeof peer->storage.bytes;
    *fd = emi_new_accept(listener, (struct sockaddr *)(void *)peer->storage.bytes, &length);
    return finish_address(*fd, peer, length);
}

em_status emi_socket_accept_and_close(int listener)
{
    int fd = emi_new_accept(listener, NULL, NULL);
    if (fd < 0)
        return emi_last_status();
    emi_socket_forget_linger(fd);
    close(fd);
    return EM_OK;
}

em_status emi_socket_receive(int fd, void *buffer, size_t capacity, size_t *length)
{
    ssize_t result = read(fd, buffer, capacity);
    if (result < 0) {
        *length = 0;
        return emi_last_status();
    }
    *length = (size_t)result;
    return EM_OK;
}

static em_status finish_send(ssize_t result, size_t *taken)
{
    *taken = result < 0 ? 0 : (size_t)result;
    return result < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_send_bytes(int fd, const void *bytes, size_t length, size_t *taken)
{
    return finish_send(send(fd, bytes, length, MSG_NOSIGNAL), taken);
}

em_status emi_socket_send(int fd, const emi_span *spans, unsigned count, size_t *length)
{
    if (count == 1)
        return emi_socket_send_bytes(fd, spans[0].data, spans[0].length, length);
    union {
        const emi_span *spans;
        struct iovec *vector; /* sendmsg(2) does not write to it */
    } pieces = {.spans = spans};
    struct msghdr message = {.msg_iov = pieces.vector, .msg_iovlen = count};
    return finish_send(sendmsg(fd, &message, MSG_NOSIGNAL), length);
}

em_status emi_socket_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_take_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return emi_last_status();
    return emi_status_from_errno(error);
}

em_status emi_socket_set_close_on_exec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return emi_last_status();
    return emi_socket_set_close_on_exec(fd);
}

em_status emi_socket_get_modes(int fd, emi_socket_modes *modes)
{
    modes->status_flags = fcntl(fd, F_GETFL);
    modes->descriptor_flags = fcntl(fd, F_GETFD);
    return modes->status_flags < 0 || modes->descriptor_flags < 0 ? emi_last_status() : EM_OK;
}

void emi_socket_restore_modes(int fd, const emi_socket_modes *modes)
{
    fcntl(fd, F_SETFL, modes->status_flags);
    if (modes->descriptor_flags >= 0)
        fcntl(fd, F_SETFD, modes->descriptor_flags);
}

em_status emi_socket_local_address(int fd, em_address *address)
{
    socklen_t length = sizeof address->storage.bytes;
    int result = getsockname(fd, (struct sockaddr *)(void *)address->storage.bytes, &length);
    return finish_address(result, address, length);
}

em_status emi_socket_peer_address(int fd, em_address *address)
{
    socklen_t length = sizeof address->storage.bytes;
    int result = getpeername(fd, (struct sockaddr *)(void *)address->storage.bytes, &length);
    return finish_address(result, address, length);
}

int emi_open_reserve_descriptor(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

#endif
