/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timeouts of a connection. One timer serves all of them, and traffic does not touch it. When it fires, it checks what
 * has happened since, and reschedules itself if no deadline has passed.
 *
 * The loop's time stands still during callbacks, so for connections with a timeout times are taken from the clock. A
 * deadline that has passed proves little by itself: the loop may have been late, because a callback was long or because
 * the process, perhaps together with its peer, was stopped. So the kernel is asked about the socket before a connection
 * is ended. If the deadline was noticed late, the connection gets more time, once for each silence, so that a loop that
 * is always late still ends connections with silent peers.
 */
#include "net/net_private.h"
#include "system/clock.h"
#include "system/socket.h"
#include "system/socket_state.h"

/* A timer that fires late grants its lateness times this factor, but at most the whole timeout. */
enum { LATENESS_FACTOR = 8, MOST_EXCUSES = 8 };

static uint64_t later_ns(uint64_t from_ns, uint64_t timeout_ns)
{
    return timeout_ns > UINT64_MAX - from_ns ? UINT64_MAX : from_ns + timeout_ns;
}

static uint64_t latest_ns(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

typedef struct deadline {
    uint64_t due_ns; /* UINT64_MAX: none */
    uint64_t timeout_ns;
    em_status reason;
    bool is_check; /* not a deadline, but the time for a check by drain.c */
} deadline;

static void consider(deadline *earliest, uint64_t from_ns, uint64_t timeout_ns, em_status reason)
{
    uint64_t due_ns = later_ns(from_ns, timeout_ns);
    if (due_ns < earliest->due_ns)
        *earliest = (deadline){.due_ns = due_ns, .timeout_ns = timeout_ns, .reason = reason};
}

static void consider_check(deadline *earliest, const em_connection *connection)
{
    if (emi_drain_has_begun(connection) && connection->extras->drain.check_ns < earliest->due_ns)
        *earliest =
            (deadline){.due_ns = connection->extras->drain.check_ns, .reason = EM_WRITE_TIMEOUT, .is_check = true};
}

/* Not what waits for a handshake or for the disk. */
static bool waits_for_system(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    bool waits = (connection->outbox.first && !emi_files_await_disk(connection)) || connection->extras->pipe;
    if (!gate)
        return waits;
    return gate->filter->wire.bytes > 0 || gate->filter->held.bytes > 0 || (waits && gate->was_ready);
}

static deadline earliest_deadline(const em_connection *connection)
{
    deadline earliest = {.due_ns = UINT64_MAX};
    const emi_connection_extras *extras = connection->extras;
    uint64_t created_ns = latest_ns(extras->created_ns, extras->excused_ns);
    uint64_t active_ns = latest_ns(connection->object.active_ns, extras->excused_ns);
    switch ((em_connection_state)connection->object.state) {
    case EM_STATE_RESOLVING:
        consider(&earliest, created_ns, extras->connect_timeout_ns, EM_RESOLVE_TIMEOUT);
        break;
    case EM_STATE_CONNECTING:
        consider(&earliest, created_ns, extras->connect_timeout_ns, EM_CONNECT_TIMEOUT);
        break;
    case EM_STATE_OPEN:
    case EM_STATE_DRAINING:
        if (extras->inactivity_timeout_ns > 0)
            consider(&earliest, active_ns, extras->inactivity_timeout_ns, EM_INACTIVITY_TIMEOUT);
        if (extras->write_timeout_ns > 0 && waits_for_system(connection))
            consider(&earliest, extras->progress_ns, extras->write_timeout_ns, EM_WRITE_TIMEOUT);
        consider_check(&earliest, connection);
        break;
    case EM_STATE_RELEASING:
    case EM_STATE_CLOSED:
        break;
    }
    return earliest;
}

/* A deadline in the past is due now, so that the lateness of the timer is that of the loop. */
void emi_connection_arm(em_connection *connection)
{
    em_loop *loop = connection->object.loop;
    if (!connection->extras || emi_connection_has_ended(connection))
        return;
    emi_loop_refresh_time(loop);
    deadline earliest = earliest_deadline(connection);
    consider(&earliest, emi_connector_due_ns(connection), 0, EM_OK);
    if (earliest.due_ns == UINT64_MAX)
        emi_loop_timer_cancel(loop, &connection->extras->timer);
    else
        emi_loop_timer_set(loop, &connection->extras->timer, latest_ns(earliest.due_ns, loop->now_ns));
}

void emi_connection_note_exactly(em_connection *connection)
{
    connection->object.active_ns = emi_clock_now_ns();
    connection->extras->excuses = 0;
}

/* Moves the deadline: from now on allowed_ns are left until it. */
static void allow(emi_connection_extras *extras, const deadline *passed, uint64_t allowed_ns)
{
    uint64_t from_ns = emi_clock_now_ns() - (passed->timeout_ns - allowed_ns);
    if (passed->reason == EM_WRITE_TIMEOUT)
        extras->progress_ns = from_ns;
    else
        extras->excused_ns = from_ns;
}

/* Whether what waits to be sent is about to move. A filter that gives nothing to the system waits for the peer as well:
 * for bytes that may be there already. */
static bool is_about_to_send(const em_connection *connection, unsigned socket_state)
{
    const emi_gate *gate = emi_gate_of(connection);
    if (!gate || emi_gate_has_output(gate))
        return socket_state & EMI_SOCKET_TAKES_MORE;
    return emi_gate_needs_turn(gate) || (socket_state & EMI_SOCKET_HAS_INPUT);
}

/* Whether the awaited event has happened already and is about to be reported, or could not happen. */
static bool is_mistaken(em_connection *connection, const deadline *passed)
{
    unsigned state = emi_socket_look(connection->channel.descriptor);
    const emi_gate *gate = emi_gate_of(connection);
    bool decided = false;
    switch (passed->reason) {
    case EM_INACTIVITY_TIMEOUT:
        return (gate && (!gate->is_starved || gate->held_bytes > 0)) ||
               (!connection->peer_ended &&
                ((state & EMI_SOCKET_HAS_INPUT) || emi_channel_holds_input(&connection->channel)));
    case EM_WRITE_TIMEOUT:
        return connection->paused || is_about_to_send(connection, state);
    case EM_CONNECT_TIMEOUT:
        decided = !connection->extras->was_decided && emi_connector_is_decided(connection);
        connection->extras->was_decided = decided;
        return decided;
    default:
        return false;
    }
}

static bool is_excused(em_connection *connection, const deadline *passed, uint64_t late_ns)
{
    emi_connection_extras *extras = connection->extras;
    uint64_t timeout_ns = passed->timeout_ns;
    if (is_mistaken(connection, passed)) {
        allow(extras, passed, timeout_ns);
        return true;
    }
    /* A process that is stopped again and again is very late; a loop with long turns is always a little late. */
    unsigned most = late_ns >= timeout_ns / 2 ? MOST_EXCUSES : 1;
    if (late_ns == 0 || extras->excuses >= most)
        return false;
    extras->excuses++;
    allow(extras, passed, late_ns < timeout_ns / LATENESS_FACTOR ? late_ns * LATENESS_FACTOR : timeout_ns);
    return true;
}

void emi_connection_end_wait_for_decision(em_connection *connection)
{
    if (connection->extras->was_decided)
        connection->extras->excused_ns = 0;
}

/* With a reset if bytes are left to be sent, because a partial reply must not look complete. An attempt that is
 * connected, but not secured, names the stage. */
static void give_up(em_connection *connection, em_status reason)
{
    if (reason == EM_WRITE_TIMEOUT)
        emi_socket_reset(connection->channel.descriptor);
    if (reason == EM_CONNECT_TIMEOUT && emi_connector_is_securing(connection))
        reason = EM_TLS_HANDSHAKE_TIMEOUT;
    emi_connection_end(connection, reason);
}

static void fire(emi_loop_timer *timer)
{
    em_connection *connection = EMI_CONTAINER(timer, emi_connection_extras, timer)->connection;
    uint64_t now_ns = connection->object.loop->now_ns;
    if (emi_connector_act(connection))
        return;
    deadline earliest = earliest_deadline(connection);
    bool goes_on = earliest.due_ns > now_ns;
    if (!goes_on)
        goes_on = earliest.is_check ? emi_drain_check(connection)
                                    : is_excused(connection, &earliest, now_ns - timer->timer.due_ns);
    if (goes_on)
        emi_connection_arm(connection);
    else
        give_up(connection, earliest.reason);
}

void emi_connection_timer_init(emi_connection_extras *extras)
{
    emi_loop_timer_init(&extras->timer, fire);
}

em_status em_connection_set_inactivity_timeout_ns(em_connection *connection, uint64_t timeout_ns)
{
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status == EM_OK) {
        /* Without a timeout, activity of this turn was noted by the turn's time. */
        if (connection->object.active_ns >= connection->object.loop->now_ns)
            connection->object.active_ns = emi_clock_now_ns();
        extras->inactivity_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_inactivity_timeout_ns(const em_connection *connection)
{
    return connection && connection->extras ? connection->extras->inactivity_timeout_ns : 0;
}

em_status em_connection_set_write_timeout_ns(em_connection *connection, uint64_t timeout_ns)
{
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status == EM_OK) {
        if (extras->write_timeout_ns == 0)
            extras->progress_ns = emi_clock_now_ns();
        extras->write_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_write_timeout_ns(const em_connection *connection)
{
    return connection && connection->extras ? connection->extras->write_timeout_ns : 0;
}

em_status em_connection_set_drain_timeout_ns(em_connection *connection, uint64_t timeout_ns)
{
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status == EM_OK) {
        emi_drain_set_timeout(connection, timeout_ns);
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_drain_timeout_ns(const em_connection *connection)
{
    if (!connection)
        return 0;
    uint64_t timeout_ns = connection->extras ? connection->extras->drain.timeout_ns : 0;
    return timeout_ns > 0 ? timeout_ns : EMI_DEFAULT_DRAIN_TIMEOUT_NS;
}

em_status em_connection_set_connect_timeout_ns(em_connection *connection, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return EM_INVALID_ARGUMENT;
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status == EM_OK) {
        extras->connect_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_connect_timeout_ns(const em_connection *connection)
{
    if (!connection)
        return 0;
    return connection->extras ? connection->extras->connect_timeout_ns : EMI_DEFAULT_CONNECT_TIMEOUT_NS;
}
