/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The files of Unix-domain sockets. They outlive their sockets, unix(7), so a server that wants to listen there finds
 * out whether any process still has the socket.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "system/socket.h"
#include "system/system_error.h"

/*
 * Connecting a datagram socket to a server of streams fails with EPROTOTYPE and does not disturb it, even when its
 * queue is full. If nobody has the socket any more, connecting fails with ECONNREFUSED, whatever its type was.
 */
static em_status look_whether_dead(const em_address *address, bool *is_dead)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return emi_last_status();
    int result = connect(fd, (const struct sockaddr *)(const void *)address->storage.bytes, address->length);
    *is_dead = result < 0 && errno == ECONNREFUSED;
    close(fd);
    return EM_OK;
}

em_status emi_remove_dead_socket_file(const em_address *address)
{
    char path[sizeof(struct sockaddr_un)] = ""; /* a zero byte more than fits into an address */
    const size_t offset = offsetof(struct sockaddr_un, sun_path);
    if (address->length > offset && address->length <= sizeof(struct sockaddr_un))
        memcpy(path, address->storage.bytes + offset, address->length - offset);
    struct stat file;
    if (path[0] == '\0' || lstat(path, &file) < 0 || !S_ISSOCK(file.st_mode))
        return EM_OK;
    bool is_dead = false;
    em_status status = look_whether_dead(address, &is_dead);
    if (status == EM_OK && is_dead)
        unlink(path);
    return status;
}

#endif
