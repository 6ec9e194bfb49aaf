/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups by getaddrinfo(3) in the pool of threads. They use the hosts file, resolv.conf and nsswitch.conf as every
 * other program does.
 */
#include "dns/resolver_system.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/container.h"
#include "base/features.h"
#include "dns/dns_addresses.h"
#include "dns/dns_name.h"
#include "pool/pool.h"
#include "system/socket.h"

/* Made by the loop's thread. A thread of the pool fills in status and addresses, which the loop's thread then reads. */
struct emi_system_lookup {
    emi_job job;
    void (*done)(void *user, em_status status, const emi_addresses *addresses);
    void *user;
    em_status status;
    int port;
    emi_addresses addresses;
    char name[EMI_LONGEST_NAME + 1];
};

static em_status status_of(int error)
{
    switch (error) {
    case 0:
        return EM_OK;
    case EAI_MEMORY:
        return EM_NO_MEMORY;
    case EAI_AGAIN:
    case EAI_SYSTEM:
    case EAI_FAIL:
        return EM_RESOLVER_FAILED;
    default:
        return error == EMI_EAI_NODATA ? EM_NO_RECORDS : EM_NAME_NOT_FOUND;
    }
}

/* RFC 6761, section 6.3: names under localhost are this machine's loopback addresses and are not looked up. */
static em_status look_up_loopback(int port, emi_addresses *addresses)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    for (addresses->count = 0; addresses->count < 2; addresses->count++)
        em_address_from_text(loopback[addresses->count], port, &addresses->list[addresses->count]);
    return EM_OK;
}

/* With EM_OK there is at least one address. */
static em_status ask_system(const char *name, int port, int flags, emi_addresses *addresses)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };
    char service[8];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo *found = NULL;
    em_status status = status_of(getaddrinfo(name, service, &hints, &found));
    em_address address;
    addresses->count = 0;
    for (struct addrinfo *each = found; each; each = each->ai_next)
        if (em_address_from_sockaddr(each->ai_addr, each->ai_addrlen, &address) == EM_OK)
            emi_addresses_add(addresses, &address);
    if (found)
        freeaddrinfo(found);
    return status == EM_OK && addresses->count == 0 ? EM_NAME_NOT_FOUND : status;
}

static bool are_all_loopback(const emi_addresses *addresses)
{
    for (unsigned i = 0; i < addresses->count; i++)
        if (!emi_address_is_loopback(&addresses->list[i]))
            return false;
    return true;
}

/*
 * AI_ADDRCONFIG leaves out addresses of a family if this machine has no address of that family other than loopback (RFC
 * 3493, section 6.1). That is right for the Internet: it saves queries that some name servers never answer, and
 * addresses that cannot be reached. It is wrong for the hosts file, because the loopback interface and private networks
 * may have both families. On a machine with IPv4 addresses only, glibc does not find a name that has an IPv6 address in
 * the hosts file. It then asks the name server, so that any failure may result. And it returns 127.0.0.1 where the file
 * says ::1. So if nothing was found, or loopback addresses only, the lookup is repeated without the flag. If that
 * finds nothing, the first result stands.
 */
static em_status look_up(const char *name, int port, emi_addresses *addresses)
{
    if (emi_name_is_under(name, "localhost"))
        return look_up_loopback(port, addresses);
    em_status status = ask_system(name, port, AI_ADDRCONFIG, addresses);
    if (status == EM_NO_MEMORY || (status == EM_OK && !are_all_loopback(addresses)))
        return status;
    emi_addresses all;
    if (ask_system(name, port, 0, &all) != EM_OK)
        return status;
    *addresses = all;
    return EM_OK;
}

em_status emi_resolve_known(const char *name, int port, emi_addresses *addresses)
{
    em_status status = emi_name_check(name);
    if (status != EM_OK)
        return status;
    return emi_name_is_under(name, "localhost") ? look_up_loopback(port, addresses) : EM_IN_PROGRESS;
}

em_status emi_resolve_blocking(const char *name, int port, emi_addresses *addresses)
{
    em_status status = emi_name_check(name);
    return status == EM_OK ? look_up(name, port, addresses) : status;
}

static emi_system_lookup *lookup_of(emi_job *job)
{
    return EMI_CONTAINER(job, emi_system_lookup, job);
}

static void work(emi_job *job)
{
    emi_system_lookup *made = lookup_of(job);
    made->status = look_up(made->name, made->port, &made->addresses);
}

static void finish(emi_job *job)
{
    emi_system_lookup *made = lookup_of(job);
    made->done(made->user, made->status, &made->addresses);
    free(made);
}

static void dispose(emi_job *job)
{
    free(lookup_of(job));
}

em_status emi_system_lookup_start(em_loop *loop, const char *name, int port,
                                  void (*done)(void *user, em_status status, const emi_addresses *addresses),
                                  void *user, emi_system_lookup **started)
{
    emi_system_lookup *made = calloc(1, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->job = (emi_job){.lane = EMI_POOL_NAMES, .work = work, .done = finish, .dispose = dispose};
    made->done = done;
    made->user = user;
    made->port = port;
    memcpy(made->name, name, strlen(name) + 1);
    em_status status = emi_pool_submit(loop, &made->job);
    if (status != EM_OK) {
        free(made);
        return status;
    }
    *started = made;
    return EM_OK;
}

void emi_system_lookup_cancel(emi_system_lookup *started)
{
    emi_pool_give_up(&started->job);
}
