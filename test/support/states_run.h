/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the runner: plays a scenario, with one subject or several, and compares what happens with the
 * model and with what happened on the backends before.
 */
#ifndef TEST_STATES_RUN_H
#define TEST_STATES_RUN_H

#include "support/states_table.h"

/** Every scenario of each state, one connection at a time: a test per state, on every backend. The result is main's. */
int states_run_alone(states_kind kind);

/**
 * The scenarios in which data or an end arrives, with eight connections whose peers move at the same time, and where
 * the first callback of one of them makes our move on all the others, or the last one, when all have sent something, on
 * all.
 */
int states_run_batches(states_kind kind);

#endif
