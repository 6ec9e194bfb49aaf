/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Starting and stopping proxies: which objects may be ends, and how the two find each other.
 */
#include "base/status_detail.h"
#include "net/proxy_private.h"

/* Returns NULL for kinds that carry no bytes. */
static const emi_proxy_kind *kind_of(const emi_object *object)
{
    switch (object->kind) {
    case EMI_CONNECTION:
        return &emi_connection_as_end;
    case EMI_DATAGRAM_SOCKET:
        return &emi_datagram_socket_as_end;
    default:
        return NULL;
    }
}

static em_status check(const emi_object *from, const emi_object *to)
{
    const emi_proxy_kind *source = kind_of(from), *target = kind_of(to);
    if (!source || !target || from == to || from->loop != to->loop)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (!source->is_receiver(from))
        return EM_CLOSED;
    return target->is_unbound(to) ? EM_NOT_FOUND : emi_loop_check(from->loop);
}

em_status emi_proxy_connect(emi_object *from, emi_object *to, const em_proxy_options *given)
{
    em_proxy_options options;
    em_status status = check(from, to);
    if (status == EM_OK)
        status = emi_proxy_read_options(&options, given);
    if (status != EM_OK)
        return status;
    const emi_proxy_kind *source = kind_of(from), *target = kind_of(to);
    emi_proxy_links *own = source->find_links(from, true), *other = target->find_links(to, true);
    if (!own || !other)
        return EM_NO_MEMORY;
    if (other->feeder && other->feeder->from != from)
        return emi_status_without_detail(EM_INVALID_STATE);
    status = emi_proxy_prepare(from, &source->source, &own->proxy);
    if (status == EM_OK)
        emi_proxy_start(own->proxy, to, &target->target, &other->feeder, &options);
    return status;
}

em_status emi_proxy_disconnect(emi_object *from)
{
    const emi_proxy_links *links = kind_of(from)->find_links(from, false);
    if (!links || !emi_proxy_is_on(links->proxy))
        return EM_INVALID_STATE;
    emi_proxy_stop(links->proxy);
    return EM_OK;
}

uint64_t emi_proxy_count(emi_object *from)
{
    const emi_proxy_links *links = kind_of(from)->find_links(from, false);
    return links && links->proxy ? links->proxy->relayed_bytes : 0;
}

void emi_proxy_end_all(const emi_proxy_links *links)
{
    emi_proxy *feeder = links->feeder, *proxy = links->proxy;
    bool was_fed_by_target = feeder && proxy && feeder->from == proxy->to;
    if (feeder)
        emi_proxy_target_unbound(feeder);
    if (proxy)
        emi_proxy_source_unbound(proxy, was_fed_by_target);
}

/* The public functions */

em_status em_loop_start_proxy(em_loop *loop, em_signature from, em_signature to, const em_proxy_options *options)
{
    if (!loop)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    emi_object *source = emi_loop_find_any_object(loop, from);
    emi_object *target = emi_loop_find_any_object(loop, to);
    if (!source || (kind_of(source) && !kind_of(source)->is_receiver(source)))
        return EM_CLOSED;
    return target ? emi_proxy_connect(source, target, options) : EM_NOT_FOUND;
}

em_status em_loop_stop_proxy(em_loop *loop, em_signature from)
{
    if (!loop)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    emi_object *source = emi_loop_find_any_object(loop, from);
    if (source && !kind_of(source))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return source ? emi_proxy_disconnect(source) : EM_CLOSED;
}

uint64_t em_loop_get_proxied_bytes(const em_loop *loop, em_signature from)
{
    emi_object *source = emi_loop_find_any_object(loop, from);
    return source && kind_of(source) ? emi_proxy_count(source) : 0;
}
