/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connecting to several addresses over the simulated backend. 192.0.2.N and 2001:db8::N are written as N and -N.
 */
#ifndef TEST_SIMULATED_RACE_H
#define TEST_SIMULATED_RACE_H

#include "support/simulated_loop.h"

enum { SIMULATED_RACE_MOST = 32 };

#define MS(number) ((uint64_t)(number)*EM_MILLISECONDS)

em_address simulated_race_address(int number);

/** em_loop_connect_addresses with these addresses. options may be NULL. */
em_status simulated_race_begin(recorder *told, const int *numbers, size_t count, const em_connect_options *options);

#endif
