/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Thousands of random lives of connections over the simulated backend, each by a seed: both sides do whatever comes
 * into their minds, within callbacks and outside, and what arrives is compared with what was sent, to the byte. A
 * failure names the seed.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

enum { SEEDS = 4000, CONNECTIONS = 6, STEPS = 120, LARGEST = 3000 };

typedef struct world world;

typedef struct life {
    world *world;
    em_connection *connection; /* NULL after unbind */
    simulated_peer *peer;
    uint64_t fed;      /* by the peer, of its pattern */
    uint64_t received; /* of it, by us */
    uint64_t accepted; /* by em_connection_send, of our pattern */
    uint64_t arrived;  /* of it, at the peer */
    unsigned borrowed;
    unsigned returned;
    bool peer_ended;
    bool saw_end;
    bool gave_up;   /* by close or a timeout: bytes may be lost */
    bool aborted;   /* by the peer or a failure: bytes may be lost */
    bool closing;   /* close_after_writing was called: what arrives later is not received */
    bool finishing; /* that or close_write was called */
    bool pressed;
    unsigned begun, ended;
    em_status reason;
} life;

struct world {
    simulated_loop loop;
    uint64_t first_seed;
    uint64_t seed;
    life lives[CONNECTIONS];
    unsigned born;
    bool winding_up;
};

#define CHECK(life, condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            stop_test("seed %lu, connection %d: not true: %s", (unsigned long)(life)->world->first_seed,               \
                      (int)((life) - (life)->world->lives), #condition);                                               \
    } while (0)

static void act(life *acting);

static life *life_of(em_connection *connection)
{
    return em_connection_get_user(connection);
}

static void return_borrowed(void *user, const void *data)
{
    life *owner = user;
    union {
        const void *constant;
        void *memory;
    } borrowed = {.constant = data};
    owner->returned++;
    free(borrowed.memory);
}

static void send_some(life *own)
{
    size_t length = 1 + random_below(&own->world->seed, LARGEST);
    bool borrow = random_below(&own->world->seed, 2) == 0;
    unsigned char *data = malloc(length);
    if (!data)
        stop_test("no memory");
    pattern_fill(data, length, own->accepted);
    em_status status;
    if (borrow) {
        own->borrowed++;
        status = em_connection_send_borrowed(own->connection, data, length, return_borrowed, own);
    } else {
        status = em_connection_send(own->connection, data, length);
        free(data);
    }
    own->gave_up = own->gave_up || status == EM_OUTBOX_LIMIT;
    own->pressed = own->pressed || status == EM_UNDER_PRESSURE;
    CHECK(own, status >= 0 || status == EM_CLOSED || status == EM_OUTBOX_LIMIT);
    CHECK(own, status < 0 || !own->finishing);
    if (status >= 0)
        own->accepted += length;
}

static void act_on_connection(life *own)
{
    em_connection *connection = own->connection;
    switch (random_below(&own->world->seed, 40)) {
    case 0:
        own->gave_up = em_connection_close(connection) == EM_OK || own->gave_up;
        break;
    case 1:
        own->closing = em_connection_close_after_writing(connection) == EM_OK || own->closing;
        own->finishing = own->finishing || own->closing;
        break;
    case 2:
        own->finishing = em_connection_close_write(connection) == EM_OK || own->finishing;
        break;
    case 3:
    case 4:
    case 5:
        em_connection_pause(connection);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        em_connection_resume(connection);
        break;
    case 10:
        em_connection_set_water_marks(connection, random_below(&own->world->seed, 100), 100);
        own->pressed = own->pressed || em_connection_get_outbound_bytes(connection) > 100;
        break;
    case 11:
        em_connection_set_outbox_limit_bytes(connection, (size_t)200 * LARGEST);
        break;
    default:
        send_some(own);
    }
}

static void act_as_peer(life *own)
{
    unsigned char data[LARGEST];
    size_t length = 1 + random_below(&own->world->seed, LARGEST);
    switch (random_below(&own->world->seed, 30)) {
    case 0:
        simulated_end(own->peer);
        own->peer_ended = true;
        break;
    case 1:
        if (random_below(&own->world->seed, 4) == 0) {
            simulated_reset(own->peer);
            own->aborted = true;
        }
        break;
    case 2:
        if (random_below(&own->world->seed, 4) == 0) {
            simulated_fail_sending(own->peer, EM_BROKEN_PIPE);
            own->aborted = true;
        }
        break;
    case 3:
        simulated_set_window(own->peer, 1 + random_below(&own->world->seed, 4000));
        break;
    default:
        if (own->peer_ended || own->aborted)
            break;
        pattern_fill(data, length, own->fed);
        simulated_feed(own->peer, data, length);
        own->fed += length;
    }
}

static void take_as_peer(life *own)
{
    unsigned char data[LARGEST];
    size_t length;
    while ((length = simulated_take(own->peer, data, 1 + random_below(&own->world->seed, LARGEST))) > 0) {
        CHECK(own, pattern_matches(data, length, own->arrived));
        CHECK(own, !own->saw_end);
        own->arrived += length;
        if (!own->world->winding_up && random_below(&own->world->seed, 3) == 0)
            break;
    }
    own->saw_end = own->saw_end || simulated_saw_end(own->peer);
}

static void act(life *acting)
{
    if (acting->connection && random_below(&acting->world->seed, 2) == 0)
        act_on_connection(acting);
    if (acting->peer && random_below(&acting->world->seed, 2) == 0) {
        act_as_peer(acting);
        take_as_peer(acting);
    }
}

static void act_somewhere(world *w)
{
    if (!w->winding_up && random_below(&w->seed, 3) == 0)
        act(&w->lives[random_below(&w->seed, CONNECTIONS)]);
}

/* Connections are accepted in the order in which the peers connected, so this one belongs to the next life. */
static void post_init(em_connection *connection)
{
    world *w = em_loop_get_user(em_connection_get_loop(connection));
    life *own = &w->lives[w->born];
    if (em_connection_get_user(connection)) {
        own = life_of(connection);
    } else {
        w->born++;
        em_connection_set_user(connection, own);
    }
    CHECK(own, own->begun++ == 0);
    own->connection = connection;
    act_somewhere(w);
}

static void connection_completed(em_connection *connection)
{
    act_somewhere(life_of(connection)->world);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    life *own = life_of(connection);
    CHECK(own, length > 0 && own->ended == 0);
    CHECK(own, pattern_matches(data, length, own->received));
    CHECK(own, !em_connection_is_paused(connection));
    own->received += length;
    CHECK(own, own->received <= own->fed);
    act_somewhere(own->world);
}

static void receive_end(em_connection *connection)
{
    life *own = life_of(connection);
    CHECK(own, own->peer_ended && own->received == own->fed);
    act_somewhere(own->world);
}

static void drained(em_connection *connection)
{
    life *own = life_of(connection);
    CHECK(own, own->pressed);
    own->pressed = false;
    act_somewhere(own->world);
}

static void unbind(em_connection *connection, em_status reason)
{
    life *own = life_of(connection);
    CHECK(own, own->begun == 1 && own->ended++ == 0);
    CHECK(own, reason == EM_OK || own->gave_up || own->aborted);
    own->reason = reason;
    own->connection = NULL;
    act_somewhere(own->world);
}

static const em_handler with_end = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .unbind = unbind,
};

static const em_handler without_end = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .drained = drained,
    .unbind = unbind,
};

static void begin_lives(world *w)
{
    em_server *servers[2];
    static const em_handler *const handlers[] = {&with_end, &without_end};
    for (unsigned i = 0; i < CONNECTIONS; i++)
        w->lives[i].world = w;
    em_loop_set_user(w->loop.loop, w);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(em_loop_start_server(w->loop.loop, "127.0.0.1", 0, handlers[i], NULL, &servers[i]), EM_OK);
    for (unsigned i = 0; i < CONNECTIONS / 2; i++) {
        unsigned server = (unsigned)random_below(&w->seed, 2);
        w->lives[i].peer = simulated_connect(w->loop.backend, em_server_get_descriptor(servers[server]));
        for (unsigned before = w->born; w->born == before;)
            run_for(&w->loop, 100000);
    }
    for (unsigned i = CONNECTIONS / 2; i < CONNECTIONS; i++) {
        em_connect_options options = {.size = sizeof options, .user = &w->lives[i]};
        assert_int_equal(em_loop_connect(w->loop.loop, "192.0.2.1", 80, handlers[i % 2], &options, NULL), EM_OK);
        w->lives[i].peer = simulated_take_connect(w->loop.backend);
        CHECK(&w->lives[i], w->lives[i].peer != NULL || w->lives[i].gave_up);
        if (w->lives[i].peer)
            simulated_accept_connect(w->lives[i].peer);
    }
    for (unsigned i = 0; i < 2; i++)
        em_server_stop(servers[i]);
}

/* Lets everything that is under way come to its end. */
static void wind_up(world *w)
{
    w->winding_up = true;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        life *own = &w->lives[i];
        if (own->peer)
            simulated_set_window(own->peer, 100000);
        if (own->connection)
            em_connection_resume(own->connection);
        if (own->connection && em_connection_close_write(own->connection) == EM_OK)
            own->finishing = true;
        if (own->peer && !own->peer_ended)
            simulated_end(own->peer);
        own->peer_ended = true;
    }
    for (unsigned round = 0; round < 300; round++) {
        run_for(&w->loop, 20000);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            if (w->lives[i].peer)
                take_as_peer(&w->lives[i]);
    }
}

static unsigned complete_lives;

static void check_life(life *own)
{
    CHECK(own, own->begun == 1 && own->ended == 1);
    CHECK(own, own->borrowed == own->returned);
    CHECK(own, own->arrived <= own->accepted);
    if (own->gave_up || own->aborted)
        return;
    CHECK(own, own->reason == EM_OK);
    CHECK(own, own->arrived == own->accepted);
    CHECK(own, own->saw_end);
    CHECK(own, own->received == own->fed || own->closing);
    complete_lives++;
}

static void run_seed(uint64_t seed)
{
    static world w;
    memset(&w, 0, sizeof w);
    w.first_seed = w.seed = seed;
    /* Every seventh world is without mischief below. */
    simulated_options simulated = {.seed = seed % 7 ? seed : 0, .window_bytes = seed % 3 ? 2000 : 0};
    simulated_loop_open(&w.loop, &simulated, NULL);
    begin_lives(&w);
    for (unsigned step = 0; step < STEPS; step++) {
        act(&w.lives[random_below(&w.seed, CONNECTIONS)]);
        run_for(&w.loop, random_below(&w.seed, 100000));
    }
    if (seed % 5)
        wind_up(&w);
    simulated_loop_close(&w.loop);
    for (unsigned i = 0; i < CONNECTIONS && seed % 5; i++)
        check_life(&w.lives[i]);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        CHECK(&w.lives[i], w.lives[i].ended == 1 && w.lives[i].borrowed == w.lives[i].returned);
}

static void whatever_both_sides_do_every_byte_arrives_in_order_and_every_life_ends_once(void **state)
{
    (void)state;
    deadline_start(110);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
    assert_true(complete_lives > SEEDS);
    deadline_stop();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_both_sides_do_every_byte_arrives_in_order_and_every_life_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
