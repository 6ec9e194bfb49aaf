/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the model: what must happen in a scenario, as a pure function of it. It knows the rules of the
 * public headers and of TCP and Unix sockets, but no backend.
 */
#ifndef TEST_STATES_MODEL_H
#define TEST_STATES_MODEL_H

#include <stdbool.h>

#include <eventmachine.h>

#include "support/states_table.h"

/**
 * When unbind comes. After the moves the test goes on in stages: it waits; it resumes what is paused; it reads what the
 * peer was sent; it closes. The bits say in which of them unbind may come.
 */
typedef enum states_stage {
    STATES_AT_ONCE = 1,
    STATES_AFTER_RESUME = 2,
    STATES_AFTER_READING = 4,
    STATES_AFTER_CLOSE = 8
} states_stage;

/** Sets of reasons. */
typedef enum states_reason { STATES_OK = 1, STATES_RESET = 2, STATES_BROKEN_PIPE = 4 } states_reason;

/** Whether something happens. */
typedef enum states_whether { STATES_NO, STATES_YES, STATES_EITHER } states_whether;

/** How the peer's socket ends. */
typedef enum states_end {
    STATES_CLOSED_BY_PEER, /**< it closed it itself, and sees nothing any more */
    STATES_END_SEEN,       /**< recv(2) returns 0 */
    STATES_RESET_SEEN,     /**< recv(2) fails with ECONNRESET */
    STATES_ANY_END_SEEN    /**< one or the other */
} states_end;

typedef struct states_expectation {
    unsigned stages;            /**< states_stage */
    unsigned reasons;           /**< states_reason */
    em_status move_status;      /**< what our move returns */
    states_whether data;        /**< receive_data gets what the peer sent, all of it */
    states_whether receive_end; /**< it is called, once */
    states_end end;
    bool is_whole; /**< the peer gets everything that was accepted for sending; else a beginning of it */
} states_expectation;

states_expectation states_expect(const states_scenario *scenario);

/** A status as a set of reasons; 0 for one that no scenario allows. */
unsigned states_reason_of(em_status status);

#endif
