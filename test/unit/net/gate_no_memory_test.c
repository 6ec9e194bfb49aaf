/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Every allocation of a connection with a filter fails in turn: the connection continues intact or ends once with
 * EM_NO_MEMORY, the filter is destroyed once, and no memory leaks.
 */
#include "support/filtered.h"

#include <string.h>

enum { HANDSHAKE = 10, MOST_ALLOCATIONS = 100 };

static void pause_now(recorder *told)
{
    told->on_data = NULL;
    em_connection_pause(told->connection);
}

static bool put_up(filtered *own)
{
    const test_filter_options options = {.handshake_bytes = HANDSHAKE, .last_message = "alert"};
    own->filter = test_filter_create(&options, &own->record);
    em_status status = emi_gate_open(own->told.connection, &own->filter->filter, 0);
    if (status == EM_OK)
        return true;
    assert_int_equal(status, EM_NO_MEMORY);
    own->filter->filter.operations->destroy(&own->filter->filter);
    return false;
}

/* Everything that may need memory: a handshake, bytes that are held during a pause, a response, the end. */
static void live(filtered *own, simulated_loop *fixture)
{
    em_connection_send_text(own->told.connection, "sent before");
    if (!put_up(own))
        return;
    own->told.on_data = pause_now;
    filtered_feed_handshake(own, HANDSHAKE);
    filtered_feed(own, "first");
    filtered_feed(own, "second");
    run_turns(fixture, 3);
    em_connection_resume(own->told.connection);
    run_turns(fixture, 3);
    em_connection_send_text(own->told.connection, "answer");
    em_connection_close_after_writing(own->told.connection);
    run_turns(fixture, 5);
}

static void expect_a_good_end_or_none(const filtered *own, bool failed)
{
    assert_int_equal(own->record.destroyed, 1);
    assert_true(own->told.unbinds == 1 || failed);
    if (own->told.unbinds > 0)
        assert_true(own->told.reason == EM_OK || (failed && own->told.reason == EM_NO_MEMORY));
}

/* Returns whether there were fewer allocations than n. */
static bool fail_nth(unsigned long n, em_switch all_later_ones)
{
    simulated_loop fixture;
    filtered own;
    memset(&own, 0, sizeof own);
    simulated_loop_open(&fixture, NULL, NULL);
    recorder_init(&own.told, &fixture);
    own.peer = open_accepted(&own.told, &recording, NULL);
    failing_allocator_fail(&fixture.allocator, n, all_later_ones);
    live(&own, &fixture);
    bool failed = atomic_load(&fixture.allocator.failures) > 0;
    failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
    if (!failed)
        assert_true(bytes_equal_text(&own.told.received, "firstsecond"));
    filtered_free(&own);
    expect_a_good_end_or_none(&own, failed);
    simulated_loop_close(&fixture);
    return !failed;
}

static void a_filter_survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    deadline_start(60);
    for (unsigned later = EM_ON; later <= EM_OFF; later++) {
        unsigned long n = 1;
        while (!fail_nth(n, (em_switch)later))
            assert_true(++n < MOST_ALLOCATIONS);
        assert_true(n > 5);
    }
    deadline_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_survives_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
