/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Many clients are ready at once and callbacks take long: timers are not kept waiting by all of them together, and what
 * comes meanwhile is treated alike on all backends. And what is sent in one turn leaves in the order in which it was
 * asked for.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MOST_CLIENTS = 64, FEW_CLIENTS = 6, SLOW_MILLISECONDS = 12, ARRIVING_MILLISECONDS = 5000 };

/* A few callbacks: one that was under way, and those that begin before the clock is looked at. */
enum { MOST_BETWEEN_TIMERS = 4 };

typedef struct guest {
    em_connection *connection;
    int client; /* the other side */
    unsigned pieces;
    size_t bytes;
} guest;

static struct {
    guest guests[MOST_CLIENTS];
    unsigned count;
    unsigned calls;
    unsigned since_timer;
    unsigned most_between_timers;
    unsigned slow_milliseconds;
    unsigned order[MOST_CLIENTS]; /* of `drained` */
    unsigned drained;
} scene;

static guest *guest_of(const em_connection *connection)
{
    for (unsigned i = 0; i < scene.count; i++) {
        if (scene.guests[i].connection == connection)
            return &scene.guests[i];
    }
    fail_msg("a connection that nobody knows");
    return NULL;
}

static void enter(em_connection *connection)
{
    scene.guests[scene.count++].connection = connection;
}

static void connect_all(em_loop *loop, const em_handler *handler, unsigned count)
{
    int port = system_serve(loop, handler, NULL);
    memset(&scene, 0, sizeof scene);
    for (unsigned i = 0; i < count; i++) {
        scene.guests[i].client = system_connect(port);
        while (scene.count <= i)
            system_turn(loop);
    }
}

static void disconnect_all(void)
{
    for (unsigned i = 0; i < scene.count; i++)
        close(scene.guests[i].client);
}

/* So much is there to be read by the loop. */
static void await_input(const guest *waiting, int bytes)
{
    int there = 0;
    uint64_t end_ns = system_now_ns() + ARRIVING_MILLISECONDS * EM_MILLISECONDS;
    while (there < bytes && system_now_ns() < end_ns)
        assert_return_code(ioctl(em_connection_get_descriptor(waiting->connection), FIONREAD, &there), errno);
    assert_int_equal(there, bytes);
}

static void all_say(const char *text)
{
    for (unsigned i = 0; i < scene.count; i++)
        system_write(scene.guests[i].client, text, strlen(text));
    for (unsigned i = 0; i < scene.count; i++)
        await_input(&scene.guests[i], (int)strlen(text));
}

static void work_for(unsigned milliseconds)
{
    uint64_t end_ns = system_now_ns() + milliseconds * EM_MILLISECONDS;
    while (system_now_ns() < end_ns)
        poll(NULL, 0, 1);
}

static void work(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    (void)data;
    (void)length;
    work_for(SLOW_MILLISECONDS);
    scene.calls++;
    if (++scene.since_timer > scene.most_between_timers)
        scene.most_between_timers = scene.since_timer;
}

static void note_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    (void)user;
    scene.since_timer = 0;
}

static void a_timer_fires_after_a_few_slow_callbacks_however_many_clients_are_ready(void **state)
{
    static const em_handler handler = {.post_init = enter, .receive_data = work};
    connect_all(*state, &handler, MOST_CLIENTS);
    all_say("x");
    assert_int_equal(em_loop_add_periodic_timer(*state, EM_MILLISECONDS, note_timer, NULL, NULL, NULL), EM_OK);
    while (scene.calls < MOST_CLIENTS)
        system_turn(*state);
    assert_in_range(scene.most_between_timers, 1, MOST_BETWEEN_TIMERS);
    disconnect_all();
}

static void note_piece(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    guest *speaker = guest_of(connection);
    speaker->pieces++;
    speaker->bytes += length;
    if (scene.calls++ > 0)
        return;
    for (unsigned i = 0; i < scene.count; i++) {
        if (&scene.guests[i] != speaker)
            system_write(scene.guests[i].client, "world", 5);
    }
    work_for(scene.slow_milliseconds);
}

/* The first one's callback lasts so long, and the others' peers go on speaking. */
static void speak_during_a_callback(em_loop *loop, unsigned slow_milliseconds)
{
    static const em_handler handler = {.post_init = enter, .receive_data = note_piece};
    connect_all(loop, &handler, FEW_CLIENTS);
    scene.slow_milliseconds = slow_milliseconds;
    all_say("hello");
    while (scene.calls < FEW_CLIENTS)
        system_turn(loop);
    unsigned with_all = 0;
    for (unsigned i = 0; i < FEW_CLIENTS; i++) {
        assert_int_equal(scene.guests[i].pieces, 1);
        with_all += scene.guests[i].bytes == strlen("helloworld");
    }
    assert_int_equal(with_all, FEW_CLIENTS - 1);
    disconnect_all();
}

static void what_comes_during_anothers_slow_callback_is_one_piece_with_what_was_there(void **state)
{
    static const unsigned durations[] = {3, 30}; /* milliseconds; within a dispatch, and beyond its end */
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
        speak_during_a_callback(*state, durations[i]);
}

static void note_drained(em_connection *connection)
{
    scene.order[scene.drained++] = (unsigned)(guest_of(connection) - scene.guests);
}

static void send_to_all(em_loop *loop, void *user)
{
    static const char much[3000];
    (void)loop;
    (void)user;
    for (unsigned i = 0; i < scene.count; i++)
        assert_int_equal(em_connection_send(scene.guests[i].connection, much, i % 3 == 1 ? sizeof much : 100),
                         EM_UNDER_PRESSURE);
}

static void what_is_sent_in_one_turn_is_drained_in_the_order_of_sending_whatever_its_size(void **state)
{
    static const em_handler handler = {.post_init = enter, .drained = note_drained};
    connect_all(*state, &handler, FEW_CLIENTS);
    for (unsigned i = 0; i < FEW_CLIENTS; i++)
        assert_int_equal(em_connection_set_water_marks(scene.guests[i].connection, 1, 10), EM_OK);
    assert_int_equal(em_loop_next_tick(*state, send_to_all, NULL, NULL), EM_OK);
    while (scene.drained < FEW_CLIENTS)
        system_turn(*state);
    for (unsigned i = 0; i < FEW_CLIENTS; i++)
        assert_int_equal(scene.order[i], i);
    disconnect_all();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_timer_fires_after_a_few_slow_callbacks_however_many_clients_are_ready),
        SYSTEM_TEST(what_comes_during_anothers_slow_callback_is_one_piece_with_what_was_there),
        SYSTEM_TEST(what_is_sent_in_one_turn_is_drained_in_the_order_of_sending_whatever_its_size),
    };
    return SYSTEM_RUN(tests);
}
