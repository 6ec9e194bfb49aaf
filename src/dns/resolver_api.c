/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The functions of include/eventmachine/resolver.h.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "dns/resolver_private.h"

static em_status read_resolver_options(em_resolver_options *own, const em_resolver_options *given)
{
    em_status status = emi_read_named_options("em_resolver_options", own, sizeof *own, given);
    return status == EM_OK ? emi_dns_options_check(own) : status;
}

static em_status refuse_family(void)
{
    emi_set_status_detail(EM_INVALID_ARGUMENT, "em_lookup_options: family is neither IPv4 nor IPv6");
    return EM_INVALID_ARGUMENT;
}

/* `own` and `resolver` are room for copies of the options and of those that they refer to. */
static em_status read_lookup_options(emi_lookup_request *request, em_lookup_options *own, em_resolver_options *resolver,
                                     const em_lookup_options *given)
{
    em_status status = emi_read_named_options("em_lookup_options", own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    if (own->port < 0 || own->port > 65535)
        return emi_status_without_detail(EM_INVALID_PORT);
    if (own->family != EM_ADDRESS_NONE && own->family != EM_ADDRESS_IPV4 && own->family != EM_ADDRESS_IPV6)
        return refuse_family();
    request->port = own->port;
    request->timeout_ns = own->timeout_ns;
    if (!own->resolver)
        return EM_OK;
    request->resolver = resolver;
    return read_resolver_options(resolver, own->resolver);
}

static em_status give_signature(emi_lookup *begun, em_lookup *lookup)
{
    em_status status = emi_handle_table_add(&begun->resolver->handles, &begun->handle);
    if (status == EM_OK && lookup)
        *lookup = begun->handle.signature;
    return status;
}

/* callback, user and dispose are set by the caller. */
static em_status begin(em_loop *loop, const emi_lookup_request *request, em_lookup *lookup, emi_lookup **begun)
{
    emi_resolver *resolver;
    em_status status = emi_resolver_of(loop, &resolver);
    if (status == EM_OK)
        status = emi_lookup_create(resolver, request, begun);
    if (status != EM_OK)
        return status;
    status = give_signature(*begun, lookup);
    if (status != EM_OK)
        emi_lookup_free(*begun);
    return status;
}

static bool is_literal(const char *name)
{
    em_address address;
    return em_address_from_text(name, 0, &address) == EM_OK;
}

static void choose_types(emi_lookup_request *request, em_address_family family)
{
    if (family != EM_ADDRESS_IPV4)
        request->types[request->type_count++] = EM_RECORD_AAAA;
    if (family != EM_ADDRESS_IPV6)
        request->types[request->type_count++] = EM_RECORD_A;
}

em_status em_loop_resolve(em_loop *loop, const char *name, const em_lookup_options *options, em_resolved callback,
                          void *user, em_dispose dispose, em_lookup *lookup)
{
    if (lookup)
        *lookup = 0;
    em_status status = name && callback ? emi_loop_check(loop) : emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status != EM_OK)
        return status;
    em_lookup_options own;
    em_resolver_options resolver;
    emi_lookup_request request = {.name = name};
    status = read_lookup_options(&request, &own, &resolver, options);
    if (status == EM_OK && !is_literal(name))
        status = emi_name_check(name);
    if (status != EM_OK)
        return status;
    choose_types(&request, own.family);
    emi_lookup *begun;
    status = begin(loop, &request, lookup, &begun);
    if (status != EM_OK)
        return status;
    begun->callback.addresses = callback;
    begun->user = user;
    begun->dispose = dispose;
    return EM_OK;
}

em_status em_loop_query(em_loop *loop, const char *name, unsigned type, const em_lookup_options *options,
                        em_queried callback, void *user, em_dispose dispose, em_lookup *lookup)
{
    if (lookup)
        *lookup = 0;
    bool is_valid = name && callback && type >= 1 && type <= 65535;
    em_status status = is_valid ? emi_loop_check(loop) : emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status != EM_OK)
        return status;
    em_lookup_options own;
    em_resolver_options resolver;
    emi_lookup_request request = {.name = name, .types = {type}, .type_count = 1, .is_query = true};
    status = read_lookup_options(&request, &own, &resolver, options);
    bool is_for_addresses = type == EM_RECORD_A || type == EM_RECORD_AAAA;
    if (status == EM_OK)
        status = is_for_addresses ? emi_name_check(name) : emi_name_check_query(name);
    if (status != EM_OK)
        return status;
    emi_lookup *begun;
    status = begin(loop, &request, lookup, &begun);
    if (status != EM_OK)
        return status;
    begun->callback.answer = callback;
    begun->user = user;
    begun->dispose = dispose;
    return EM_OK;
}

static emi_lookup *find(em_loop *loop, em_lookup lookup)
{
    if (!loop->services[EMI_SERVICE_DNS])
        return NULL;
    emi_resolver *resolver = EMI_CONTAINER(loop->services[EMI_SERVICE_DNS], emi_resolver, service);
    emi_handle *handle = emi_handle_table_find(&resolver->handles, lookup);
    return handle ? EMI_CONTAINER(handle, emi_lookup, handle) : NULL;
}

em_status em_loop_cancel_lookup(em_loop *loop, em_lookup lookup)
{
    if (!loop)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    emi_lookup *begun = find(loop, lookup);
    if (!begun)
        return emi_status_without_detail(EM_NOT_FOUND);
    em_dispose dispose = begun->dispose;
    void *user = begun->user;
    emi_lookup_free(begun);
    if (dispose) {
        emi_loop_begin_callback(loop);
        dispose(user);
        emi_loop_end_callback(loop);
    }
    return EM_OK;
}

em_status em_loop_set_resolver(em_loop *loop, const em_resolver_options *options)
{
    em_resolver_options own;
    emi_resolver *resolver;
    em_status status = emi_loop_check(loop);
    if (status == EM_OK)
        status = read_resolver_options(&own, options);
    if (status == EM_OK)
        status = emi_resolver_of(loop, &resolver);
    return status == EM_OK ? emi_resolver_set_options(resolver, &own) : status;
}

/* Reverse names */

static void write_ipv4(const em_address *address, char *text, size_t capacity)
{
    struct sockaddr_in ipv4;
    memcpy(&ipv4, address->storage.bytes, sizeof ipv4);
    uint32_t bytes = ntohl(ipv4.sin_addr.s_addr);
    snprintf(text, capacity, "%u.%u.%u.%u.in-addr.arpa", bytes & 0xff, bytes >> 8 & 0xff, bytes >> 16 & 0xff,
             bytes >> 24);
}

/* RFC 3596, section 2.5. */
static void write_ipv6(const em_address *address, char *text, size_t capacity)
{
    struct sockaddr_in6 ipv6;
    char digits[32 * 2 + 1];
    memcpy(&ipv6, address->storage.bytes, sizeof ipv6);
    for (size_t i = 0; i < 16; i++) {
        unsigned byte = ipv6.sin6_addr.s6_addr[15 - i];
        snprintf(digits + 4 * i, 5, "%x.%x.", byte & 0xf, byte >> 4);
    }
    snprintf(text, capacity, "%sip6.arpa", digits);
}

em_status em_address_to_reverse_name(const em_address *address, char *name, size_t capacity)
{
    if (!address || !name || capacity == 0)
        return EM_INVALID_ARGUMENT;
    name[0] = '\0';
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        write_ipv4(address, name, capacity);
        return EM_OK;
    case EM_ADDRESS_IPV6:
        write_ipv6(address, name, capacity);
        return EM_OK;
    case EM_ADDRESS_UNIX:
    case EM_ADDRESS_NONE:
        break;
    }
    return EM_INVALID_ADDRESS;
}
