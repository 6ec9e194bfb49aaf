/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The files of Unix-domain sockets: removing those that nobody serves, and setting who may connect. They outlive their
 * sockets, unix(7), so a server that wants to listen there finds out whether any process still has the socket.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "system/new_socket.h"
#include "system/socket.h"
#include "system/socket_file.h"
#include "system/system_error.h"

/* A zero byte more than fits into an address. */
typedef struct socket_path {
    char text[sizeof(struct sockaddr_un)];
} socket_path;

/* "" for one that has no file. */
static socket_path path_of(const em_address *address)
{
    socket_path path = {.text = ""};
    const size_t offset = offsetof(struct sockaddr_un, sun_path);
    if (em_address_get_family(address) == EM_ADDRESS_UNIX && address->length > offset &&
        address->length <= sizeof(struct sockaddr_un))
        memcpy(path.text, address->storage.bytes + offset, address->length - offset);
    return path;
}

bool emi_address_has_file(const em_address *address)
{
    return path_of(address).text[0] != '\0';
}

/*
 * Connecting a datagram socket to a server of streams fails with EPROTOTYPE and does not disturb it, even when its
 * queue is full. If nobody has the socket any more, connecting fails with ECONNREFUSED, whatever its type was.
 */
static em_status find_out_whether_stale(const em_address *address, bool *is_stale)
{
    int fd = emi_new_socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0)
        return emi_last_status();
    int result = connect(fd, (const struct sockaddr *)(const void *)address->storage.bytes, address->length);
    *is_stale = result < 0 && errno == ECONNREFUSED;
    close(fd);
    return EM_OK;
}

static bool is_socket_file(const socket_path *path)
{
    struct stat file;
    return path->text[0] != '\0' && lstat(path->text, &file) == 0 && S_ISSOCK(file.st_mode);
}

em_status emi_remove_stale_socket_file(const em_address *address)
{
    socket_path path = path_of(address);
    if (!is_socket_file(&path))
        return EM_OK;
    bool is_stale = false;
    em_status status = find_out_whether_stale(address, &is_stale);
    if (status == EM_OK && is_stale)
        unlink(path.text);
    return status;
}

void emi_socket_file_remove(int socket)
{
    em_address address;
    if (emi_socket_local_address(socket, &address) != EM_OK)
        return;
    socket_path path = path_of(&address);
    if (is_socket_file(&path))
        unlink(path.text);
}

/* The mode comes first: whoever gives a file away may not change its mode any more. */
em_status emi_socket_file_set_access(const em_address *address, const emi_file_access *access)
{
    bool keeps_owners = access->owner == EMI_KEEP_OWNER && access->group == EMI_KEEP_OWNER;
    if (access->mode == 0 && keeps_owners)
        return EM_OK;
    socket_path path = path_of(address);
    struct stat file;
    if (lstat(path.text, &file) < 0)
        return emi_last_status();
    if (!S_ISSOCK(file.st_mode)) /* somebody has put another one in its place, perhaps a link: it is not followed */
        return EM_FILE_EXISTS;
    if (access->mode != 0 && chmod(path.text, access->mode) < 0)
        return emi_last_status();
    if (!keeps_owners && lchown(path.text, (uid_t)access->owner, (gid_t)access->group) < 0)
        return emi_last_status();
    return EM_OK;
}

#endif
