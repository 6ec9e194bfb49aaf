/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Look-ups of host names for programs, em_loop_resolve. What needs no look-up is reported by a timer that is due at
 * once, so that a program is never called before the function has returned.
 */
#include <eventmachine/resolver.h>

#include "net/net_private.h"

struct em_lookup {
    em_loop *loop;
    em_resolved done;
    void *user;
    em_dispose dispose;
    emi_resolution *resolution; /* NULL: the timer reports what is known */
    emi_loop_timer timer;
    emi_list link; /* in the loop's list */
    em_address known;
};

/* Nothing refers to it any more. */
static void forget(em_lookup *lookup)
{
    emi_loop_timer_cancel(lookup->loop, &lookup->timer);
    emi_list_remove(&lookup->link);
    emi_release(&lookup->loop->memory, lookup);
}

static void report(em_lookup *lookup, em_status status, const em_address *addresses, unsigned count)
{
    em_loop *loop = lookup->loop;
    em_resolved done = lookup->done;
    void *user = lookup->user;
    forget(lookup);
    done(loop, status, addresses, count, user);
}

static void report_resolved(void *user, em_status status, const emi_addresses *addresses)
{
    report(user, status, addresses->list, status == EM_OK ? addresses->count : 0);
}

static void report_known(emi_loop_timer *timer)
{
    em_lookup *lookup = EMI_CONTAINER(timer, em_lookup, timer);
    em_address known = lookup->known;
    report(lookup, EM_OK, &known, 1);
}

static void give_up(em_lookup *lookup)
{
    em_dispose dispose = lookup->dispose;
    void *user = lookup->user;
    if (lookup->resolution)
        emi_resolve_cancel(lookup->resolution);
    forget(lookup);
    if (dispose)
        dispose(user);
}

void emi_net_give_up_lookups(emi_net *net)
{
    while (!emi_list_is_empty(&net->lookups))
        give_up(EMI_CONTAINER(net->lookups.next, em_lookup, link));
}

static em_status begin(em_lookup *lookup, const char *host, int port)
{
    em_status status = em_address_from_text(host, port, &lookup->known);
    if (status == EM_OK)
        emi_loop_timer_set(lookup->loop, &lookup->timer, lookup->loop->now_ns);
    if (status != EM_INVALID_ADDRESS)
        return status;
    return emi_resolve(lookup->loop, host, port, report_resolved, lookup, &lookup->resolution);
}

em_status em_loop_resolve(em_loop *loop, const char *host, int port, em_resolved done, void *user, em_dispose dispose,
                          em_lookup **made)
{
    emi_net *net;
    if (made)
        *made = NULL;
    if (!host || !done)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_status status = port < 0 || port > UINT16_MAX ? EM_INVALID_PORT : emi_net_of(loop, &net);
    if (status != EM_OK)
        return emi_status_without_detail(status);
    em_lookup *lookup = emi_allocate_zeroed(&loop->memory, sizeof *lookup);
    if (!lookup)
        return EM_NO_MEMORY;
    lookup->loop = loop;
    lookup->done = done;
    lookup->user = user;
    lookup->dispose = dispose;
    emi_loop_timer_init(&lookup->timer, report_known);
    emi_list_init(&lookup->link);
    status = begin(lookup, host, port);
    if (status != EM_OK) {
        forget(lookup);
        return status;
    }
    emi_list_append(&net->lookups, &lookup->link);
    if (made)
        *made = lookup;
    return EM_OK;
}

em_status em_lookup_cancel(em_lookup *lookup)
{
    if (!lookup)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    give_up(lookup);
    return EM_OK;
}
