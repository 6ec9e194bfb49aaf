/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What must happen in a scenario. See states_model.h.
 *
 * The rules, from the public headers and from what must hold on every backend:
 *
 *   1. em_connection_close ends with EM_OK whatever else is under way. So does em_connection_close_after_writing if
 *      nothing is waiting to be sent, and em_connection_close_write if the peer's end was received before. Data that
 * has arrived but was not read by then is dropped, and the kernel reports this to the peer by a reset.
 *   2. During a pause nothing is received or sent, and only em_connection_close ends the connection.
 *   3. If the peer is gone and something is lost thereby, the connection ends, after the data that the peer had sent
 * has been received. The reason is EM_CONNECTION_RESET if the peer has reset, no matter whether a read or a write finds
 *      out. It is the same if the peer had closed normally and we send: a TCP socket answers with a reset. For a
 *      Unix-domain socket the reason is then EM_BROKEN_PIPE.
 *   4. The peer's end closes the connection when everything has been sent. If the handler has receive_end, it does so
 *      only when we have half-closed, too.
 *   5. The peer receives what it was sent, unless em_connection_close drops it.
 */
#include "support/states_model.h"

/* What is true of both ends at a moment. */
typedef struct world {
    bool is_tcp;
    bool is_open; /* the handler has receive_end */
    bool is_connecting;
    bool is_paused;
    bool is_closed; /* em_connection_close was called */
    bool after_writing;
    bool write_closing;
    bool stuck;          /* the kernel took a part of a large piece; the rest waits for the peer to read */
    bool large;          /* a large piece is to be sent … */
    bool small;          /* … or a small one */
    bool unread;         /* the peer has input that it has not read */
    bool data;           /* the peer has sent data */
    bool ended;          /* the peer has half-closed */
    bool data_delivered; /* the data was delivered before our move */
    bool end_delivered;
    bool closed_by_peer; /* its socket is closed, normally … */
    bool reset_by_peer;  /* … or by a reset */
} world;

typedef struct outcome {
    unsigned stages;
    unsigned reasons; /* 0: none yet */
} outcome;

static world world_of(const states_scenario *scenario)
{
    states_state state = scenario->state;
    bool stuck = state == STATES_DRAINING || state == STATES_BLOCKED || state == STATES_BOTH_ENDED;
    bool ended = state == STATES_PEER_ENDED || state == STATES_BOTH_ENDED;
    return (world){
        .is_tcp = scenario->kind == STATES_TCP,
        .is_open = scenario->is_open,
        .is_connecting = state == STATES_CONNECTING,
        .is_paused = state == STATES_PAUSED,
        .is_closed = state == STATES_RELEASING || state == STATES_LINGERING,
        .after_writing = state == STATES_DRAINING,
        .write_closing = state == STATES_WE_ENDED || state == STATES_BOTH_ENDED,
        .stuck = stuck,
        .unread = stuck,
        .ended = ended,
        .end_delivered = ended,
    };
}

static bool has_output(const world *now)
{
    return now->stuck || now->large || now->small;
}

static bool is_peer_gone(const world *now)
{
    return now->closed_by_peer || now->reset_by_peer;
}

/* Our move */

static em_status send_something(world *now, bool large)
{
    if (now->write_closing || now->after_writing)
        return EM_CLOSED;
    now->large = now->large || large;
    now->small = now->small || !large;
    return EM_OK;
}

static em_status change_pause(world *now, bool paused)
{
    if (now->is_paused == paused)
        return EM_INVALID_STATE;
    now->is_paused = paused;
    return EM_OK;
}

static em_status move(world *now, states_our_move ours)
{
    if (ours == STATES_WE_DO_NOTHING || ours == STATES_WE_STOP)
        return EM_OK;
    if (now->is_closed)
        return EM_CLOSED;
    switch (ours) {
    case STATES_WE_PAUSE:
    case STATES_WE_RESUME:
        return change_pause(now, ours == STATES_WE_PAUSE);
    case STATES_WE_SEND_SMALL:
    case STATES_WE_SEND_LARGE:
    case STATES_WE_SEND_BORROWED:
        return send_something(now, ours != STATES_WE_SEND_SMALL);
    case STATES_WE_CLOSE:
        now->is_closed = true;
        break;
    case STATES_WE_CLOSE_AFTER_WRITING:
        now->after_writing = true;
        break;
    default:
        now->write_closing = true;
        break;
    }
    return EM_OK;
}

/* A turn while the peer is there and does not read. */
static void turn(world *now)
{
    now->is_connecting = false;
    if (now->is_paused || now->is_closed)
        return;
    now->unread = now->unread || now->large || now->small;
    now->stuck = now->stuck || now->large;
    now->large = false;
    now->small = now->small && now->stuck;
}

/* The peer's move */

static void leave(world *now, bool by_reset)
{
    if ((by_reset && now->is_tcp) || now->unread)
        now->reset_by_peer = true;
    else
        now->closed_by_peer = now->ended = true;
}

static void move_peer(world *now, states_peer_move peer)
{
    if (states_sends_data(peer) && !now->ended)
        now->data = true;
    if (peer == STATES_PEER_END || peer == STATES_PEER_DATA_END)
        now->ended = true;
    if (peer == STATES_PEER_RESET || peer == STATES_PEER_DATA_RESET || peer == STATES_PEER_VANISHES)
        leave(now, peer != STATES_PEER_VANISHES);
}

/* The end */

/* Rule 3: what a peer that is gone loses. A small piece is taken by TCP, and its loss is not reported in time. */
static bool is_something_lost(const world *now)
{
    bool goes_on = now->is_open && !now->after_writing && !now->write_closing;
    return now->stuck || now->large || (now->small && (!now->is_tcp || goes_on));
}

static unsigned reasons_of_peers_end(const world *now)
{
    if (now->write_closing)
        return has_output(now) ? 0 : STATES_OK;
    return now->is_open || has_output(now) ? 0 : STATES_OK;
}

/* Why the connection ends in the present state; 0: it does not. */
static unsigned reasons(const world *now)
{
    if (now->write_closing && now->end_delivered && !has_output(now))
        return STATES_OK;
    if (now->is_closed || (now->after_writing && !has_output(now) && !now->is_paused))
        return STATES_OK;
    if (now->reset_by_peer && now->end_delivered) /* nothing waits behind a pause */
        return now->is_tcp ? STATES_RESET : STATES_RESET | STATES_BROKEN_PIPE;
    if (now->is_paused)
        return 0;
    if (now->reset_by_peer)
        return STATES_RESET;
    if (now->closed_by_peer && is_something_lost(now))
        return now->is_tcp ? STATES_RESET : STATES_BROKEN_PIPE;
    if (now->closed_by_peer && has_output(now))
        return STATES_OK;
    return now->ended ? reasons_of_peers_end(now) : 0;
}

/* A Unix socket can tell that its peer has closed normally and not only half-closed. A backend need not notice. */
static outcome end_by_closing(const world *now)
{
    if (now->closed_by_peer && !now->is_tcp)
        return (outcome){STATES_AT_ONCE | STATES_AFTER_RESUME | STATES_AFTER_CLOSE,
                         STATES_OK | STATES_RESET | STATES_BROKEN_PIPE};
    return (outcome){STATES_AFTER_CLOSE, STATES_OK};
}

static void send_what_goes(world *now)
{
    if (!is_peer_gone(now))
        turn(now);
}

static outcome outcome_of(world *now)
{
    bool may_fail_early = now->is_connecting && now->reset_by_peer && now->is_paused;
    send_what_goes(now);
    outcome found = {STATES_AT_ONCE, reasons(now)};
    if (!found.reasons && now->is_paused) {
        now->is_paused = false;
        send_what_goes(now);
        found = (outcome){STATES_AFTER_RESUME | (may_fail_early ? STATES_AT_ONCE : 0U), reasons(now)};
    }
    if (!found.reasons && !is_peer_gone(now) && has_output(now)) {
        now->stuck = now->large = now->small = false;
        found = (outcome){STATES_AFTER_READING, reasons(now)};
    }
    return found.reasons ? found : end_by_closing(now);
}

/* What the callbacks report before the end */

/* Rule 1: ends without reading what has arrived. */
static bool is_undelivered(const world *now)
{
    return now->is_closed || (now->after_writing && !has_output(now));
}

static states_whether data_of(const world *now, bool undelivered)
{
    if (now->data_delivered)
        return STATES_YES;
    if (!now->data || now->is_closed || (undelivered && !now->is_paused))
        return STATES_NO;
    return undelivered || (now->is_connecting && now->reset_by_peer) ? STATES_EITHER : STATES_YES;
}

static states_whether receive_end_of(const world *now, bool undelivered)
{
    if (now->end_delivered)
        return STATES_YES;
    if (!now->is_open || !now->ended || undelivered || now->after_writing)
        return STATES_NO;
    return now->closed_by_peer ? STATES_EITHER : STATES_YES;
}

static void expect_of_peer(states_expectation *expected, const world *now, bool dropped)
{
    expected->end = STATES_END_SEEN;
    if (is_peer_gone(now))
        expected->end = STATES_CLOSED_BY_PEER;
    else if (now->is_tcp && now->write_closing && !has_output(now))
        expected->end = STATES_END_SEEN; /* a reset after it does not change what recv(2) returns */
    else if (now->data && expected->data != STATES_YES)
        expected->end = expected->data == STATES_NO ? STATES_RESET_SEEN : STATES_ANY_END_SEEN;
    expected->is_whole = expected->end == STATES_END_SEEN && !dropped;
}

/* All moves have been made. */
static void settle(states_expectation *expected, world *now)
{
    bool undelivered = is_undelivered(now);
    bool dropped = now->is_closed && has_output(now);
    expected->data = data_of(now, undelivered);
    expected->receive_end = receive_end_of(now, undelivered);
    outcome found = outcome_of(now);
    expected->stages = found.stages;
    expected->reasons = found.reasons;
    expect_of_peer(expected, now, dropped);
}

/* The connection ends before the peer moves: what the peer sends then reaches a socket that is closed or lingers. */
static void settle_before_peer(states_expectation *expected, const states_scenario *scenario, const world *now)
{
    bool lingers = scenario->state == STATES_LINGERING;
    world then = *now;
    then.data = false;
    move_peer(&then, scenario->peer);
    expected->stages = STATES_AT_ONCE;
    expected->reasons = STATES_OK;
    expected->data = STATES_NO;
    expected->receive_end = now->end_delivered ? STATES_YES : STATES_NO;
    expected->end = !lingers && then.data ? STATES_ANY_END_SEEN : STATES_END_SEEN;
    if (is_peer_gone(&then))
        expected->end = STATES_CLOSED_BY_PEER;
    expected->is_whole = expected->end == STATES_END_SEEN && !has_output(now);
}

states_expectation states_expect(const states_scenario *scenario)
{
    states_expectation expected = {.move_status = EM_OK};
    world now = world_of(scenario);
    bool has_ended = scenario->state == STATES_LINGERING;
    if (scenario->order != STATES_WE_FIRST && !has_ended)
        move_peer(&now, scenario->peer);
    if (scenario->order == STATES_IN_CALLBACK) {
        now.data_delivered = true;
        send_something(&now, false);
    }
    expected.move_status = move(&now, scenario->ours);
    if (scenario->order == STATES_WE_FIRST) {
        turn(&now);
        has_ended = has_ended || reasons(&now) != 0;
    }
    if (has_ended) {
        settle_before_peer(&expected, scenario, &now);
        return expected;
    }
    if (scenario->order == STATES_WE_FIRST)
        move_peer(&now, scenario->peer);
    settle(&expected, &now);
    return expected;
}

unsigned states_reason_of(em_status status)
{
    switch (status) {
    case EM_OK:
        return STATES_OK;
    case EM_CONNECTION_RESET:
        return STATES_RESET;
    case EM_BROKEN_PIPE:
        return STATES_BROKEN_PIPE;
    default:
        return 0;
    }
}
