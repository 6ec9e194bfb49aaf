/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pipes, sockets, /dev/null and pseudo-terminals for children.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "system/child_streams.h"
#include "system/new_socket.h"
#include "system/system_error.h"

em_status emi_child_pipe(int ends[2])
{
    return emi_new_pipe(ends) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_child_sockets(int ends[2])
{
    if (emi_new_socketpair(AF_UNIX, SOCK_STREAM, ends) < 0)
        return emi_last_status();
    fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) & ~O_NONBLOCK);
    return EM_OK;
}

em_status emi_child_null(int *descriptor)
{
    *descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    return *descriptor < 0 ? emi_last_status() : EM_OK;
}

em_status emi_child_terminal(int *master, char *path, size_t path_bytes)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master < 0)
        return emi_last_status();
    int error = grantpt(*master) < 0 || unlockpt(*master) < 0 ? errno : ptsname_r(*master, path, path_bytes);
    if (error == 0)
        return EM_OK;
    close(*master);
    *master = -1;
    return emi_status_from_errno(error);
}

em_status emi_terminal_set_size(int master, unsigned rows, unsigned columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    return ioctl(master, TIOCSWINSZ, &size) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_descriptor_copy_above(int descriptor, int least, int *copy)
{
    *copy = fcntl(descriptor, F_DUPFD_CLOEXEC, least);
    if (*copy >= 0)
        return EM_OK;
    return errno == EINVAL ? emi_status_from_errno(EMFILE)
                           : emi_last_status(); /* EINVAL: `least` is beyond the limit */
}

em_status emi_descriptor_check(int descriptor)
{
    return fcntl(descriptor, F_GETFD) < 0 ? emi_last_status() : EM_OK;
}

#endif
