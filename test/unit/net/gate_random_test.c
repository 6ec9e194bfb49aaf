/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Random tests by seed: the program and the peer of a connection with a filter do anything in any order, over a
 * simulated backend that splits and delays bytes. Bytes arrive in order, the filter's end comes only after the last of
 * them, and every connection ends once.
 */
#include "support/filtered.h"

#include <string.h>

enum { SEEDS = 2000, ACTIONS = 60, MOST_BYTES = 3000, HANDSHAKE = 7 };

typedef struct game {
    filtered own;
    uint64_t number; /* the seed of this run */
    uint64_t seed;
    size_t handshake_left;  /* that the peer has to send … */
    size_t handshake_heard; /* … and has read */
    uint64_t fed;           /* plain bytes: by the peer */
    uint64_t sent;          /* by the program, that were accepted */
    uint64_t received;      /* by the program */
    uint64_t read;          /* by the peer */
    bool wire_ended;
} game;

#define GAME_CHECK(played, condition)                                                                                  \
    ((condition) ? (void)0 : stop_test("seed %lu: not true: %s", (unsigned long)(played)->number, #condition))

static bool is_one_in(game *played, unsigned chances)
{
    return random_below(&played->seed, chances) == 0;
}

static size_t some_bytes(game *played, unsigned char *bytes, uint64_t offset)
{
    size_t length = 1 + (size_t)random_below(&played->seed, MOST_BYTES);
    pattern_fill(bytes, length, offset);
    return length;
}

/* The peer */

static void feed_record(game *played)
{
    unsigned char bytes[MOST_BYTES];
    byte_buffer wire = {.data = NULL};
    size_t length = some_bytes(played, bytes, played->fed);
    test_filter_write(&wire, bytes, length);
    simulated_feed(played->own.peer, bytes_at(&wire), bytes_length(&wire));
    bytes_free(&wire);
    played->fed += length;
}

static void move_peer(game *played)
{
    if (played->wire_ended)
        return;
    if (played->handshake_left > 0) {
        filtered_feed_handshake(&played->own, 1);
        played->handshake_left--;
    } else if (is_one_in(played, 20)) {
        filtered_feed_end(&played->own);
        played->wire_ended = true; /* what follows would be dropped */
    } else {
        feed_record(played);
    }
    if (is_one_in(played, 50)) {
        is_one_in(played, 2) ? simulated_end(played->own.peer) : simulated_reset(played->own.peer);
        played->wire_ended = true;
    }
}

static void hear(game *played)
{
    filtered *own = &played->own;
    unsigned char piece[4096];
    size_t most = 1 + (size_t)random_below(&played->seed, sizeof piece);
    bytes_append(&own->wire, piece, simulated_take(own->peer, piece, most));
    for (; played->handshake_heard < HANDSHAKE && bytes_length(&own->wire) > 0; played->handshake_heard++) {
        GAME_CHECK(played, *bytes_at(&own->wire) == TEST_FILTER_HANDSHAKE_BYTE);
        bytes_take(&own->wire, NULL, 1);
    }
    if (played->handshake_heard == HANDSHAKE)
        test_filter_read(&own->wire, &own->plain, &own->peer_saw_end);
    GAME_CHECK(played, pattern_matches(bytes_at(&own->plain), bytes_length(&own->plain), played->read));
    played->read += bytes_take(&own->plain, NULL, SIZE_MAX);
    GAME_CHECK(played, played->read <= played->sent);
    GAME_CHECK(played, !own->peer_saw_end || played->read == played->sent);
}

/* The program */

static void check_received(game *played)
{
    byte_buffer *received = &played->own.told.received;
    GAME_CHECK(played, pattern_matches(bytes_at(received), bytes_length(received), played->received));
    played->received += bytes_take(received, NULL, SIZE_MAX);
    GAME_CHECK(played, played->received <= played->fed);
}

static void send_some(game *played)
{
    unsigned char bytes[MOST_BYTES];
    size_t length = some_bytes(played, bytes, played->sent);
    if (em_connection_send(played->own.told.connection, bytes, length) >= 0)
        played->sent += length;
}

static void end_somehow(game *played)
{
    em_status (*const ends[])(em_connection *) = {em_connection_close, em_connection_close_after_writing,
                                                  em_connection_close_in_background, em_connection_close_write};
    ends[random_below(&played->seed, COUNT(ends))](played->own.told.connection);
}

static void move(game *played)
{
    em_connection *connection = played->own.told.connection;
    if (!connection)
        return;
    switch (random_below(&played->seed, 8)) {
    case 0:
        em_connection_pause(connection);
        break;
    case 1:
        em_connection_pause_receiving(connection);
        break;
    case 2:
        em_connection_resume(connection);
        break;
    case 3:
        em_connection_resume_receiving(connection);
        break;
    case 4:
        if (is_one_in(played, 8))
            end_somehow(played);
        break;
    default:
        send_some(played);
    }
}

static void move_within(recorder *told)
{
    game *playing = told->user;
    if (is_one_in(playing, 4))
        move(playing);
}

static void expect_a_proper_end(game *played)
{
    const recorder *told = &played->own.told;
    GAME_CHECK(played, told->unbinds == 1);
    GAME_CHECK(played, told->reason == EM_OK || told->reason == EM_CONNECTION_RESET || told->reason == EM_BROKEN_PIPE ||
                           told->reason == EM_CONNECTION_ABORTED || told->reason == EM_PROTOCOL_ERROR ||
                           told->reason == EM_TLS_HANDSHAKE_TIMEOUT || told->reason == EM_WRITE_TIMEOUT);
}

static void begin(game *played, simulated_loop *fixture, uint64_t number)
{
    memset(played, 0, sizeof *played);
    played->number = played->seed = number;
    const simulated_options simulated = {.seed = number, .window_bytes = 1 + (size_t)random_below(&played->seed, 5000)};
    const test_filter_options options = {.handshake_bytes = HANDSHAKE,
                                         .answers = is_one_in(played, 2),
                                         .stalls = is_one_in(played, 4),
                                         .plain_bytes = MOST_BYTES,
                                         .piece_bytes = MOST_BYTES,
                                         .seed = number};
    played->handshake_left = HANDSHAKE;
    simulated_loop_open(fixture, &simulated, NULL);
    recorder_init(&played->own.told, fixture);
    played->own.peer = open_accepted(&played->own.told, &recording, NULL);
    played->own.told.user = played;
    played->own.told.on_data = played->own.told.on_end = played->own.told.on_handshake = move_within;
    filtered_install(&played->own, &options, 0);
}

/* Counted over all runs, to check that everything has happened. */
static struct {
    unsigned handshakes, ends, good_ends, failures;
    uint64_t received, read;
} totals;

static void add_up(const game *played)
{
    totals.handshakes += strchr(played->own.told.events, 'H') != NULL;
    totals.ends += played->own.peer_saw_end;
    totals.good_ends += played->own.told.reason == EM_OK;
    totals.failures += played->own.told.reason == EM_PROTOCOL_ERROR;
    totals.received += played->received;
    totals.read += played->read;
}

static void bring_to_an_end(game *played, simulated_loop *fixture)
{
    for (unsigned i = 0; i < 200 && played->own.record.destroyed == 0; i++) {
        em_connection *connection = played->own.told.connection;
        if (i == 0)
            em_connection_resume(connection);
        if (i == 0)
            em_connection_resume_receiving(connection);
        if (i == 10)
            em_connection_close_after_writing(connection);
        if (i == 100)
            em_connection_close(connection);
        hear(played);
        run_for(fixture, EM_SECONDS);
        check_received(played);
    }
}

static void play(uint64_t number)
{
    simulated_loop fixture;
    game played;
    begin(&played, &fixture, number);
    for (unsigned i = 0; i < ACTIONS; i++) {
        move(&played);
        move_peer(&played);
        if (is_one_in(&played, 400) && played.own.record.destroyed == 0)
            played.own.filter->open_failure = EM_PROTOCOL_ERROR;
        run_turns(&fixture, 1 + (unsigned)random_below(&played.seed, 3));
        check_received(&played);
        hear(&played);
    }
    bring_to_an_end(&played, &fixture);
    expect_a_proper_end(&played);
    add_up(&played);
    filtered_free(&played.own);
    simulated_loop_close(&fixture);
}

static void whatever_both_sides_do_bytes_arrive_in_order_and_the_end_behind_them(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= SEEDS; number++) {
        deadline_start(60);
        play(number);
    }
    deadline_stop();
    print_message("%u handshakes, %u ends seen, %u good ends, %u failures, %lu bytes received, %lu read\n",
                  totals.handshakes, totals.ends, totals.good_ends, totals.failures, (unsigned long)totals.received,
                  (unsigned long)totals.read);
    assert_true(totals.handshakes > SEEDS / 4 && totals.ends > SEEDS / 10 && totals.good_ends > SEEDS / 10);
    assert_true(totals.failures > SEEDS / 20 && totals.received / SEEDS > 1000 && totals.read / SEEDS > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_both_sides_do_bytes_arrive_in_order_and_the_end_behind_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
