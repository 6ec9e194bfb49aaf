/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connecting to several addresses at the same time: does what the race says, and reports to it what has become of each
 * attempt. Nothing here decides which address is tried when; see race.c.
 */
#include "net/attempts.h"

#include <string.h>

#include "net/securing.h"
#include "system/clock.h"
#include "system/socket.h"
#include "system/socket_state.h"

static emi_attempt *attempt_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, emi_attempt, channel);
}

static unsigned number_of(const emi_attempt *attempt)
{
    return (unsigned)(attempt - attempt->all->list);
}

static emi_connector *connector_of(const emi_attempts *attempts)
{
    return attempts->connection->extras->connector;
}

/* Creating and freeing */

/* An address that worked before makes its family the preferred one, so that it is waited for. */
static em_address_family preferred_family(const emi_net *net, const emi_connector *connector)
{
    em_address first_choice;
    if (emi_address_history_find(net->history, connector->host, connector->port, emi_clock_now_ns(), &first_choice))
        return em_address_get_family(&first_choice);
    return connector->options.preferred_family;
}

static emi_race_settings settings_of(const emi_net *net, const emi_connector *connector)
{
    const em_connect_options *options = &connector->options;
    return (emi_race_settings){
        .attempt_delay_ns = options->attempt_delay_ns ? options->attempt_delay_ns : EMI_DEFAULT_ATTEMPT_DELAY_NS,
        .resolution_delay_ns =
            options->resolution_delay_ns ? options->resolution_delay_ns : EMI_DEFAULT_RESOLUTION_DELAY_NS,
        .preferred = preferred_family(net, connector),
        .needs_tls = connector->tls != NULL,
    };
}

em_status emi_attempts_create(em_connection *connection)
{
    emi_net *net = emi_net_at(connection->object.loop);
    emi_connector *connector = connection->extras->connector;
    emi_attempts *attempts = emi_allocate_zeroed(&net->loop->memory, sizeof *attempts);
    if (!attempts)
        return EM_NO_MEMORY;
    emi_race_settings settings = settings_of(net, connector);
    emi_race_begin(&attempts->race, &settings);
    attempts->net = net;
    attempts->connection = connection;
    emi_list_init(&attempts->link);
    emi_list_append(&net->attempts, &attempts->link);
    connector->attempts = attempts;
    connection->is_tcp = true;
    connection->channel.exact_reads = true;
    connection->may_linger = connector->stream.linger_seconds > 0;
    attempts->may_linger = connection->may_linger;
    return EM_OK;
}

/* A handshake is left in a forked child, in which no channel is released. */
static void free_attempts(emi_attempts *attempts)
{
    const emi_memory *memory = &attempts->net->loop->memory;
    for (unsigned i = 0; i < attempts->race.attempt_count; i++) {
        emi_securing_free(attempts->list[i].securing);
        emi_release(memory, attempts->list[i].detail);
    }
    emi_list_remove(&attempts->link);
    emi_release(memory, attempts);
}

void emi_net_free_attempts(emi_net *net)
{
    for (emi_list *link; (link = emi_list_take_first(&net->attempts));)
        free_attempts(EMI_CONTAINER(link, emi_attempts, link));
}

static bool are_over(const emi_attempts *attempts)
{
    return !attempts->connection || emi_connection_has_ended(attempts->connection);
}

/* One attempt. Closing its socket never waits. */

static const em_address *address_of(const emi_attempt *attempt)
{
    return emi_race_address(&attempt->all->race, number_of(attempt));
}

static void release(emi_attempt *attempt)
{
    emi_channel *channel = &attempt->channel;
    if (!channel->backend || channel->released)
        return;
    if (attempt->securing)
        emi_securing_stop(attempt->securing);
    if (attempt->all->may_linger)
        emi_socket_forget_linger(channel->descriptor);
    emi_channel_release(channel);
}

/* Without memory the text is missing. */
static void note_detail(emi_attempt *attempt, const char *detail)
{
    size_t bytes = detail ? strlen(detail) + 1 : 0;
    attempt->detail = bytes > 0 ? emi_allocate(&attempt->all->net->loop->memory, bytes) : NULL;
    if (attempt->detail)
        memcpy(attempt->detail, detail, bytes);
}

static void give_up(emi_attempt *attempt, em_status status, const char *detail)
{
    note_detail(attempt, detail);
    release(attempt);
    emi_race_failed(&attempt->all->race, number_of(attempt), status, emi_clock_now_ns());
}

static void fail(emi_attempt *attempt, em_status status, const char *detail)
{
    em_connection *connection = attempt->all->connection;
    give_up(attempt, status, detail);
    emi_connection_end_wait_for_decision(connection);
    emi_attempts_go_on(connection);
}

/* Securing one */

static void secured(emi_securing *securing)
{
    emi_attempt *attempt = attempt_of(securing->channel);
    emi_race_secured(&attempt->all->race, number_of(attempt));
    emi_attempts_go_on(attempt->all->connection);
}

static void not_secured(emi_securing *securing, em_status status, const char *detail)
{
    fail(attempt_of(securing->channel), status, detail);
}

static const emi_securing_events securing_events = {.secured = secured, .failed = not_secured};

static void secure(emi_attempt *attempt)
{
    emi_attempts *attempts = attempt->all;
    em_status status = emi_securing_create(attempts->connection, &attempt->channel, address_of(attempt),
                                           &securing_events, &attempt->securing);
    if (status != EM_OK) {
        fail(attempt, status, em_status_get_detail(status));
        return;
    }
    emi_securing_serve(attempt->securing);
    if (!are_over(attempts))
        emi_attempts_go_on(attempts->connection); /* there is another deadline */
}

/* What its channel reports */

static void connected(emi_channel *channel)
{
    emi_attempt *attempt = attempt_of(channel);
    emi_attempts *attempts = attempt->all;
    unsigned number = number_of(attempt);
    if (are_over(attempts))
        return;
    if (emi_connector_has_met_itself(channel->descriptor, address_of(attempt))) {
        fail(attempt, EM_CONNECTION_REFUSED, NULL);
        return;
    }
    emi_race_connected(&attempts->race, number);
    if (emi_race_is_securing(&attempts->race, number))
        secure(attempt);
    else
        emi_attempts_go_on(attempts->connection);
}

/* EPIPE is a reset that a send has met, as in connection_events.c. */
static void failed(emi_channel *channel, em_status reason)
{
    emi_attempt *attempt = attempt_of(channel);
    if (!are_over(attempt->all))
        fail(attempt, reason == EM_BROKEN_PIPE ? EM_CONNECTION_RESET : reason, NULL);
}

static void data(emi_channel *channel, const void *bytes, size_t length)
{
    if (!are_over(attempt_of(channel)->all))
        emi_securing_data(attempt_of(channel)->securing, bytes, length);
}

static void end_of_wire(emi_channel *channel)
{
    if (!are_over(attempt_of(channel)->all))
        emi_securing_end(attempt_of(channel)->securing);
}

static unsigned gather(emi_channel *channel, emi_span *spans)
{
    const emi_attempt *attempt = attempt_of(channel);
    return are_over(attempt->all) ? 0 : emi_securing_gather(attempt->securing, spans);
}

static bool sent(emi_channel *channel, size_t length)
{
    emi_securing_sent(attempt_of(channel)->securing, length);
    return false;
}

static void released(emi_channel *channel)
{
    emi_attempt *attempt = attempt_of(channel);
    emi_attempts *attempts = attempt->all;
    emi_securing_free(attempt->securing);
    attempt->securing = NULL;
    attempts->attached--;
    emi_loop_note_released(attempts->net->loop, channel);
    if (!attempts->connection && attempts->attached == 0)
        free_attempts(attempts);
}

static const emi_channel_events attempt_events = {
    .data = data,
    .end = end_of_wire,
    .connected = connected,
    .gather = gather,
    .sent = sent,
    .failed = failed,
    .released = released,
};

static em_status start(emi_attempt *attempt, const em_address *address)
{
    emi_attempts *attempts = attempt->all;
    int socket;
    em_status status = emi_connector_open_socket(connector_of(attempts), address, &socket);
    if (status != EM_OK)
        return status;
    emi_channel_init(&attempt->channel, &attempt_events);
    attempt->channel.exact_reads = true;
    status = emi_loop_attach_channel(attempts->net->loop, &attempt->channel, EMI_STREAM, socket, EMI_OURS);
    if (status != EM_OK) {
        emi_socket_close(socket);
        return status;
    }
    attempts->attached++;
    status = emi_channel_connect(&attempt->channel, address);
    if (status != EM_OK)
        release(attempt);
    return status;
}

/* All of them */

/* Nothing was attached, so its place in the list can be used again. */
static bool may_be_put_back(const emi_attempt *attempt, em_status status)
{
    bool is_shortage = status == EM_NO_DESCRIPTORS || status == EM_NO_BUFFERS || status == EM_NO_MEMORY;
    return is_shortage && !attempt->channel.backend;
}

static void start_next(emi_attempts *attempts, unsigned number)
{
    em_connection *connection = attempts->connection;
    if (connection->object.state == EM_STATE_RESOLVING)
        emi_connection_enter(connection, EM_STATE_CONNECTING);
    attempts->was_postponed = false;
    emi_attempt *attempt = &attempts->list[number];
    attempt->all = attempts;
    em_status status = start(attempt, emi_race_address(&attempts->race, number));
    if (may_be_put_back(attempt, status))
        emi_race_put_back(&attempts->race, number, status, emi_clock_now_ns());
    else if (status != EM_OK)
        emi_race_failed(&attempts->race, number, status, emi_clock_now_ns());
}

/* The order of the race is remembered only if it was wrong. */
static void note_winner(const emi_attempts *attempts, const em_address *winner)
{
    const emi_connector *connector = connector_of(attempts);
    if (attempts->race.winner > 0 && connector->host[0] != '\0')
        emi_address_history_note(&attempts->net->history, &attempts->net->loop->memory, connector->host, winner,
                                 emi_clock_now_ns());
}

static void win(emi_attempts *attempts, unsigned number)
{
    em_connection *connection = attempts->connection;
    emi_connector *connector = connection->extras->connector;
    emi_attempt *winner = &attempts->list[number];
    em_status status = winner->securing ? emi_securing_hand_over(winner->securing) : EM_OK;
    if (status != EM_OK) {
        emi_connection_end(connection, status);
        return;
    }
    connector->address = *address_of(winner);
    note_winner(attempts, &connector->address);
    emi_loop_move_channel(connection->object.loop, &connection->channel, &winner->channel);
    connection->channel.events->connected(&connection->channel);
}

static void end(const emi_attempts *attempts)
{
    int system_error;
    em_status reason = emi_race_reason(&attempts->race, &system_error);
    emi_connection_end(attempts->connection, reason);
    attempts->connection->object.system_error = (uint16_t)system_error;
}

static void wait_until(emi_attempts *attempts, uint64_t until_ns)
{
    connector_of(attempts)->due_ns = until_ns;
    emi_connection_arm(attempts->connection);
}

/* Handshakes */

bool emi_attempts_are_securing(const emi_attempts *attempts)
{
    for (unsigned i = 0; i < attempts->race.attempt_count; i++)
        if (emi_race_is_securing(&attempts->race, i))
            return true;
    return false;
}

static uint64_t earliest_deadline_ns(const emi_attempts *attempts)
{
    uint64_t earliest_ns = UINT64_MAX;
    for (unsigned i = 0; i < attempts->race.attempt_count; i++)
        if (emi_race_is_securing(&attempts->race, i) && attempts->list[i].securing->deadline_ns < earliest_ns)
            earliest_ns = attempts->list[i].securing->deadline_ns;
    return earliest_ns;
}

static void give_up_slow_ones(emi_attempts *attempts)
{
    uint64_t now_ns = attempts->net->loop->now_ns;
    for (unsigned i = 0; i < attempts->race.attempt_count; i++) {
        emi_attempt *attempt = &attempts->list[i];
        if (emi_race_is_securing(&attempts->race, i) && attempt->securing->deadline_ns <= now_ns &&
            !emi_securing_is_excused(attempt->securing))
            give_up(attempt, EM_TLS_HANDSHAKE_TIMEOUT, emi_securing_progress(attempt->securing));
    }
}

void emi_attempts_go_on(em_connection *connection)
{
    emi_attempts *attempts = connection->extras->connector->attempts;
    for (;;) {
        emi_race_step step = emi_race_next(&attempts->race, emi_clock_now_ns());
        switch (step.action) {
        case EMI_RACE_START:
            start_next(attempts, step.attempt);
            break;
        case EMI_RACE_CANCEL:
            release(&attempts->list[step.attempt]);
            break;
        case EMI_RACE_WAIT: {
            uint64_t deadline_ns = earliest_deadline_ns(attempts);
            wait_until(attempts, deadline_ns < step.until_ns ? deadline_ns : step.until_ns);
            return;
        }
        case EMI_RACE_WON:
            win(attempts, step.attempt);
            return;
        case EMI_RACE_FAILED:
            end(attempts);
            return;
        }
    }
}

bool emi_attempts_are_decided(const emi_attempts *attempts)
{
    for (unsigned i = 0; i < attempts->race.attempt_count; i++) {
        const emi_attempt *attempt = &attempts->list[i];
        if (emi_race_is_securing(&attempts->race, i) && emi_securing_has_input(attempt->securing))
            return true;
        if (emi_race_is_running(&attempts->race, i) && !emi_race_is_securing(&attempts->race, i) &&
            (emi_socket_look(attempt->channel.descriptor) & EMI_SOCKET_TAKES_MORE))
            return true;
    }
    return false;
}

/* A loop that was late may have a result of the earlier attempts waiting, so that no other is needed. */
void emi_attempts_act(em_connection *connection)
{
    emi_attempts *attempts = connection->extras->connector->attempts;
    if (!attempts->was_postponed && emi_attempts_are_decided(attempts)) {
        attempts->was_postponed = true;
        wait_until(attempts, connection->object.loop->now_ns);
    } else {
        give_up_slow_ones(attempts);
        emi_attempts_go_on(connection);
    }
}

/* The address that worked last is looked for with each result, because it may be of either family. */
void emi_attempts_resolved(em_connection *connection, em_address_family family, em_status status,
                           const emi_addresses *addresses)
{
    const emi_connector *connector = connection->extras->connector;
    emi_attempts *attempts = connector->attempts;
    uint64_t now_ns = emi_clock_now_ns();
    em_address first_choice;
    emi_race_resolved(&attempts->race, family == EM_ADDRESS_IPV6 ? EMI_RACE_IPV6 : EMI_RACE_IPV4, status, addresses,
                      now_ns);
    if (emi_address_history_find(attempts->net->history, connector->host, connector->port, now_ns, &first_choice))
        emi_race_try_first(&attempts->race, &first_choice);
}

void emi_attempts_limit(em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    if (!emi_local_end_has(&connector->local, EM_ADDRESS_IPV6))
        emi_race_exclude(&connector->attempts->race, EMI_RACE_IPV6);
    if (!emi_local_end_has(&connector->local, EM_ADDRESS_IPV4))
        emi_race_exclude(&connector->attempts->race, EMI_RACE_IPV4);
}

void emi_attempts_each_socket(const emi_attempts *attempts, void (*act)(const void *user, int socket), const void *user)
{
    for (unsigned i = 0; i < attempts->race.attempt_count; i++)
        if (emi_race_is_running(&attempts->race, i))
            act(user, attempts->list[i].channel.descriptor);
}

void emi_attempts_close(emi_attempts *attempts)
{
    attempts->connection = NULL;
    for (unsigned i = 0; i < attempts->race.attempt_count; i++)
        release(&attempts->list[i]);
    if (attempts->attached == 0)
        free_attempts(attempts);
}
