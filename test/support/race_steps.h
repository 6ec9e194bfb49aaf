/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Steps of a race without sockets, see src/net/race.h: what is reported to it, and what it is expected to do next.
 * Addresses are written as text and have port 80.
 */
#ifndef RACE_STEPS_H
#define RACE_STEPS_H

#include "net/race.h"

em_address race_address_of(const char *text);

/** The lookup has found these addresses of one family, which are separated by blanks. */
void race_resolved(emi_race *race, const char *texts, uint64_t now_ns);

void race_not_found(emi_race *race, emi_race_family family, uint64_t now_ns);

/** The next step starts this attempt, to this address. */
void race_expect_start(emi_race *race, uint64_t now_ns, unsigned attempt, const char *text);

void race_expect_wait(emi_race *race, uint64_t now_ns, uint64_t until_ns);

void race_expect_failure(emi_race *race, em_status reason);

#endif
