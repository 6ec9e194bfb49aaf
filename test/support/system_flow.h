/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Flows: clients that each send a pattern of their own and expect all of it back, so that a byte that is lost, repeated
 * or given to the wrong connection is noticed. The server's side echoes.
 */
#ifndef TEST_SYSTEM_FLOW_H
#define TEST_SYSTEM_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine.h>

typedef struct system_flow system_flow;

/** Several flows, and their results. */
typedef struct system_flows {
    em_loop *loop;
    system_flow *each;
    unsigned count;
    uint64_t bytes;    /**< that each sends and expects back */
    unsigned open;     /**< clients that have not ended */
    unsigned complete; /**< clients that got all of it */
    unsigned wrong;    /**< pieces that were not what was to come next */
    em_status reason;  /**< of a client that failed; EM_OK: none did */
    bool stay_open;    /**< clients do not close when they have got all of it */
    unsigned stop_at;  /**< stops the loop when so many are complete; 0: when none is open any more */
} system_flows;

/** A client. */
struct system_flow {
    system_flows *flows;
    em_connection *connection; /**< NULL after its end */
    uint64_t first;            /**< where in the pattern it begins */
    uint64_t sent;
    uint64_t received;
};

/** Flows, none of them started; they live until the test's loop is gone. */
system_flows *system_new_flows(em_loop *loop, unsigned count, uint64_t bytes);

/** Connects them to a port of 127.0.0.1, from one number up to another. */
void system_start_flows(system_flows *flows, unsigned begin, unsigned end, int port);

/** Runs the loop until all have ended, and expects that all of it came back to everyone. */
void system_finish_flows(system_flows *flows);

/** What the clients do; for handlers that do something beside it. The user pointer is the flow. */
extern const em_handler system_flow_client;

/** The server's side; it does not touch its user pointer. */
extern const em_handler system_flow_echo;

#endif
