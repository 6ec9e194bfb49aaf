/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening listening sockets: at one address, or at all addresses of a name. What is done with them is in server.c.
 */
#include <string.h>

#include "net/server_private.h"
#include "system/socket.h"

/* How many ports are tried: one that the system chose for the first socket may be in use at another address. */
enum { MOST_PORTS_TRIED = 16 };

/* A file that nobody listens at would stay for ever. */
static void discard(int socket)
{
    emi_socket_file_remove(socket);
    emi_socket_close(socket);
}

static em_status bind_to(int socket, const em_address *address, const em_server_options *options)
{
    em_status status = emi_apply_server_options(socket, em_address_get_family(address), options);
    if (status == EM_OK && options->replace_socket_file != EM_OFF)
        status = emi_remove_stale_socket_file(address);
    return status == EM_OK ? emi_socket_bind(socket, address) : status;
}

static em_status listen_on(int socket, const em_address *address, const emi_server_settings *settings)
{
    em_status status = emi_apply_file_access(address, settings);
    return status == EM_OK ? emi_socket_listen(socket, settings->options.backlog) : status;
}

/* Adds one more. All get the port of the first. */
static em_status open_next(emi_server_sockets *sockets, const em_address *given, const emi_server_settings *settings)
{
    em_address address = *given;
    em_address first;
    if (sockets->count > 0 && emi_socket_local_address(sockets->list[0], &first) == EM_OK)
        emi_address_set_port(&address, em_address_get_port(&first));
    int socket;
    em_status status = emi_socket_open(&address, &socket);
    if (status != EM_OK)
        return status;
    status = bind_to(socket, &address, &settings->options);
    if (status != EM_OK) {
        emi_socket_close(socket);
        return status;
    }
    status = listen_on(socket, &address, settings);
    if (status == EM_OK)
        sockets->list[sockets->count++] = socket;
    else
        discard(socket);
    return status;
}

/* Hosts files may name one address twice. */
static bool is_repeated(const emi_addresses *addresses, unsigned i)
{
    const em_address *address = &addresses->list[i];
    for (const em_address *other = addresses->list; other < address; other++)
        if (emi_addresses_are_equal(other, address))
            return true;
    return false;
}

static bool is_missing_here(em_status status)
{
    return status == EM_ADDRESS_FAMILY || status == EM_ADDRESS_NOT_AVAILABLE;
}

static em_status open_all(emi_server_sockets *sockets, const emi_addresses *addresses,
                          const emi_server_settings *settings)
{
    em_status missing = EM_ADDRESS_NOT_AVAILABLE;
    for (unsigned i = 0; i < addresses->count; i++) {
        if (is_repeated(addresses, i))
            continue;
        em_status status = open_next(sockets, &addresses->list[i], settings);
        if (is_missing_here(status)) {
            missing = status;
        } else if (status != EM_OK) {
            emi_server_sockets_discard(sockets);
            return status;
        }
    }
    return sockets->count > 0 ? EM_OK : missing;
}

em_status emi_server_sockets_open(emi_server_sockets *sockets, const emi_addresses *addresses,
                                  const emi_server_settings *settings)
{
    bool port_is_free = addresses->count > 1 && em_address_get_port(&addresses->list[0]) == 0;
    em_status status;
    unsigned tried = 0;
    do {
        sockets->count = 0;
        status = open_all(sockets, addresses, settings);
    } while (status == EM_ADDRESS_IN_USE && port_is_free && ++tried < MOST_PORTS_TRIED);
    return status;
}

void emi_server_sockets_discard(const emi_server_sockets *sockets)
{
    for (unsigned i = 0; i < sockets->count; i++)
        discard(sockets->list[i]);
}
