/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Happy Eyeballs as a state machine. See race.h for its rules. What a failed race reports is in race_reason.c.
 */
#include "net/race.h"

#include <limits.h>
#include <string.h>

#include "base/invariant.h"
#include "system/address_order.h"
#include "system/socket.h"

void emi_race_begin(emi_race *race, const emi_race_settings *settings)
{
    memset(race, 0, sizeof *race);
    race->settings = *settings;
    race->winner = -1;
}

void emi_race_exclude(emi_race *race, emi_race_family family)
{
    race->lists[family].is_excluded = true;
}

void emi_race_hold(emi_race *race, bool is_held)
{
    race->is_held = is_held;
}

/* What is known of the addresses */

static unsigned untried(const emi_race *race, unsigned family)
{
    const emi_race_list *list = &race->lists[family];
    return list->is_excluded ? 0 : list->addresses.count - list->next;
}

bool emi_race_has_candidate(const emi_race *race)
{
    return untried(race, EMI_RACE_IPV6) + untried(race, EMI_RACE_IPV4) > 0 && race->attempt_count < EMI_MOST_ATTEMPTS;
}

static bool are_all_known(const emi_race *race)
{
    for (unsigned family = 0; family < EMI_RACE_FAMILIES; family++)
        if (!race->lists[family].is_known && !race->lists[family].is_excluded)
            return false;
    return true;
}

void emi_race_resolved(emi_race *race, emi_race_family family, em_status status, const emi_addresses *addresses,
                       uint64_t now_ns)
{
    emi_race_list *list = &race->lists[family];
    bool was_first = !emi_race_has_candidate(race);
    list->is_known = true;
    list->status = status;
    for (unsigned i = 0; status == EM_OK && i < addresses->count && list->addresses.count < EMI_MOST_ADDRESSES; i++)
        if (!emi_addresses_have(&list->addresses, &addresses->list[i]))
            list->addresses.list[list->addresses.count++] = addresses->list[i];
    if (was_first)
        race->first_known_ns = now_ns;
}

void emi_race_try_first(emi_race *race, const em_address *address)
{
    emi_race_list *list = &race->lists[emi_race_family_of(address)];
    for (unsigned i = 0; race->attempt_count == 0 && i < list->addresses.count; i++) {
        em_address found = list->addresses.list[i];
        if (!emi_addresses_are_equal(&found, address))
            continue;
        memmove(&list->addresses.list[1], &list->addresses.list[0], i * sizeof found);
        list->addresses.list[0] = found;
        race->has_first_choice = !list->is_excluded;
        race->settings.preferred = em_address_get_family(address);
        return;
    }
}

/* Which address is next, and when */

/* Loopback addresses of IPv4 come before that of IPv6, because most servers for this machine alone listen on 127.0.0.1.
 */
static unsigned precedence(const emi_race *race, emi_race_family family)
{
    const em_address *first = &race->lists[family].addresses.list[0];
    return family == EMI_RACE_IPV4 && emi_address_is_loopback(first) ? UINT_MAX : emi_address_precedence(first);
}

static emi_race_family preferred_family(const emi_race *race)
{
    if (race->settings.preferred != EM_ADDRESS_NONE)
        return race->settings.preferred == EM_ADDRESS_IPV4 ? EMI_RACE_IPV4 : EMI_RACE_IPV6;
    if (untried(race, EMI_RACE_IPV6) == 0 || untried(race, EMI_RACE_IPV4) == 0)
        return EMI_RACE_IPV6;
    return precedence(race, EMI_RACE_IPV4) > precedence(race, EMI_RACE_IPV6) ? EMI_RACE_IPV4 : EMI_RACE_IPV6;
}

static emi_race_family other_family(unsigned family)
{
    return family == EMI_RACE_IPV6 ? EMI_RACE_IPV4 : EMI_RACE_IPV6;
}

static emi_race_family next_family(const emi_race *race)
{
    emi_race_family wanted = race->attempt_count == 0 ? preferred_family(race)
                                                      : other_family(race->attempts[race->attempt_count - 1].family);
    return untried(race, wanted) > 0 ? wanted : other_family(wanted);
}

/* When the next attempt may start; there is a candidate. */
static uint64_t start_ns(const emi_race *race)
{
    if (race->attempt_count > 0)
        return race->running > 0 ? race->next_start_ns : 0;
    if (race->has_first_choice || untried(race, preferred_family(race)) > 0 || are_all_known(race))
        return 0;
    uint64_t delay_ns = race->settings.resolution_delay_ns;
    return delay_ns > UINT64_MAX - race->first_known_ns ? UINT64_MAX : race->first_known_ns + delay_ns;
}

static emi_race_step start(emi_race *race, uint64_t now_ns)
{
    emi_race_family family = next_family(race);
    uint64_t delay_ns = race->settings.attempt_delay_ns;
    unsigned attempt = race->attempt_count++;
    race->attempts[attempt] = (emi_race_attempt){
        .family = (uint8_t)family,
        .place = (uint8_t)race->lists[family].next++,
        .state = EMI_ATTEMPT_CONNECTING,
    };
    race->running++;
    race->shortage = EM_OK;
    race->next_start_ns = delay_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + delay_ns;
    return (emi_race_step){.action = EMI_RACE_START, .attempt = attempt};
}

/* What happens to attempts */

static void stop_running(emi_race *race, unsigned attempt, emi_attempt_state state)
{
    EMI_INVARIANT(attempt < race->attempt_count && emi_race_is_running(race, attempt));
    race->attempts[attempt].state = (uint8_t)state;
    race->running--;
}

void emi_race_failed(emi_race *race, unsigned attempt, em_status status, uint64_t now_ns)
{
    stop_running(race, attempt, EMI_ATTEMPT_FAILED);
    race->attempts[attempt].status = (int16_t)status;
    race->attempts[attempt].system_error = (uint16_t)em_status_get_system_error(status);
    race->next_start_ns = now_ns;
}

void emi_race_put_back(emi_race *race, unsigned attempt, em_status status, uint64_t now_ns)
{
    EMI_INVARIANT(attempt + 1 == race->attempt_count);
    if (race->running == 1) {
        emi_race_failed(race, attempt, status, now_ns);
        return;
    }
    stop_running(race, attempt, EMI_ATTEMPT_CANCELLED);
    race->attempt_count--;
    race->lists[race->attempts[attempt].family].next--;
    race->shortage = status;
}

static void win(emi_race *race, unsigned attempt)
{
    bool wins = race->winner < 0;
    stop_running(race, attempt, wins ? EMI_ATTEMPT_WON : EMI_ATTEMPT_CANCELLED);
    if (wins)
        race->winner = (int)attempt;
}

void emi_race_connected(emi_race *race, unsigned attempt)
{
    EMI_INVARIANT(race->attempts[attempt].state == EMI_ATTEMPT_CONNECTING);
    if (race->settings.needs_tls)
        race->attempts[attempt].state = EMI_ATTEMPT_SECURING;
    else
        win(race, attempt);
}

void emi_race_secured(emi_race *race, unsigned attempt)
{
    EMI_INVARIANT(emi_race_is_securing(race, attempt));
    win(race, attempt);
}

static emi_race_step finish(emi_race *race)
{
    for (unsigned i = 0; i < race->attempt_count; i++) {
        if (!emi_race_is_running(race, i))
            continue;
        stop_running(race, i, EMI_ATTEMPT_CANCELLED);
        return (emi_race_step){.action = EMI_RACE_CANCEL, .attempt = i};
    }
    return (emi_race_step){.action = EMI_RACE_WON, .attempt = (unsigned)race->winner};
}

/* Whether another answer may change how the race ends. Before the first attempt, this is true of a family that is left
 * out as well: it tells whether the name has addresses at all. */
static bool waits_for_answers(const emi_race *race)
{
    if (race->attempt_count == 0)
        return !race->lists[EMI_RACE_IPV6].is_known || !race->lists[EMI_RACE_IPV4].is_known;
    return !are_all_known(race) && race->attempt_count < EMI_MOST_ATTEMPTS;
}

emi_race_step emi_race_next(emi_race *race, uint64_t now_ns)
{
    if (race->winner >= 0)
        return finish(race);
    if (emi_race_has_candidate(race)) {
        uint64_t due_ns = race->is_held ? UINT64_MAX : start_ns(race);
        if (due_ns <= now_ns)
            return start(race, now_ns);
        return (emi_race_step){.action = EMI_RACE_WAIT, .until_ns = due_ns};
    }
    if (race->running > 0 || waits_for_answers(race))
        return (emi_race_step){.action = EMI_RACE_WAIT, .until_ns = UINT64_MAX};
    return (emi_race_step){.action = EMI_RACE_FAILED};
}

const em_address *emi_race_address(const emi_race *race, unsigned attempt)
{
    EMI_INVARIANT(attempt < race->attempt_count);
    const emi_race_attempt *tried = &race->attempts[attempt];
    return &race->lists[tried->family].addresses.list[tried->place];
}
