/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which connections send without a copy, where the backend can, and what becomes of the bytes: blocks of the outbox that are sent
 * but not let go wait in the connection's extras.
 */
#include "net/net_private.h"
#include "system/socket.h"

/* A borrowed piece of this length is worth it. */
enum { LEAST_BYTES = 16 * 1024 };

static em_connection *connection_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, em_connection, channel);
}

bool emi_connection_may_hold(emi_channel *channel)
{
    em_connection *connection = connection_of(channel);
    em_switch wanted = connection->loop->zero_copy;
    if (connection->copies || wanted == EM_OFF || !connection->is_tcp ||
        !emi_outbox_has_borrowed(&connection->outbox, EMI_MAX_SPANS, LEAST_BYTES))
        return false;
    connection->copies = wanted != EM_ON && emi_socket_is_local(channel->descriptor);
    return !connection->copies && emi_connection_extras_of(connection);
}

void emi_connection_held(emi_channel *channel, size_t length)
{
    em_connection *connection = connection_of(channel);
    emi_outbox_hold(&connection->outbox, &connection->loop->outboxes, length, &connection->extras->holds);
    emi_connection_finish_sent(connection, length);
}

void emi_connection_let_go(emi_channel *channel, size_t length, bool was_copied)
{
    em_connection *connection = connection_of(channel);
    if (was_copied && connection->loop->zero_copy != EM_ON)
        connection->copies = true;
    if (connection->extras)
        emi_outbox_let_go(&connection->extras->holds, &connection->loop->outboxes, length);
}
