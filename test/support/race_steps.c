/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * See race_steps.h.
 */
#include "support/race_steps.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"
#include "system/socket.h"

em_address race_address_of(const char *text)
{
    em_address address;
    assert_int_equal(em_address_from_text(text, 80, &address), EM_OK);
    return address;
}

/* The addresses are separated by blanks. */
void race_resolved(emi_race *race, const char *texts, uint64_t now_ns)
{
    emi_addresses addresses = {.count = 0};
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", texts);
    for (char *text = strtok(copy, " "); text; text = strtok(NULL, " "))
        addresses.list[addresses.count++] = race_address_of(text);
    emi_race_resolved(race, emi_race_family_of(&addresses.list[0]), EM_OK, &addresses, now_ns);
}

void race_not_found(emi_race *race, emi_race_family family, uint64_t now_ns)
{
    emi_race_resolved(race, family, EM_NAME_NOT_FOUND, NULL, now_ns);
}

void race_expect_start(emi_race *race, uint64_t now_ns, unsigned attempt, const char *text)
{
    emi_race_step step = emi_race_next(race, now_ns);
    assert_int_equal(step.action, EMI_RACE_START);
    assert_int_equal(step.attempt, attempt);
    em_address address = race_address_of(text);
    assert_true(emi_addresses_are_equal(emi_race_address(race, attempt), &address));
}

void race_expect_wait(emi_race *race, uint64_t now_ns, uint64_t until_ns)
{
    emi_race_step step = emi_race_next(race, now_ns);
    assert_int_equal(step.action, EMI_RACE_WAIT);
    assert_int_equal(step.until_ns, until_ns);
}

void race_expect_failure(emi_race *race, em_status reason)
{
    int system_error;
    assert_int_equal(emi_race_next(race, 0).action, EMI_RACE_FAILED);
    assert_int_equal(emi_race_reason(race, &system_error), reason);
}
