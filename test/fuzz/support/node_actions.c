/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a fuzzer does with a loop: connections, servers, ticks, timers, posts, stopping.
 */
#include "fuzz/support/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether a call succeeded that the loop may refuse only if it has no memory. */
static bool is_done(const node *owner, em_status status)
{
    FUZZ_CHECK(status == EM_OK || (status == EM_NO_MEMORY && owner->run->memory));
    return status == EM_OK;
}

side *node_add_side(node *owner)
{
    FUZZ_CHECK(owner->count < NODE_MOST_SIDES);
    side *added = calloc(1, sizeof *added);
    if (!added)
        fuzz_fail("no memory");
    added->node = owner;
    added->number = owner->number << 16 | owner->count;
    owner->sides[owner->count++] = added;
    return added;
}

static em_stream_options pick_stream_options(node *owner)
{
    em_stream_options stream = {.size = sizeof stream};
    if (node_one_in(owner, 3))
        stream.send_buffer_bytes = 4096;
    if (node_one_in(owner, 3))
        stream.receive_buffer_bytes = 100000; /* a small one makes TCP wait for timers, over the loopback interface */
    if (node_one_in(owner, 3))
        stream.high_water_bytes = 1 + node_pick(owner, 20000);
    if (node_one_in(owner, 3))
        stream.no_delay = EM_OFF;
    return stream;
}

/* Connections */

static bool may_fail_to_connect(const node *owner, em_status status)
{
    if (owner->is_local && (status == EM_CONNECTION_REFUSED || status == EM_WOULD_BLOCK))
        return true;
    return node_has_failures(owner) && (status == EM_NO_MEMORY || owner->run->calls);
}

/* The last address is the target's. Nobody listens on those before it. */
static em_status race_to(node *connecting, const endpoint *target, const em_handler *handler,
                         const em_connect_options *options, em_connection **made)
{
    em_address addresses[4];
    unsigned count = 1 + node_pick(connecting, 4);
    for (unsigned i = 0; i < count; i++)
        FUZZ_CHECK(em_address_from_text(fuzz_host(), i + 1 == count ? target->port : (int)i + 1, &addresses[i]) ==
                   EM_OK);
    return em_loop_connect_addresses(connecting->loop, addresses, count, handler, options, made);
}

static em_status connect_to(node *connecting, const endpoint *target, const em_handler *handler,
                            const em_connect_options *options, em_connection **made)
{
    if (target->path[0])
        return em_loop_connect_unix_domain(connecting->loop, target->path, handler, options, made);
    if (node_one_in(connecting, 3))
        return race_to(connecting, target, handler, options, made);
    return em_loop_connect(connecting->loop, fuzz_host(), target->port, handler, options, made);
}

void node_connect(node *connecting)
{
    endpoint target = connecting->find_target(connecting);
    if (connecting->to_open == 0 || (target.port == 0 && !target.path[0]))
        return;
    connecting->to_open--;
    side *own = node_add_side(connecting);
    own->is_client = true;
    em_stream_options stream = pick_stream_options(connecting);
    em_connect_options options = {.size = sizeof options, .user = own, .stream = &stream};
    em_connection *made;
    const em_handler *handler = &side_handlers[node_pick(connecting, SIDE_HANDLERS)];
    em_status status = connect_to(connecting, &target, handler, &options, &made);
    FUZZ_CHECK(own->begun == (status == EM_OK));
    FUZZ_CHECK(status != EM_OK || made == own->connection || own->ended);
    if (status != EM_OK && !may_fail_to_connect(connecting, status))
        fuzz_fail("connecting: %s", em_status_get_name(status));
    connecting->opened += status == EM_OK;
}

/* Servers */

static em_status start_local(node *starting, const em_handler *handler, const em_server_options *options)
{
    snprintf(starting->own.path, sizeof starting->own.path, "@em-fuzz-%ld-%u-%u", (long)getpid(), starting->number,
             starting->servers);
    return em_loop_start_unix_domain_server(starting->loop, starting->own.path, handler, options, &starting->server);
}

/* On the port that it had before, or on any. */
static em_status start_tcp(node *starting, const em_handler *handler, const em_server_options *options)
{
    em_status status = EM_ADDRESS_IN_USE;
    if (starting->own.port != 0 && node_one_in(starting, 2))
        status =
            em_loop_start_server(starting->loop, fuzz_host(), starting->own.port, handler, options, &starting->server);
    if (status == EM_ADDRESS_IN_USE) /* in the meantime */
        status = em_loop_start_server(starting->loop, fuzz_host(), 0, handler, options, &starting->server);
    return status;
}

void node_start_server(node *starting)
{
    if (starting->server)
        return;
    em_stream_options stream = pick_stream_options(starting);
    em_server_options options = {
        .size = sizeof options,
        .stream = &stream,
        .accept_batch = node_one_in(starting, 2) ? 1 + node_pick(starting, 4) : 0,
    };
    const em_handler *handler = &side_handlers[node_pick(starting, SIDE_HANDLERS)];
    starting->servers++;
    em_status status =
        starting->is_local ? start_local(starting, handler, &options) : start_tcp(starting, handler, &options);
    FUZZ_CHECK(status == EM_OK || (starting->run->memory && status == EM_NO_MEMORY) || starting->run->calls);
    FUZZ_CHECK((status == EM_OK) == (starting->server != NULL));
    em_address address;
    bool is_known = starting->server && em_server_get_local_address(starting->server, &address) == EM_OK;
    FUZZ_CHECK(is_known || !starting->server || starting->run->calls);
    if (!starting->is_local)
        starting->own.port = is_known ? em_address_get_port(&address) : 0;
    if (!starting->server)
        starting->own = (endpoint){.port = 0};
    if (starting->publish)
        starting->publish(starting);
}

void node_stop_server(node *stopping)
{
    if (!stopping->server)
        return;
    FUZZ_CHECK(em_server_stop(stopping->server) == EM_OK);
    stopping->server = NULL;
}

/* Ticks, timers, posts */

static void tick(em_loop *loop, void *user)
{
    node *owner = user;
    FUZZ_CHECK(loop == owner->loop && !owner->is_sweeping);
    owner->ticks++;
    node_act_sometimes(owner);
}

static void posted(em_loop *loop, void *user)
{
    node *owner = user;
    FUZZ_CHECK(loop == owner->loop && !owner->is_sweeping);
    owner->posts_run++;
    node_act_sometimes(owner);
}

static void fire(em_loop *loop, em_timer timer, void *user)
{
    node *owner = user;
    FUZZ_CHECK(loop == owner->loop && timer != 0 && !owner->is_sweeping);
    node_act_sometimes(owner);
    if (!owner->is_quiet && node_one_in(owner, 4))
        em_loop_rearm_timer(loop, timer, node_pick(owner, 3000) * EM_MICROSECONDS);
}

static void post(node *owner)
{
    node *other = owner->other;
    other->posts++; /* before it may run */
    if (!is_done(other, em_loop_post(other->loop, posted, other, NULL)))
        other->posts--;
}

static void act_on_loop(node *acting)
{
    switch (node_pick(acting, 12)) {
    case 0:
        node_stop_server(acting);
        break;
    case 1:
    case 2:
        node_start_server(acting);
        break;
    case 3:
        is_done(acting, em_loop_next_tick(acting->loop, tick, acting, NULL));
        break;
    case 4:
        is_done(acting,
                em_loop_add_timer(acting->loop, node_pick(acting, 5000) * EM_MICROSECONDS, fire, acting, NULL, NULL));
        break;
    case 5:
        post(acting);
        break;
    case 6:
        em_loop_stop(node_one_in(acting, 2) ? acting->loop : acting->other->loop);
        break;
    case 7:
        em_loop_wake(acting->other->loop);
        break;
    default:
        node_connect(acting);
    }
}

void node_act(node *acting)
{
    if (node_one_in(acting, 6)) {
        act_on_loop(acting);
        return;
    }
    unsigned chosen = acting->count > 0 ? node_pick(acting, acting->count) : 0;
    if (acting->count > 0 && acting->sides[chosen]->connection)
        side_act(acting->sides[chosen]);
    else
        node_connect(acting);
}

void node_act_sometimes(node *acting)
{
    if (acting->is_quiet || acting->is_sweeping || acting->depth > 3 || !node_one_in(acting, 2))
        return;
    acting->depth++;
    node_act(acting);
    acting->depth--;
}
