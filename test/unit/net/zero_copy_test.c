/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending without a copy over the simulated backend: which bytes, on which connections, and when their owner has them back.
 */
#include <string.h>

#include "support/simulated_loop.h"

enum { PIECE_BYTES = 16 * 1024 };

static unsigned char pieces[3][PIECE_BYTES];
static unsigned releases;

static void release(void *user, const void *data)
{
    assert_ptr_equal(user, data);
    releases++;
}

static void borrow(em_connection *connection, unsigned number, size_t length)
{
    assert_true(em_send_borrowed(connection, pieces[number], length, release, pieces[number]) >= 0);
}

static simulated_peer *open_held(recorder *told, simulated_loop *fixture)
{
    recorder_init(told, fixture);
    simulated_peer *peer = open_accepted(told, &recording, NULL);
    simulated_set_window(peer, 1000000);
    simulated_hold(peer);
    releases = 0;
    return peer;
}

static void borrowed_bytes_are_released_when_they_are_let_go(void **state)
{
    recorder told;
    simulated_peer *peer = open_held(&told, *state);
    borrow(told.connection, 0, PIECE_BYTES);
    run_turns(*state, 2);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    assert_int_equal(simulated_waiting(peer), PIECE_BYTES);
    assert_int_equal(releases, 0);
    simulated_let_go(peer, PIECE_BYTES - 1, false);
    run_turns(*state, 2);
    assert_int_equal(releases, 0);
    simulated_let_go(peer, 1, false);
    run_turns(*state, 2);
    assert_int_equal(releases, 1);
    recorder_free(&told);
    assert_int_equal(releases, 1);
}

static void only_long_borrowed_pieces_are_held(void **state)
{
    recorder told;
    simulated_peer *peer = open_held(&told, *state);
    borrow(told.connection, 0, PIECE_BYTES - 1);
    assert_true(em_send(told.connection, pieces[1], PIECE_BYTES) >= 0);
    run_turns(*state, 3);
    assert_int_equal(simulated_held(peer), 0);
    assert_int_equal(releases, 1);
    recorder_free(&told);
}

/* A header and its body, as they leave together. */
static void what_leaves_together_with_a_long_piece_is_held_with_it(void **state)
{
    recorder told;
    simulated_peer *peer = open_held(&told, *state);
    assert_int_equal(em_send_text(told.connection, "header"), EM_OK);
    borrow(told.connection, 0, PIECE_BYTES);
    run_turns(*state, 2);
    assert_int_equal(simulated_held(peer), 6 + PIECE_BYTES);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(em_send_text(told.connection, "more"), EM_OK);
    run_turns(*state, 2);
    assert_int_equal(releases, 0);
    simulated_let_go(peer, 6 + PIECE_BYTES, false);
    run_turns(*state, 2);
    assert_int_equal(releases, 1);
    recorder_free(&told);
}

static void a_kernel_that_copies_all_the_same_is_not_asked_again(void **state)
{
    recorder told;
    simulated_peer *peer = open_held(&told, *state);
    borrow(told.connection, 0, PIECE_BYTES);
    run_turns(*state, 2);
    simulated_let_go(peer, PIECE_BYTES, true);
    run_turns(*state, 2);
    assert_int_equal(releases, 1);
    borrow(told.connection, 1, PIECE_BYTES);
    run_turns(*state, 2);
    assert_int_equal(simulated_held(peer), 0);
    assert_int_equal(releases, 2);
    recorder_free(&told);
}

static void whoever_turns_it_on_holds_in_any_case_and_off_in_none(void **state)
{
    simulated_loop *fixture = *state;
    for (em_switch wanted = EM_ON; wanted <= EM_OFF; wanted++) {
        em_loop_options options = {.size = sizeof options, .zero_copy = wanted};
        simulated_loop_close(fixture);
        simulated_loop_open(fixture, NULL, &options);
        recorder told;
        simulated_peer *peer = open_held(&told, fixture);
        for (unsigned i = 0; i < 3; i++) {
            borrow(told.connection, i, PIECE_BYTES);
            run_turns(fixture, 2);
            assert_int_equal(simulated_held(peer), wanted == EM_ON ? PIECE_BYTES : 0);
            simulated_let_go(peer, PIECE_BYTES, true);
            run_turns(fixture, 2);
            assert_int_equal(releases, i + 1);
        }
        recorder_free(&told);
    }
}

static void bytes_held_come_back_once_however_the_connection_ends(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned way = 0; way < 3; way++) {
        recorder told;
        simulated_peer *peer = open_held(&told, fixture);
        for (unsigned i = 0; i < 3; i++)
            borrow(told.connection, i, PIECE_BYTES);
        run_turns(fixture, 3);
        simulated_let_go(peer, PIECE_BYTES, false);
        run_turns(fixture, 2);
        if (way == 0)
            em_close(told.connection);
        else if (way == 1)
            simulated_reset(peer);
        else
            simulated_loop_close(fixture);
        if (way < 2)
            run_turns(fixture, 5);
        assert_int_equal(told.unbinds, 1);
        assert_int_equal(releases, 3);
        recorder_free(&told);
    }
    simulated_loop_open(fixture, NULL, NULL);
}

static void an_option_out_of_range_is_refused(void **state)
{
    (void)state;
    em_loop *loop;
    em_loop_options options = {.size = sizeof options, .zero_copy = (em_switch)3};
    assert_int_equal(em_loop_create(&options, &loop), EM_INVALID_ARGUMENT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(borrowed_bytes_are_released_when_they_are_let_go, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(only_long_borrowed_pieces_are_held, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(what_leaves_together_with_a_long_piece_is_held_with_it, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test_setup_teardown(a_kernel_that_copies_all_the_same_is_not_asked_again, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test_setup_teardown(whoever_turns_it_on_holds_in_any_case_and_off_in_none, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test_setup_teardown(bytes_held_come_back_once_however_the_connection_ends, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test(an_option_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
