/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names, numbers, and which scenarios there are. See states_table.h.
 */
#include "support/states_table.h"

#include <stdio.h>

static const char *const kind_names[STATES_KINDS] = {"tcp", "unix"};

static const char *const state_names[STATES_STATES] = {
    [STATES_ACCEPTED] = "accepted",
    [STATES_PAUSED] = "paused",
    [STATES_DRAINING] = "draining",
    [STATES_BLOCKED] = "blocked",
    [STATES_PEER_ENDED] = "half-closed by the peer",
    [STATES_WE_ENDED] = "half-closed by us",
    [STATES_BOTH_ENDED] = "half-closed by both",
    [STATES_LINGERING] = "lingering",
    [STATES_CONNECTING] = "connecting",
    [STATES_RELEASING] = "releasing",
};

static const char *const peer_move_names[STATES_PEER_MOVES] = {
    [STATES_PEER_SILENT] = "silence",  [STATES_PEER_DATA] = "data",           [STATES_PEER_END] = "end",
    [STATES_PEER_RESET] = "reset",     [STATES_PEER_DATA_END] = "data + end", [STATES_PEER_DATA_RESET] = "data + reset",
    [STATES_PEER_VANISHES] = "vanish",
};

static const char *const our_move_names[STATES_OUR_MOVES] = {
    [STATES_WE_DO_NOTHING] = "nothing",
    [STATES_WE_PAUSE] = "pause",
    [STATES_WE_RESUME] = "resume",
    [STATES_WE_SEND_SMALL] = "send small",
    [STATES_WE_SEND_LARGE] = "send large",
    [STATES_WE_SEND_BORROWED] = "send borrowed",
    [STATES_WE_CLOSE] = "close",
    [STATES_WE_CLOSE_AFTER_WRITING] = "close after writing",
    [STATES_WE_CLOSE_WRITE] = "close write",
    [STATES_WE_STOP] = "stop and run",
};

unsigned states_number(const states_scenario *scenario)
{
    unsigned number = (unsigned)scenario->state;
    number = number * STATES_PEER_MOVES + (unsigned)scenario->peer;
    number = number * STATES_OUR_MOVES + (unsigned)scenario->ours;
    number = number * STATES_ORDERS + (unsigned)scenario->order;
    return number * 2 + (scenario->is_open ? 1 : 0);
}

static unsigned take_digit(unsigned *number, unsigned base)
{
    unsigned digit = *number % base;
    *number /= base;
    return digit;
}

states_scenario states_at(states_kind kind, unsigned number)
{
    states_scenario scenario = {.kind = kind};
    scenario.is_open = take_digit(&number, 2) == 1;
    scenario.order = (states_order)take_digit(&number, STATES_ORDERS);
    scenario.ours = (states_our_move)take_digit(&number, STATES_OUR_MOVES);
    scenario.peer = (states_peer_move)take_digit(&number, STATES_PEER_MOVES);
    scenario.state = (states_state)number;
    return scenario;
}

bool states_is_applicable(const states_scenario *scenario)
{
    bool has_handle = scenario->state != STATES_LINGERING;
    if (scenario->order == STATES_IN_CALLBACK &&
        (!states_sends_data(scenario->peer) || !states_is_listening(scenario->state)))
        return false;
    if (!has_handle && scenario->ours != STATES_WE_DO_NOTHING && scenario->ours != STATES_WE_STOP)
        return false;
    switch (scenario->state) {
    case STATES_PEER_ENDED:
    case STATES_BOTH_ENDED:
        return scenario->is_open; /* any other handler's connection is closing by then */
    case STATES_LINGERING:
    case STATES_RELEASING:
        return !scenario->is_open;
    default:
        break;
    }
    bool is_ending = scenario->peer == STATES_PEER_END || scenario->peer == STATES_PEER_DATA_END ||
                     scenario->peer == STATES_PEER_VANISHES;
    return !scenario->is_open || is_ending;
}

bool states_is_listening(states_state state)
{
    return state == STATES_ACCEPTED || state == STATES_DRAINING || state == STATES_BLOCKED ||
           state == STATES_WE_ENDED || state == STATES_CONNECTING;
}

bool states_sends_data(states_peer_move move)
{
    return move == STATES_PEER_DATA || move == STATES_PEER_DATA_END || move == STATES_PEER_DATA_RESET;
}

void states_describe(const states_scenario *scenario, char *text, size_t capacity)
{
    const char *peer = peer_move_names[scenario->peer];
    const char *ours = our_move_names[scenario->ours];
    const char *handler = scenario->is_open ? "with receive_end" : "without receive_end";
    const char *state = state_names[scenario->state];
    const char *kind = kind_names[scenario->kind];
    if (scenario->order == STATES_PEER_FIRST)
        snprintf(text, capacity, "%s; the peer: %s, then we: %s (%s, %s)", state, peer, ours, kind, handler);
    else if (scenario->order == STATES_IN_CALLBACK)
        snprintf(text, capacity, "%s; the peer: %s, within receive_data we: send, %s (%s, %s)", state, peer, ours, kind,
                 handler);
    else
        snprintf(text, capacity, "%s; we: %s, then the peer: %s (%s, %s)", state, ours, peer, kind, handler);
}

const char *states_name(states_state state)
{
    return state_names[state];
}
