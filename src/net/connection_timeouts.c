/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timeouts of a connection. One timer stands for all of them, and traffic does not touch it: when it fires, it looks at what has
 * happened since and sets itself anew if the time has not come.
 */
#include "net/net_private.h"

static uint64_t later_ns(uint64_t from_ns, uint64_t timeout_ns)
{
    return timeout_ns > UINT64_MAX - from_ns ? UINT64_MAX : from_ns + timeout_ns;
}

typedef struct deadline {
    uint64_t due_ns; /* UINT64_MAX: none */
    em_status reason;
} deadline;

static void consider(deadline *earliest, uint64_t due_ns, em_status reason)
{
    if (due_ns < earliest->due_ns)
        *earliest = (deadline){.due_ns = due_ns, .reason = reason};
}

static deadline earliest_deadline(const em_connection *connection)
{
    deadline earliest = {.due_ns = UINT64_MAX};
    const emi_connection_extras *extras = connection->extras;
    switch ((em_connection_state)connection->state) {
    case EM_STATE_RESOLVING:
        consider(&earliest, later_ns(extras->created_ns, extras->connect_timeout_ns), EM_RESOLVE_TIMEOUT);
        break;
    case EM_STATE_CONNECTING:
        consider(&earliest, later_ns(extras->created_ns, extras->connect_timeout_ns), EM_CONNECT_TIMEOUT);
        break;
    case EM_STATE_OPEN:
    case EM_STATE_DRAINING:
        if (extras->inactivity_timeout_ns > 0)
            consider(&earliest, later_ns(connection->active_ns, extras->inactivity_timeout_ns), EM_INACTIVITY_TIMEOUT);
        if (extras->write_timeout_ns > 0 && connection->outbox.bytes > 0)
            consider(&earliest, later_ns(extras->progress_ns, extras->write_timeout_ns), EM_WRITE_TIMEOUT);
        break;
    case EM_STATE_RELEASING:
    case EM_STATE_CLOSED:
        break;
    }
    return earliest;
}

void emi_connection_arm(em_connection *connection)
{
    if (!connection->extras || emi_connection_has_ended(connection))
        return;
    deadline earliest = earliest_deadline(connection);
    if (connection->extras->connector && connection->extras->connector->failure != EM_OK)
        earliest.due_ns = connection->loop->now_ns;
    if (earliest.due_ns == UINT64_MAX)
        emi_loop_timer_cancel(connection->loop, &connection->extras->timer);
    else
        emi_loop_timer_set(connection->loop, &connection->extras->timer, earliest.due_ns);
}

static void fire(emi_loop_timer *timer)
{
    em_connection *connection = EMI_CONTAINER(timer, emi_connection_extras, timer)->connection;
    if (emi_connector_act(connection))
        return;
    deadline earliest = earliest_deadline(connection);
    if (earliest.due_ns <= connection->loop->now_ns)
        emi_connection_end(connection, earliest.reason);
    else
        emi_connection_arm(connection);
}

void emi_connection_timer_init(emi_connection_extras *extras)
{
    emi_loop_timer_init(&extras->timer, fire);
}

/* Where a timeout is kept; NULL if it cannot be set, with the reason. */
static emi_connection_extras *extras_to_set(em_connection *connection, em_status *status)
{
    *status = EM_OK;
    if (!connection)
        *status = EM_INVALID_ARGUMENT;
    else if (emi_connection_has_ended(connection))
        *status = EM_CLOSED;
    else if (!emi_connection_extras_of(connection))
        *status = EM_NO_MEMORY;
    return *status == EM_OK ? connection->extras : NULL;
}

em_status em_connection_set_inactivity_timeout(em_connection *connection, uint64_t timeout_ns)
{
    em_status status;
    emi_connection_extras *extras = extras_to_set(connection, &status);
    if (extras) {
        extras->inactivity_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_inactivity_timeout(const em_connection *connection)
{
    return connection && connection->extras ? connection->extras->inactivity_timeout_ns : 0;
}

em_status em_connection_set_write_timeout(em_connection *connection, uint64_t timeout_ns)
{
    em_status status;
    emi_connection_extras *extras = extras_to_set(connection, &status);
    if (extras) {
        if (extras->write_timeout_ns == 0)
            extras->progress_ns = connection->loop->now_ns;
        extras->write_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_write_timeout(const em_connection *connection)
{
    return connection && connection->extras ? connection->extras->write_timeout_ns : 0;
}

em_status em_connection_set_connect_timeout(em_connection *connection, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return EM_INVALID_ARGUMENT;
    em_status status;
    emi_connection_extras *extras = extras_to_set(connection, &status);
    if (extras) {
        extras->connect_timeout_ns = timeout_ns;
        emi_connection_arm(connection);
    }
    return status;
}

uint64_t em_connection_get_connect_timeout(const em_connection *connection)
{
    if (!connection)
        return 0;
    return connection->extras ? connection->extras->connect_timeout_ns : EMI_DEFAULT_CONNECT_TIMEOUT_NS;
}
