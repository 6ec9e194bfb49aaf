/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Installing a filter in a connection, over the simulated backend: when that is possible, and which bytes it gets.
 */
#include "support/filtered.h"

#include <string.h>

enum { HANDSHAKE = 10 };

static const test_filter_options shaking = {.handshake_bytes = HANDSHAKE};

static void expect_handshake(filtered *own)
{
    char got[HANDSHAKE + 1] = "";
    assert_int_equal(simulated_take(own->peer, got, HANDSHAKE), HANDSHAKE);
    assert_string_equal(got, "hhhhhhhhhh");
}

static filtered *to_put_up;

static void put_up_now(recorder *told)
{
    told->on_data = NULL;
    told->on_completed = NULL;
    told->on_init = NULL;
    filtered_install(to_put_up, &shaking, 0);
}

static void begin(filtered *own, simulated_loop *fixture)
{
    memset(own, 0, sizeof *own);
    recorder_init(&own->told, fixture);
    to_put_up = own;
}

static void answer_and_put_up(recorder *told)
{
    em_connection_send_text(told->connection, "220 go ahead\n");
    put_up_now(told);
    em_connection_send_text(told->connection, "secret");
}

static void data_sent_before_the_filter_leaves_first_and_unfiltered(void **state)
{
    char got[64] = "";
    filtered own;
    begin(&own, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    own.told.on_data = answer_and_put_up;
    feed_text(own.peer, "STARTTLS\n");
    run_turns(*state, 3);
    simulated_take(own.peer, got, sizeof got - 1);
    assert_string_equal(got, "220 go ahead\nhhhhhhhhhh");
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 3);
    filtered_expect_sent(&own, "secret");
    filtered_expect_received(&own, "STARTTLS\n");
    filtered_free(&own);
}

static void data_after_the_current_receive_data_goes_to_the_filter(void **state)
{
    filtered own;
    begin(&own, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    own.told.on_data = put_up_now;
    feed_text(own.peer, "STARTTLS\nnot protected");
    run_turns(*state, 1);
    filtered_feed_handshake(&own, HANDSHAKE);
    filtered_feed(&own, ", protected");
    run_turns(*state, 3);
    filtered_expect_received(&own, "STARTTLS\nnot protected, protected");
    expect_events(&own.told, "IDHD");
    filtered_free(&own);
}

static void a_filter_installed_in_post_init_gets_every_byte(void **state)
{
    filtered own;
    begin(&own, *state);
    own.told.on_init = put_up_now;
    own.peer = open_accepted(&own.told, &recording, NULL);
    run_turns(*state, 2);
    expect_handshake(&own);
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 2);
    expect_events(&own.told, "IH");
    filtered_free(&own);
}

static void a_filter_installed_while_connecting_starts_when_connected(void **state)
{
    filtered own;
    begin(&own, *state);
    own.told.on_init = put_up_now;
    assert_int_equal(begin_connecting(&own.told, NULL), EM_OK);
    em_connection_send_text(own.told.connection, "queued");
    own.peer = simulated_take_connect(own.told.fixture->backend);
    run_for(*state, 15 * EM_SECONDS); /* longer than a handshake may take */
    assert_int_equal(own.record.opens, 0);
    simulated_accept_connect(own.peer);
    run_turns(*state, 3);
    expect_handshake(&own);
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 3);
    expect_events(&own.told, "ICH");
    filtered_expect_sent(&own, "queued");
    filtered_free(&own);
}

static void a_filter_installed_when_connected_starts_at_once(void **state)
{
    filtered own;
    begin(&own, *state);
    own.told.on_completed = put_up_now;
    own.peer = open_connected(&own.told, NULL);
    run_turns(*state, 2);
    expect_handshake(&own);
    filtered_free(&own);
}

static void a_refused_connection_destroys_its_filter(void **state)
{
    filtered own;
    begin(&own, *state);
    own.told.on_init = put_up_now;
    assert_int_equal(begin_connecting(&own.told, NULL), EM_OK);
    own.peer = simulated_take_connect(own.told.fixture->backend);
    simulated_refuse_connect(own.peer, EM_CONNECTION_REFUSED);
    run_turns(*state, 3);
    expect_events(&own.told, "IU");
    assert_int_equal(own.record.opens, 0);
    filtered_free(&own);
}

static void a_second_filter_and_one_after_an_end_are_refused(void **state)
{
    filtered own;
    recorder other;
    test_filter_record record = {.opens = 0};
    test_filter *filter = test_filter_create(&shaking, &record);
    filtered_open(&own, *state, NULL, NULL);
    assert_int_equal(emi_gate_open(own.told.connection, &filter->filter, 0), EM_INVALID_STATE);
    recorder_init(&other, *state);
    simulated_peer *peer = open_accepted(&other, &recording, NULL);
    simulated_end(peer);
    run_turns(*state, 2);
    assert_int_equal(emi_gate_open(other.connection, &filter->filter, 0), EM_INVALID_STATE);
    em_connection_close(other.connection);
    assert_int_equal(emi_gate_open(other.connection, &filter->filter, 0), EM_CLOSED);
    assert_int_equal(emi_gate_open(NULL, &filter->filter, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(record.opens + record.destroyed, 0);
    filter->filter.operations->destroy(&filter->filter);
    recorder_free(&other);
    filtered_free(&own);
}

static void *refuse_room(em_connection *connection, size_t *capacity)
{
    (void)connection;
    (void)capacity;
    fail();
    return NULL;
}

static void changing_the_handler_keeps_the_filter(void **state)
{
    filtered own;
    em_handler greedy = recording;
    greedy.receive_buffer = refuse_room;
    filtered_open(&own, *state, NULL, NULL);
    assert_int_equal(em_connection_set_handler(own.told.connection, &greedy), EM_OK);
    for (unsigned i = 0; i < 4; i++)
        filtered_feed_run(&own, 'x', 20000);
    run_turns(*state, 10);
    assert_int_equal(bytes_length(&own.told.received), 80000);
    assert_int_equal(em_connection_set_handler(own.told.connection, &recording), EM_OK);
    filtered_free(&own);
}

static void a_large_queue_leaves_before_the_filters_first_byte(void **state)
{
    enum { LARGE_BYTES = 400000 };
    static char large[LARGE_BYTES];
    filtered own;
    begin(&own, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    assert_int_equal(em_connection_send(own.told.connection, large, LARGE_BYTES), EM_OK);
    put_up_now(&own.told);
    size_t taken = 0;
    for (unsigned i = 0; i < 20; i++) {
        taken += simulated_take(own.peer, NULL, LARGE_BYTES - taken);
        run_turns(*state, 1);
    }
    assert_int_equal(taken, LARGE_BYTES);
    expect_handshake(&own);
    filtered_free(&own);
}

/* As a callback of a TLS library may. */
static void put_up_transparent(void *user, const void *data)
{
    const test_filter_options transparent = {.is_transparent = true};
    (void)data;
    filtered_install(user, &transparent, 0);
}

/* The system accepts all pieces at once, and the first one is given back before the others. */
static void a_filter_may_be_installed_while_what_was_sent_is_given_back(void **state)
{
    filtered own;
    begin(&own, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    em_connection_send_borrowed(own.told.connection, "abc", 3, put_up_transparent, &own);
    em_connection_send_borrowed(own.told.connection, "def", 3, NULL, NULL);
    em_connection_send_text(own.told.connection, "ghi");
    run_turns(*state, 2);
    em_connection_send_text(own.told.connection, "jkl");
    run_turns(*state, 2);
    expect_sent(own.peer, "abcdefghijkl");
    assert_int_equal(em_connection_get_outbound_bytes(own.told.connection), 0);
    filtered_free(&own);
}

static void close_within(void *user)
{
    assert_int_equal(em_connection_close(((recorder *)user)->connection), EM_OK);
}

static void close_after_writing_within(void *user)
{
    em_connection *connection = ((recorder *)user)->connection;
    em_connection_send_text(connection, "last");
    assert_int_equal(em_connection_close_after_writing(connection), EM_OK);
}

static void pause_within(void *user)
{
    assert_int_equal(em_connection_pause(((recorder *)user)->connection), EM_OK);
}

static void put_up_another_within(void *user)
{
    test_filter *another = test_filter_create(&shaking, NULL);
    assert_int_equal(emi_gate_open(((recorder *)user)->connection, &another->filter, 0), EM_INVALID_STATE);
    another->filter.operations->destroy(&another->filter);
}

static void a_filters_callback_may_use_its_connection(void **state)
{
    void (*const moves[])(void *user) = {close_within, close_after_writing_within, pause_within, put_up_another_within};
    for (unsigned i = 0; i < 2 * COUNT(moves); i++) {
        filtered own;
        const test_filter_options options = {.handshake_bytes = i < COUNT(moves) ? HANDSHAKE : 0};
        filtered_open(&own, *state, &options, NULL);
        own.filter->on_open = moves[i % COUNT(moves)];
        own.filter->user = &own.told;
        filtered_feed_handshake(&own, options.handshake_bytes);
        filtered_feed(&own, "hello");
        run_turns(*state, 5);
        assert_int_equal(own.told.unbinds, i % COUNT(moves) < 2);
        if (own.told.unbinds > 0)
            assert_int_equal(own.told.reason, EM_OK);
        filtered_free(&own);
    }
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(data_sent_before_the_filter_leaves_first_and_unfiltered),
        GATE_TEST(data_after_the_current_receive_data_goes_to_the_filter),
        GATE_TEST(a_filter_installed_in_post_init_gets_every_byte),
        GATE_TEST(a_filter_installed_while_connecting_starts_when_connected),
        GATE_TEST(a_filter_installed_when_connected_starts_at_once),
        GATE_TEST(a_refused_connection_destroys_its_filter),
        GATE_TEST(a_second_filter_and_one_after_an_end_are_refused),
        GATE_TEST(changing_the_handler_keeps_the_filter),
        GATE_TEST(a_large_queue_leaves_before_the_filters_first_byte),
        GATE_TEST(a_filter_may_be_installed_while_what_was_sent_is_given_back),
        GATE_TEST(a_filters_callback_may_use_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
