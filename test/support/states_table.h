/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the tables: every state that a connection can be in when its peer moves, every move of the peer,
 * every move of ours. A scenario is one of each, over one kind of socket, in one order. states_model.h computes what
 * must happen, states_run.h compares it with what happens.
 */
#ifndef TEST_STATES_TABLE_H
#define TEST_STATES_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum states_kind { STATES_TCP, STATES_UNIX, STATES_KINDS } states_kind;

/** Where our connection stands when the moves begin. "Blocked": the peer does not read, and the sockets' buffers are
 * full. */
typedef enum states_state {
    STATES_ACCEPTED,   /**< accepted, nothing was sent either way */
    STATES_PAUSED,     /**< the same, and paused */
    STATES_DRAINING,   /**< blocked, and will be closed after writing */
    STATES_BLOCKED,    /**< blocked */
    STATES_PEER_ENDED, /**< the peer has half-closed, and receive_end was called */
    STATES_WE_ENDED,   /**< we have half-closed */
    STATES_BOTH_ENDED, /**< the peer has half-closed; we will, too, but are blocked */
    STATES_LINGERING,  /**< closed after writing and unbound; the peer has not acknowledged everything */
    STATES_CONNECTING, /**< em_loop_connect was called, the loop has not run since */
    STATES_RELEASING,  /**< em_connection_close was called, the loop has not run since */
    STATES_STATES
} states_state;

/** What the peer does. Over Unix sockets, where there is no reset, it closes: with unread input, which is reported as a
 * reset. */
typedef enum states_peer_move {
    STATES_PEER_SILENT,
    STATES_PEER_DATA,
    STATES_PEER_END, /**< half-closes */
    STATES_PEER_RESET,
    STATES_PEER_DATA_END,
    STATES_PEER_DATA_RESET,
    STATES_PEER_VANISHES, /**< closes its socket without reading what has arrived */
    STATES_PEER_MOVES
} states_peer_move;

/** What we do. */
typedef enum states_our_move {
    STATES_WE_DO_NOTHING,
    STATES_WE_PAUSE,
    STATES_WE_RESUME,
    STATES_WE_SEND_SMALL,
    STATES_WE_SEND_LARGE,    /**< more than the sockets' buffers hold */
    STATES_WE_SEND_BORROWED, /**< as much */
    STATES_WE_CLOSE,
    STATES_WE_CLOSE_AFTER_WRITING,
    STATES_WE_CLOSE_WRITE,
    STATES_WE_STOP, /**< stop the loop, run it until it has stopped, and go on */
    STATES_OUR_MOVES
} states_our_move;

typedef enum states_order {
    STATES_PEER_FIRST,  /**< our move finds the peer's in the kernel, unread */
    STATES_WE_FIRST,    /**< a turn follows our move, then the peer moves */
    STATES_IN_CALLBACK, /**< the peer moves; when its data is delivered, we send something small and then make our move
                         */
    STATES_ORDERS
} states_order;

typedef struct states_scenario {
    states_kind kind;
    states_state state;
    states_peer_move peer;
    states_our_move ours;
    states_order order;
    bool is_open; /**< the handler has receive_end, and goes on after it */
} states_scenario;

/** How many scenarios there can be of one kind of socket, applicable or not. */
enum { STATES_SCENARIOS = STATES_STATES * STATES_PEER_MOVES * STATES_OUR_MOVES * STATES_ORDERS * 2 };

/** A scenario's number among those of its kind. */
unsigned states_number(const states_scenario *scenario);

/** The scenario with this number. */
states_scenario states_at(states_kind kind, unsigned number);

/** Whether there is such a scenario: not every handler reaches every state, and not every move is possible in it. */
bool states_is_applicable(const states_scenario *scenario);

/** Whether our connection receives what the peer sends even if we make no move. */
bool states_is_listening(states_state state);

bool states_sends_data(states_peer_move move);

/** "paused, the peer: data + reset, then we: close (tcp)". */
void states_describe(const states_scenario *scenario, char *text, size_t capacity);

const char *states_name(states_state state);

#endif
