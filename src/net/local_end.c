/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The local addresses that a connection can be bound to: one per family, so that each address of the peer has a
 * matching one. The connector looks up the name.
 */
#include "net/net_private.h"
#include "system/socket.h"

static void add(emi_local_end *local, const em_address *address)
{
    em_address *own = em_address_get_family(address) == EM_ADDRESS_IPV6 ? &local->ipv6 : &local->ipv4;
    if (own->length == 0)
        *own = *address;
    local->is_given = true;
}

void emi_local_end_set(emi_local_end *local, const emi_addresses *addresses)
{
    for (unsigned i = 0; i < addresses->count; i++)
        add(local, &addresses->list[i]);
}

/* Any address of this machine: then only a port is worth binding to. */
static em_status read_port(emi_local_end *local, int port)
{
    if (port == 0)
        return EM_OK;
    static const char *const any[] = {"0.0.0.0", "::"};
    em_status status = EM_OK;
    for (unsigned i = 0; status == EM_OK && i < 2; i++) {
        em_address address;
        status = em_address_from_text(any[i], port, &address);
        if (status == EM_OK)
            add(local, &address);
    }
    return status;
}

em_status emi_local_end_read(emi_local_end *local, const char *host, int port)
{
    if (!host || host[0] == '\0')
        return read_port(local, port);
    emi_addresses addresses = {.count = 1};
    em_status status = em_address_from_text(host, port, &addresses.list[0]);
    if (status == EM_INVALID_ADDRESS)
        status = emi_resolve_known(host, port, &addresses);
    if (status == EM_OK)
        emi_local_end_set(local, &addresses);
    return emi_local_end_failure(status);
}

em_status emi_local_end_failure(em_status status)
{
    return status == EM_NAME_NOT_FOUND ? EM_ADDRESS_NOT_AVAILABLE : status;
}

static em_status try_address(const em_address *local, const em_connect_options *options)
{
    int socket;
    em_status status = emi_socket_open(local, &socket);
    if (status != EM_OK)
        return status;
    status = emi_bind_local_end(socket, local, options);
    emi_socket_close(socket);
    return status;
}

em_status emi_local_end_try(const emi_local_end *local, const em_connect_options *options)
{
    const em_address *const addresses[] = {&local->ipv4, &local->ipv6};
    em_status failure = EM_OK;
    for (unsigned i = 0; i < 2; i++) {
        if (addresses[i]->length == 0)
            continue;
        em_status status = try_address(addresses[i], options);
        if (status == EM_OK)
            return EM_OK;
        failure = failure == EM_OK ? status : failure;
    }
    return failure;
}

const em_address *emi_local_end_for(const emi_local_end *local, const em_address *peer)
{
    const em_address *own = em_address_get_family(peer) == EM_ADDRESS_IPV6 ? &local->ipv6 : &local->ipv4;
    return own->length > 0 ? own : NULL;
}

bool emi_local_end_has(const emi_local_end *local, em_address_family family)
{
    const em_address *own = family == EM_ADDRESS_IPV6 ? &local->ipv6 : &local->ipv4;
    return !local->is_given || own->length > 0;
}
