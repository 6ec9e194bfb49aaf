/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening listening sockets: at one address, or at all addresses of a name. What is done with them is in server.c.
 */
#include <string.h>

#include "net/net_private.h"
#include "system/socket.h"

/* A port that the system chose for the first socket may be taken at another address. So many ports are tried. */
enum { MOST_PORTS_TRIED = 16 };

static em_status listen_at(int socket, const em_address *address, const em_server_options *options)
{
    em_address_family family = em_address_get_family(address);
    em_status status = emi_apply_server_options(socket, family, options);
    if (status == EM_OK && family == EM_ADDRESS_UNIX && options->replace_socket_file != EM_OFF)
        status = emi_remove_dead_socket_file(address);
    if (status == EM_OK)
        status = emi_socket_bind(socket, address);
    if (status == EM_OK)
        status = emi_socket_listen(socket, options->backlog);
    return status;
}

/* Adds one more. All get the port of the first. */
static em_status open_next(emi_server_sockets *sockets, const em_address *given, const em_server_options *options)
{
    em_address address = *given;
    em_address first;
    if (sockets->count > 0 && emi_socket_local_address(sockets->list[0], &first) == EM_OK)
        emi_address_set_port(&address, em_address_get_port(&first));
    int socket;
    em_status status = emi_socket_open(&address, &socket);
    if (status != EM_OK)
        return status;
    status = listen_at(socket, &address, options);
    if (status == EM_OK)
        sockets->list[sockets->count++] = socket;
    else
        emi_socket_close(socket);
    return status;
}

/* Hosts files may name one address twice. */
static bool is_repeated(const emi_addresses *addresses, unsigned i)
{
    const em_address *address = &addresses->list[i];
    for (const em_address *other = addresses->list; other < address; other++)
        if (other->length == address->length &&
            memcmp(other->storage.bytes, address->storage.bytes, address->length) == 0)
            return true;
    return false;
}

static bool is_missing_here(em_status status)
{
    return status == EM_ADDRESS_FAMILY || status == EM_ADDRESS_NOT_AVAILABLE;
}

static em_status open_all(emi_server_sockets *sockets, const emi_addresses *addresses, const em_server_options *options)
{
    em_status missing = EM_ADDRESS_NOT_AVAILABLE;
    for (unsigned i = 0; i < addresses->count; i++) {
        if (is_repeated(addresses, i))
            continue;
        em_status status = open_next(sockets, &addresses->list[i], options);
        if (is_missing_here(status)) {
            missing = status;
        } else if (status != EM_OK) {
            emi_server_sockets_close(sockets);
            return status;
        }
    }
    return sockets->count > 0 ? EM_OK : missing;
}

em_status emi_server_sockets_open(emi_server_sockets *sockets, const emi_addresses *addresses,
                                  const em_server_options *options)
{
    bool port_is_free = addresses->count > 1 && em_address_get_port(&addresses->list[0]) == 0;
    em_status status;
    unsigned tried = 0;
    do {
        sockets->count = 0;
        status = open_all(sockets, addresses, options);
    } while (status == EM_ADDRESS_IN_USE && port_is_free && ++tried < MOST_PORTS_TRIED);
    return status;
}

void emi_server_sockets_close(const emi_server_sockets *sockets)
{
    for (unsigned i = 0; i < sockets->count; i++)
        emi_socket_close(sockets->list[i]);
}
