/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Socket options that are set before there is a socket. A program sets them in post_init, as for an address, and must
 * learn at once whether the system accepts them. So each is tried on a stand-in: a socket that is opened for this
 * purpose, gets the options that are known so far, and is closed again.
 */
#include "net/early_options.h"

#include <string.h>

#include "net/attempts.h"
#include "system/socket.h"

/* A list that only grows is bounded. */
enum { MOST_OPTIONS = 64, LONGEST_VALUE = 256 };

bool emi_has_early_options(const em_connection *connection)
{
    return connection->channel.descriptor == EMI_NO_SOCKET && !emi_connection_has_ended(connection) &&
           connection->extras && connection->extras->connector;
}

static em_status set(const emi_early_option *option, int socket)
{
    const emi_keepalive *keepalive = &option->keepalive;
    if (!option->is_keepalive)
        return emi_socket_set_option(socket, option->level, option->option, option->value, option->bytes);
    return emi_socket_set_keepalive(socket, keepalive->on, keepalive->idle_seconds, keepalive->interval_seconds,
                                    keepalive->count);
}

/* Linux returns ENOPROTOOPT or EOPNOTSUPP for an option of the other address family. */
static bool is_of_another_family(em_status status)
{
    return status == EM_NO_PROTOCOL_OPTION || status == EM_UNSUPPORTED;
}

em_status emi_early_options_apply(const emi_early_option *first, int socket)
{
    em_status status = EM_OK;
    for (const emi_early_option *each = first; each && status == EM_OK; each = each->next) {
        status = set(each, socket);
        if (is_of_another_family(status))
            status = EM_OK;
    }
    return status;
}

/* The stand-in */

static em_status open_stand_in(const emi_connector *connector, const char *any, int *socket)
{
    em_address address;
    em_status status = em_address_from_text(any, 0, &address);
    if (status == EM_OK)
        status = emi_socket_open(&address, socket);
    if (status != EM_OK)
        return status;
    status = emi_apply_socket_options(*socket, true, &connector->stream);
    if (status == EM_OK)
        status = emi_early_options_apply(connector->early_options, *socket);
    if (status != EM_OK)
        emi_socket_close(*socket);
    return status;
}

/* What to do with the stand-in. */
typedef struct stand_in_use {
    const emi_early_option *option; /* to set; NULL: to get the following */
    int level;
    int number;
    void *value;
    size_t *bytes;
} stand_in_use;

static em_status use_stand_in_at(const emi_connector *connector, const char *any, const stand_in_use *use)
{
    int socket;
    em_status status = open_stand_in(connector, any, &socket);
    if (status != EM_OK)
        return status;
    if (use->option)
        status = set(use->option, socket);
    else
        status = emi_socket_get_option(socket, use->level, use->number, use->value, use->bytes);
    emi_socket_close(socket);
    return status;
}

/* An option may be one of IPv6 alone. */
static em_status use_stand_in(const emi_connector *connector, const stand_in_use *use)
{
    em_status status = use_stand_in_at(connector, "0.0.0.0", use);
    if (is_of_another_family(status) && use_stand_in_at(connector, "::", use) == EM_OK)
        status = EM_OK;
    return status;
}

/* Keeping */

static em_status find_end(emi_early_option **first, emi_early_option ***end)
{
    unsigned count = 0;
    for (*end = first; **end; *end = &(**end)->next)
        count++;
    return count < MOST_OPTIONS ? EM_OK : emi_status_without_detail(EM_LIMIT);
}

static void set_on_attempt(const void *option, int socket)
{
    set(option, socket);
}

static void set_on_attempts(emi_attempts *attempts, const emi_early_option *option)
{
    attempts->may_linger = attempts->may_linger || attempts->connection->may_linger;
    emi_attempts_each_socket(attempts, set_on_attempt, option);
}

/* Takes the option over. */
static em_status keep(em_connection *connection, emi_early_option *option)
{
    emi_connector *connector = connection->extras->connector;
    const stand_in_use try = {.option = option};
    emi_early_option **end;
    em_status status = find_end(&connector->early_options, &end);
    if (status == EM_OK)
        status = use_stand_in(connector, &try);
    if (status != EM_OK) {
        emi_release(&connection->object.loop->memory, option);
        return status;
    }
    *end = option;
    if (connector->attempts)
        set_on_attempts(connector->attempts, option);
    return EM_OK;
}

em_status emi_early_option_set(em_connection *connection, int level, int option, const void *value, size_t bytes)
{
    if (bytes > LONGEST_VALUE)
        return emi_status_without_detail(EM_LIMIT);
    emi_early_option *made = emi_allocate_zeroed(&connection->object.loop->memory, sizeof *made + bytes);
    if (!made)
        return EM_NO_MEMORY;
    made->level = level;
    made->option = option;
    made->bytes = bytes;
    memcpy(made->value, value, bytes);
    return keep(connection, made);
}

em_status emi_early_keepalive_set(em_connection *connection, const emi_keepalive *keepalive)
{
    emi_early_option *made = emi_allocate_zeroed(&connection->object.loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->is_keepalive = true;
    made->keepalive = *keepalive;
    return keep(connection, made);
}

em_status emi_early_option_get(const em_connection *connection, int level, int option, void *value, size_t *bytes)
{
    const stand_in_use get = {.level = level, .number = option, .value = value, .bytes = bytes};
    return use_stand_in(connection->extras->connector, &get);
}

void emi_early_options_free(const emi_memory *memory, emi_early_option *first)
{
    while (first) {
        emi_early_option *next = first->next;
        emi_release(memory, first);
        first = next;
    }
}
