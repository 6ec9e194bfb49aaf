/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Resolution by the system's getaddrinfo(3) in the pool of threads: the hosts file, resolv.conf and nsswitch.conf count as for
 * every other program.
 */
#include "dns/resolver.h"

#include <ctype.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/container.h"
#include "pool/pool.h"

/* RFC 1035, section 2.3.4, with a final dot. */
enum { LONGEST_NAME = 254 };

/* The loop's thread makes it, one of the pool fills in status and addresses, the loop's thread reads them. */
struct emi_resolution {
    emi_job job;
    void (*done)(void *user, em_status status, const emi_addresses *addresses);
    void *user;
    em_status status;
    int port;
    emi_addresses addresses;
    char name[LONGEST_NAME + 1];
};

/* Whether the name is this top-level one or under it. */
static bool is_under(const char *name, const char *top)
{
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.')
        length--;
    size_t tail = strlen(top);
    if (length < tail || strncasecmp(name + length - tail, top, tail) != 0)
        return false;
    return length == tail || name[length - tail - 1] == '.';
}

/* Digits and dots only: a malformed IPv4 address, which no resolver should see (RFC 3493 would read "1.2" as one). */
static bool looks_like_ipv4(const char *name)
{
    return name[strspn(name, "0123456789.")] == '\0';
}

static em_status check_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > LONGEST_NAME || strchr(name, ':') || looks_like_ipv4(name))
        return EM_INVALID_ADDRESS;
    for (size_t i = 0; i < length; i++)
        if (isspace((unsigned char)name[i]) || iscntrl((unsigned char)name[i]))
            return EM_INVALID_ADDRESS;
    return is_under(name, "invalid") ? EM_NAME_NOT_FOUND : EM_OK;
}

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
        return EM_NAME_NOT_FOUND;
    }
}

/* RFC 6761, section 6.3: names under localhost mean this machine, and nobody is to be asked. */
static em_status look_up_loopback(int port, emi_addresses *addresses)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    for (addresses->count = 0; addresses->count < 2; addresses->count++)
        em_address_from_text(loopback[addresses->count], port, &addresses->list[addresses->count]);
    return EM_OK;
}

static em_status look_up(const char *name, int port, emi_addresses *addresses)
{
    if (is_under(name, "localhost"))
        return look_up_loopback(port, addresses);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV,
    };
    char service[8];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo *found = NULL;
    em_status status = status_of(getaddrinfo(name, service, &hints, &found));
    addresses->count = 0;
    for (struct addrinfo *each = found; each && addresses->count < EMI_MOST_ADDRESSES; each = each->ai_next)
        if (em_address_from_sockaddr(each->ai_addr, each->ai_addrlen, &addresses->list[addresses->count]) == EM_OK)
            addresses->count++;
    if (found)
        freeaddrinfo(found);
    return status == EM_OK && addresses->count == 0 ? EM_NAME_NOT_FOUND : status;
}

em_status emi_resolve_blocking(const char *name, int port, emi_addresses *addresses)
{
    em_status status = check_name(name);
    return status == EM_OK ? look_up(name, port, addresses) : status;
}

static emi_resolution *resolution_of(emi_job *job)
{
    return EMI_CONTAINER(job, emi_resolution, job);
}

static void work(emi_job *job)
{
    emi_resolution *resolution = resolution_of(job);
    resolution->status = look_up(resolution->name, resolution->port, &resolution->addresses);
}

static void finish(emi_job *job)
{
    emi_resolution *resolution = resolution_of(job);
    resolution->done(resolution->user, resolution->status, &resolution->addresses);
    free(resolution);
}

static void dispose(emi_job *job)
{
    free(resolution_of(job));
}

em_status emi_resolve(em_loop *loop, const char *name, int port,
                      void (*done)(void *user, em_status status, const emi_addresses *addresses), void *user,
                      emi_resolution **resolution)
{
    em_status status = check_name(name);
    if (status != EM_OK)
        return status;
    emi_resolution *made = calloc(1, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->job = (emi_job){.work = work, .done = finish, .dispose = dispose};
    made->done = done;
    made->user = user;
    made->port = port;
    memcpy(made->name, name, strlen(name) + 1);
    status = emi_pool_submit(loop, &made->job);
    if (status != EM_OK) {
        free(made);
        return status;
    }
    *resolution = made;
    return EM_OK;
}

void emi_resolve_cancel(emi_resolution *resolution)
{
    emi_pool_give_up(&resolution->job);
}
