/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reporting what lookups have found.
 */
#include "dns/resolver_private.h"

#include <string.h>

#include "system/address_order.h"
#include "system/socket.h"
#include "system/source_address.h"

/* Lookups that are reported in one turn, so that the rest of the loop does not wait for long. */
enum { MOST_REPORTED_IN_A_TURN = 64, MOST_FOUND = 2 * EMI_MOST_ADDRESSES };

/* Addresses on their way to the program. */
typedef struct found {
    unsigned count;
    em_address list[MOST_FOUND];
    uint64_t ranks[MOST_FOUND];      /* see system/address_order.h; 0: not known */
    emi_answer *answers[MOST_FOUND]; /* where an address comes from, and its rank is kept; NULL: nowhere */
    size_t records[MOST_FOUND];      /* which record of that answer */
} found;

static unsigned type_of(const em_address *address)
{
    return em_address_get_family(address) == EM_ADDRESS_IPV6 ? EM_RECORD_AAAA : EM_RECORD_A;
}

static void collect_known(const emi_lookup *lookup, unsigned type, found *all)
{
    for (unsigned i = 0; i < lookup->known->count; i++) {
        if (type_of(&lookup->known->list[i]) != type)
            continue;
        all->answers[all->count] = NULL;
        all->ranks[all->count] = 0;
        all->list[all->count++] = lookup->known->list[i];
    }
}

static void collect_answer(emi_answer *answer, int port, found *all)
{
    for (size_t i = 0; i < answer->view.record_count && i < EMI_MOST_ADDRESSES; i++) {
        unsigned to = all->count++;
        all->list[to] = answer->records[i].address;
        emi_address_set_port(&all->list[to], port);
        all->answers[to] = answer;
        all->records[to] = i;
        all->ranks[to] = answer->ranks ? answer->ranks[i] : 0;
    }
}

/* Returns the status of this family. */
static em_status collect(const emi_search *search, found *all)
{
    const emi_lookup *lookup = search->lookup;
    unsigned before = all->count;
    if (search->status != EM_OK)
        return search->status;
    if (lookup->known)
        collect_known(lookup, search->type, all);
    else
        collect_answer(search->answer, lookup->port, all);
    return all->count > before ? EM_OK : EM_NO_RECORDS;
}

/* Sorting */

static void keep_rank(emi_answer *answer, size_t record, uint64_t rank)
{
    if (!answer->ranks)
        answer->ranks = emi_allocate_zeroed(answer->memory, answer->view.record_count * sizeof *answer->ranks);
    if (answer->ranks)
        answer->ranks[record] = rank;
}

static void find_rank(found *all, unsigned i)
{
    em_address source;
    em_status status = emi_find_source_address(&all->list[i], &source);
    all->ranks[i] = emi_address_rank(&all->list[i], status == EM_OK ? &source : NULL);
    /* What could not be found out now is asked for the next time. */
    if (all->answers[i] && status != EM_NO_DESCRIPTORS && status != EM_NO_MEMORY)
        keep_rank(all->answers[i], all->records[i], all->ranks[i]);
}

/* Finding a rank costs system calls. So it is done only where there is a choice, and the rank is kept with the answer.
 * Addresses of localhost stay in their order. */
static void sort(const emi_lookup *lookup, found *all)
{
    if (all->count < 2 || emi_name_is_under(lookup->name, "localhost"))
        return;
    for (unsigned i = 0; i < all->count; i++)
        if (all->ranks[i] == 0)
            find_rank(all, i);
    emi_addresses_sort(all->list, all->ranks, all->count);
}

/* Callbacks */

static bool are_all_reported(const emi_lookup *lookup)
{
    for (unsigned i = 0; i < lookup->search_count; i++)
        if (!lookup->searches[i].is_reported)
            return false;
    return true;
}

static void copy_addresses(emi_addresses *to, const found *all)
{
    to->count = all->count < EMI_MOST_ADDRESSES ? all->count : EMI_MOST_ADDRESSES;
    memcpy(to->list, all->list, to->count * sizeof *to->list);
}

/* For connections. They have these statuses for what their peer did, not their name server. */
static em_status for_connections(em_status status)
{
    return status == EM_CONNECTION_REFUSED || status == EM_ANSWER_TRUNCATED ? EM_RESOLVER_FAILED : status;
}

/* Returns whether the lookup still exists. */
static bool report_family(emi_lookup *lookup, emi_search *search)
{
    found all;
    all.count = 0; /* the rest need not be zeroed for each lookup */
    emi_addresses addresses;
    em_status status = for_connections(collect(search, &all));
    sort(lookup, &all);
    copy_addresses(&addresses, &all);
    search->is_reported = true;
    em_address_family family = search->type == EM_RECORD_AAAA ? EM_ADDRESS_IPV6 : EM_ADDRESS_IPV4;
    bool last = are_all_reported(lookup);
    emi_resolver *resolver = lookup->resolver;
    void *user = lookup->user;
    emi_family_resolved resolved = lookup->callback.families;
    if (last)
        emi_lookup_free(lookup);
    else
        resolver->reporting = lookup;
    resolved(user, family, status, &addresses, last);
    return !last && resolver->reporting == lookup;
}

static void report_families(emi_lookup *lookup)
{
    for (unsigned i = 0; i < lookup->search_count; i++) {
        emi_search *search = &lookup->searches[i];
        if (search->has_ended && !search->is_reported && !report_family(lookup, search))
            return;
    }
}

/* The status of two families together. Of two failures, that of a server tells more than that there is nothing, and
 * that the name exists tells more than that it does not. */
static em_status combine(em_status one, em_status other)
{
    if (one == EM_OK || other == EM_OK)
        return EM_OK;
    if (one != EM_NAME_NOT_FOUND && one != EM_NO_RECORDS)
        return one;
    if (other != EM_NAME_NOT_FOUND && other != EM_NO_RECORDS)
        return other;
    return one == EM_NO_RECORDS ? one : other;
}

static em_status collect_all(emi_lookup *lookup, found *all)
{
    em_status status = collect(&lookup->searches[0], all);
    if (lookup->search_count > 1)
        status = combine(status, collect(&lookup->searches[1], all));
    sort(lookup, all);
    return status;
}

static void report_addresses(emi_lookup *lookup)
{
    found all;
    all.count = 0;
    em_status status = collect_all(lookup, &all);
    em_loop *loop = lookup->resolver->loop;
    em_lookup number = lookup->handle.signature;
    em_resolved callback = lookup->callback.addresses;
    void *user = lookup->user;
    emi_lookup_free(lookup);
    callback(loop, number, status, all.list, all.count, user);
}

static void report_all(emi_lookup *lookup)
{
    found all;
    all.count = 0;
    emi_addresses addresses;
    em_status status = for_connections(collect_all(lookup, &all));
    copy_addresses(&addresses, &all);
    void (*done)(void *, em_status, const emi_addresses *) = lookup->callback.all;
    void *user = lookup->user;
    emi_lookup_free(lookup);
    done(user, status == EM_NO_RECORDS ? EM_NAME_NOT_FOUND : status, &addresses);
}

/* The name is spelled as the caller did, because the answer may be shared with others. The lookup is freed after the
 * callback, because both belong to it. */
static void report_answer(emi_lookup *lookup)
{
    emi_resolver *resolver = lookup->resolver;
    em_loop *loop = resolver->loop;
    emi_search *search = &lookup->searches[0];
    emi_answer *answer = search->answer;
    em_answer view = {.canonical_name = lookup->name, .response_code = -1};
    if (answer) {
        emi_answer_age(answer, loop->now_ns);
        view = answer->view;
    }
    view.name = lookup->name;
    em_lookup number = lookup->handle.signature;
    emi_handle_table_remove(&resolver->handles, &lookup->handle); /* it cannot be cancelled any more */
    lookup->dispose = NULL;
    lookup->callback.answer(loop, number, search->status, &view, lookup->user);
    emi_lookup_free(lookup);
}

static bool have_all_ended(const emi_lookup *lookup)
{
    for (unsigned i = 0; i < lookup->search_count; i++)
        if (!lookup->searches[i].has_ended)
            return false;
    return true;
}

static void report(emi_lookup *lookup)
{
    static void (*const reports[])(emi_lookup *) = {
        [EMI_REPORT_FAMILIES] = report_families,
        [EMI_REPORT_ALL] = report_all,
        [EMI_REPORT_ADDRESSES] = report_addresses,
        [EMI_REPORT_ANSWER] = report_answer,
    };
    if (lookup->is_overdue && !have_all_ended(lookup))
        emi_lookup_end_overdue(lookup);
    if (lookup->report == EMI_REPORT_FAMILIES || have_all_ended(lookup))
        reports[lookup->report](lookup);
}

/* Those that are ready now, up to a limit. What a callback begins is reported in a later turn. In a child that a
 * callback has forked, the rest is left to em_loop_take_over. */
void emi_resolver_report(emi_resolver *resolver)
{
    emi_list now;
    emi_list_init(&now);
    for (unsigned i = 0; i < MOST_REPORTED_IN_A_TURN && !emi_list_is_empty(&resolver->ready); i++)
        emi_list_append(&now, emi_list_take_first(&resolver->ready));
    while (!emi_list_is_empty(&now) && !emi_loop_is_forked(resolver->loop))
        report(EMI_CONTAINER(emi_list_take_first(&now), emi_lookup, ready));
    emi_list_move_all(&now, &resolver->ready);
    emi_list_move_all(&resolver->ready, &now);
}
