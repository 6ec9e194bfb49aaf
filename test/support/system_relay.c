/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies over real sockets, see system_relay.h.
 */
#include "support/system_relay.h"

#include <unistd.h>

#include "support/bytes.h"
#include "support/sockets.h"
#include "support/system_test.h"

const em_proxy_options system_relay_bounded = {.size = sizeof system_relay_bounded, .buffer_bytes = RELAY_BUFFER_BYTES};

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    system_relay *all = em_connection_get_user(connection);
    if (connection != all->from)
        return;
    all->wrong += !pattern_matches(data, length, all->relayed + all->received);
    all->received += length;
}

static void proxy_completed(em_connection *connection)
{
    system_relay *all = em_connection_get_user(connection);
    all->completed++;
    all->relayed += em_connection_get_proxied_bytes(connection);
}

static void proxy_target_unbound(em_connection *connection)
{
    system_relay *all = em_connection_get_user(connection);
    all->told++;
    all->relayed += em_connection_get_proxied_bytes(connection);
}

static void receive_end(em_connection *connection)
{
    (void)connection;
}

static void unbind(em_connection *connection, em_status reason)
{
    system_relay *all = em_connection_get_user(connection);
    bool is_from = connection == all->from;
    all->reasons[!is_from] = reason;
    if (is_from)
        all->from = NULL;
    else
        all->to = NULL;
}

static const em_handler handler = {
    .receive_data = receive_data,
    .receive_end = receive_end,
    .proxy_completed = proxy_completed,
    .proxy_target_unbound = proxy_target_unbound,
    .unbind = unbind,
};

static em_connection *attach(system_relay *all, int socket)
{
    em_connection *connection;
    const em_attach_options options = {.size = sizeof options, .user = all};
    assert_int_equal(em_loop_attach(all->loop, socket, &handler, &options, &connection), EM_OK);
    return connection;
}

system_relay *system_open_relay(em_loop *loop, void (*make_pair)(int sockets[2]))
{
    system_relay *all = system_memory(sizeof *all);
    int from[2], to[2];
    make_pair(from);
    make_pair(to);
    all->loop = loop;
    all->from_peer = from[1];
    all->to_peer = to[1];
    all->from = attach(all, from[0]);
    all->to = attach(all, to[0]);
    return all;
}

void system_relay_start(system_relay *all, const em_proxy_options *options)
{
    assert_int_equal(em_connection_start_proxy(all->from, all->to, options), EM_OK);
}

system_relay *system_open_proxied(em_loop *loop, const em_proxy_options *options)
{
    system_relay *all = system_open_relay(loop, tcp_pair);
    system_relay_start(all, options);
    return all;
}

void system_close_relay(system_relay *all)
{
    if (all->from)
        em_connection_close(all->from);
    if (all->to)
        em_connection_close(all->to);
    while (all->from || all->to)
        system_turn(all->loop);
    if (all->from_peer >= 0)
        close(all->from_peer);
    if (all->to_peer >= 0)
        close(all->to_peer);
    assert_int_equal(all->wrong, 0);
}

void system_relay_write(system_relay *all, uint64_t until)
{
    static unsigned char bytes[RELAY_READ_BYTES];
    size_t length = until - all->written < sizeof bytes ? (size_t)(until - all->written) : sizeof bytes;
    pattern_fill(bytes, length, all->written);
    all->written += send_now(all->from_peer, bytes, length);
}

void system_relay_take(system_relay *all, size_t most)
{
    static unsigned char bytes[RELAY_READ_BYTES];
    size_t length = receive_now(all->to_peer, bytes, most < sizeof bytes ? most : sizeof bytes, &all->peer_saw_end);
    all->wrong += !pattern_matches(bytes, length, all->taken);
    all->taken += length;
}

void system_relay_turn(system_relay *all)
{
    assert_int_equal(em_loop_run_once(all->loop, 0), EM_OK);
    size_t outbound = em_connection_get_outbound_bytes(all->to);
    all->most_outbound = outbound > all->most_outbound ? outbound : all->most_outbound;
}

/* Until the target's peer has taken so much. */
void system_relay_until(system_relay *all, uint64_t written, uint64_t taken)
{
    while (all->taken < taken) {
        system_relay_write(all, written);
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
}

/* Until the target's socket and its buffer are full. */
void system_relay_fill(system_relay *all)
{
    for (unsigned idle = 0; idle < 200;) {
        uint64_t before = all->written;
        system_relay_write(all, RELAY_BULK_BYTES * UINT64_C(4));
        system_relay_turn(all);
        idle = all->written > before ? 0 : idle + 1;
    }
}
