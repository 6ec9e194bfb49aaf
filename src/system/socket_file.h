/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The files of Unix-domain sockets, unix(7). bind(2) makes them, and nothing removes them: they outlive their sockets.
 */
#ifndef EMI_SOCKET_FILE_H
#define EMI_SOCKET_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/address.h>

#include "system/owners.h"

/** Who may connect: the mode and the owners of a file. */
typedef struct emi_file_access {
    unsigned mode; /* permission bits; 0: leaves the file's */
    int64_t owner; /* a user's number, or EMI_KEEP_OWNER */
    int64_t group; /* a group's */
} emi_file_access;

/** Whether it is the address of a Unix-domain socket with a file; not so in the abstract namespace. */
bool emi_address_has_file(const em_address *address);

/** Sets mode and owners of the file of a socket. EM_PERMISSION_DENIED, EM_NO_SUCH_FILE and the like; EM_FILE_EXISTS if
 * the file is no socket. */
em_status emi_socket_file_set_access(const em_address *address, const emi_file_access *access);

/** Removes the file that this socket is bound to, if it has one. */
void emi_socket_file_remove(int socket);

/**
 * Removes the file of a Unix-domain socket that no process has any more; leaves files of every other kind alone, and
 * those of living sockets, so binding to them fails. EM_NO_DESCRIPTORS and the like if that could not be found out.
 */
em_status emi_remove_stale_socket_file(const em_address *address);

#endif
