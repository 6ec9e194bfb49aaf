/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Why a race has failed: of all failures, the one that tells most.
 */
#include "net/race.h"

/* The more a status tells, the later it comes here. What this machine lacks tells most, because it concerns every
 * address. Then comes what the peer has said, and most of all in a handshake, then what the network has said. Statuses
 * that are not listed tell more than the network. */
static const em_status by_weight[] = {
    EM_ADDRESS_FAMILY,
    EM_ADDRESS_NOT_AVAILABLE,
    EM_NETWORK_DOWN,
    EM_NETWORK_UNREACHABLE,
    EM_HOST_UNREACHABLE,
    EM_TIMED_OUT,
    EM_SYSTEM_ERROR,
    EM_CONNECTION_ABORTED,
    EM_CONNECTION_RESET,
    EM_CONNECTION_REFUSED,
    EM_TLS_HANDSHAKE_TIMEOUT,
    EM_TLS_TRUNCATED,
    EM_TLS_FAILED,
    EM_TLS_ALERT,
    EM_TLS_UNTRUSTED,
    EM_TLS_WRONG_NAME,
    EM_TLS_REJECTED,
    EM_PERMISSION_DENIED,
    EM_ADDRESS_IN_USE,
    EM_NO_BUFFERS,
    EM_NO_DESCRIPTORS,
    EM_NO_MEMORY,
};

static unsigned weight_of(em_status status)
{
    unsigned unlisted = 0;
    for (unsigned i = 0; i < sizeof by_weight / sizeof by_weight[0]; i++) {
        if (by_weight[i] == status)
            return i;
        if (by_weight[i] == EM_SYSTEM_ERROR)
            unlisted = i;
    }
    return unlisted;
}

bool emi_is_lookup_failure(em_status status)
{
    return status != EM_OK && status != EM_NAME_NOT_FOUND && status != EM_NO_RECORDS;
}

/* Without an attempt: addresses that were excluded tell most, then a lookup that has failed, then one that has found
 * nothing. */
static em_status reason_of_lookup(const emi_race *race)
{
    em_status reason = EM_NAME_NOT_FOUND;
    for (unsigned family = 0; family < EMI_RACE_FAMILIES; family++) {
        const emi_race_list *list = &race->lists[family];
        if (list->addresses.count > 0 && list->is_excluded)
            return EM_ADDRESS_FAMILY;
        if (!list->is_known || list->status == EM_OK || list->status == EM_NAME_NOT_FOUND)
            continue;
        if (!emi_is_lookup_failure(reason))
            reason = list->status;
    }
    return reason;
}

em_status emi_race_reason(const emi_race *race, int *system_error)
{
    const emi_race_attempt *telling = NULL;
    for (unsigned i = 0; i < race->attempt_count; i++) {
        const emi_race_attempt *attempt = &race->attempts[i];
        if (attempt->state == EMI_ATTEMPT_FAILED &&
            (!telling || weight_of((em_status)attempt->status) > weight_of((em_status)telling->status)))
            telling = attempt;
    }
    if (telling) {
        *system_error = telling->system_error;
        return (em_status)telling->status;
    }
    em_status reason = reason_of_lookup(race);
    *system_error = em_status_get_system_error(reason);
    return reason;
}
