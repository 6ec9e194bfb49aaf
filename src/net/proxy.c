/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The relation between a source and a target: relaying, holding the source back, and how it ends. Whatever ends it, the
 * ends are released from each other before the program is called, so a callback may start the next proxy.
 */
#include "net/proxy_private.h"

#include "base/invariant.h"
#include "base/options.h"
#include "base/status_detail.h"

em_status emi_proxy_read_options(em_proxy_options *own, const em_proxy_options *given)
{
    em_status status = emi_read_named_options("proxy options", own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    if (own->at_end > EM_PROXY_CLOSE_AFTER_WRITING || own->reserved != 0) {
        emi_set_status_detail(EM_INVALID_ARGUMENT, "proxy options: at_end is not one of em_proxy_end");
        return EM_INVALID_ARGUMENT;
    }
    if (own->length_bytes == 0)
        own->length_bytes = UINT64_MAX;
    return EM_OK;
}

em_status emi_proxy_prepare(emi_object *from, const emi_proxy_source *source, emi_proxy **proxy)
{
    em_status status = emi_proxies_prepare(from->loop);
    if (status != EM_OK || *proxy)
        return status;
    emi_proxy *made = emi_allocate_zeroed(&from->loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->from = from;
    made->source = source;
    emi_list_init(&made->waiting);
    *proxy = made;
    return EM_OK;
}

/* Holding back */

static bool may_go_on(const emi_proxy *proxy)
{
    return proxy->target->has_room(proxy->to) && proxy->target->count_outbound(proxy->to) <= proxy->buffer_bytes &&
           emi_proxies_have_room(proxy->from->loop);
}

static void wait_for_loop(emi_proxy *proxy)
{
    if (!emi_proxies_have_room(proxy->from->loop))
        emi_proxies_add_waiting(proxy);
}

static void hold(emi_proxy *proxy)
{
    if (!proxy->is_held) {
        proxy->is_held = true;
        proxy->target->watch(proxy->to, true);
        proxy->source->hold(proxy->from, true);
    }
    wait_for_loop(proxy);
}

static void let_go(emi_proxy *proxy)
{
    if (!proxy->is_held)
        return;
    proxy->is_held = false;
    proxy->target->watch(proxy->to, false);
    emi_list_remove(&proxy->waiting);
    proxy->source->hold(proxy->from, false);
}

void emi_proxy_note_room(emi_proxy *proxy)
{
    if (!proxy->is_held)
        return;
    if (may_go_on(proxy))
        let_go(proxy);
    else
        wait_for_loop(proxy);
}

/* Beginning and ending */

void emi_proxy_stop(emi_proxy *proxy)
{
    if (!emi_proxy_is_on(proxy))
        return;
    emi_object *to = proxy->to;
    EMI_INVARIANT(*proxy->feeder == proxy);
    let_go(proxy);
    *proxy->feeder = NULL;
    proxy->to = NULL;
    proxy->target->route(to);
    proxy->source->route(proxy->from);
}

void emi_proxy_start(emi_proxy *proxy, emi_object *to, const emi_proxy_target *target, emi_proxy **feeder,
                     const em_proxy_options *options)
{
    emi_proxy_stop(proxy);
    EMI_INVARIANT(!*feeder);
    proxy->to = to;
    proxy->target = target;
    proxy->feeder = feeder;
    proxy->buffer_bytes = options->buffer_bytes > 0 ? options->buffer_bytes : EMI_DEFAULT_PROXY_BUFFER_BYTES;
    proxy->piece_bytes = options->buffer_bytes > 0 ? options->buffer_bytes : SIZE_MAX;
    proxy->left_bytes = options->length_bytes;
    proxy->at_end = options->at_end;
    proxy->relayed_bytes = 0;
    proxy->has_passed_end = false;
    proxy->full_reads = 0;
    *feeder = proxy;
    proxy->target->route(to);
    proxy->source->route(proxy->from);
    if (!may_go_on(proxy))
        hold(proxy);
}

/* Relaying */

static void count(emi_proxy *proxy, size_t length)
{
    proxy->relayed_bytes += length;
    if (proxy->left_bytes != UINT64_MAX)
        proxy->left_bytes -= length;
}

static void complete(emi_proxy *proxy)
{
    emi_proxy_stop(proxy);
    proxy->source->completed(proxy->from);
}

/* After bytes were relayed. */
static void go_on(emi_proxy *proxy)
{
    if (proxy->left_bytes == 0)
        complete(proxy);
    else if (!may_go_on(proxy))
        hold(proxy);
}

void emi_proxy_note_relayed(emi_proxy *proxy, size_t length)
{
    count(proxy, length);
    go_on(proxy);
}

/* What is behind the last byte is put back first, so that it comes to whom the program decides on in proxy_completed.
 */
void emi_proxy_relay(emi_proxy *proxy, const void *bytes, size_t length)
{
    size_t taken = length < proxy->left_bytes ? length : (size_t)proxy->left_bytes;
    em_status status = proxy->target->send(proxy->to, bytes, &taken);
    count(proxy, taken);
    if (status != EM_OK) {
        proxy->source->fail(proxy->from, status);
        return;
    }
    if (taken < length)
        proxy->source->put_back(proxy->from, (const char *)bytes + taken, length - taken);
    go_on(proxy);
}

/* The ends of the two */

void emi_proxy_pass_end(emi_proxy *proxy)
{
    proxy->has_passed_end = true;
    if (proxy->at_end != EM_PROXY_LEAVE_OPEN)
        proxy->target->end(proxy->to, proxy->at_end);
}

void emi_proxy_source_unbound(emi_proxy *proxy, bool was_fed_by_target)
{
    if (!emi_proxy_is_on(proxy))
        return;
    emi_object *to = proxy->to;
    bool is_news = !proxy->has_passed_end || was_fed_by_target;
    emi_proxy_stop(proxy);
    if (is_news && proxy->at_end != EM_PROXY_LEAVE_OPEN)
        proxy->target->end(to, EM_PROXY_CLOSE_AFTER_WRITING);
}

void emi_proxy_target_unbound(emi_proxy *proxy)
{
    emi_proxy_stop(proxy);
    proxy->source->target_unbound(proxy->from);
}

void emi_proxy_free(emi_proxy *proxy)
{
    if (!proxy)
        return;
    emi_list_remove(&proxy->waiting);
    emi_release(&proxy->from->loop->memory, proxy);
}
