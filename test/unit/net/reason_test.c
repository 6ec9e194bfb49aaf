/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The detail of unbind's reason, over the simulated backend: each way in which a connection ends.
 */
#include "support/simulated_loop.h"

#include <errno.h>
#include <string.h>

static em_reason found;
static char found_text[256];

static void ask(recorder *told)
{
    found = (em_reason){.size = sizeof found};
    assert_int_equal(em_connection_get_reason(told->connection, &found), EM_OK);
    assert_true(strlen(found.text) < sizeof found_text);
    strcpy(found_text, found.text);
}

static void begin(recorder *told, simulated_loop *fixture)
{
    recorder_init(told, fixture);
    told->on_unbind = ask;
}

static void expect_end(recorder *told, em_status status, int system_error, const char *text)
{
    while (told->unbinds == 0)
        run_for(told->fixture, EM_SECONDS);
    assert_int_equal(told->reason, status);
    assert_int_equal(found.status, status);
    assert_int_equal(found.system_error, system_error);
    assert_string_equal(found_text, text);
    recorder_free(told);
}

static void a_refusal_names_the_address_and_the_error_number(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    expect_end(&told, EM_CONNECTION_REFUSED, ECONNREFUSED, "connect to 192.0.2.1:80: Connection refused");
}

static void a_connect_timeout_names_the_address(void **state)
{
    recorder told;
    begin(&told, *state);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    expect_end(&told, EM_CONNECT_TIMEOUT, 0, "connect to 192.0.2.1:80: timed out while connecting");
}

static void closing_while_connecting_says_so(void **state)
{
    recorder told;
    begin(&told, *state);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    expect_end(&told, EM_OK, 0, "connect to 192.0.2.1:80: closed at this end");
}

static void an_established_connection_is_named_by_its_peer(void **state)
{
    recorder told;
    begin(&told, *state);
    open_connected(&told, NULL);
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    expect_end(&told, EM_OK, 0, "connection with 192.0.2.1:80: closed at this end");
}

static void the_peers_end_says_who_closed(void **state)
{
    recorder told;
    begin(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording_without_end, NULL);
    simulated_end(peer);
    expect_end(&told, EM_OK, 0, "connection with 192.0.2.1:1025: closed by the peer");
}

static void a_reset_has_the_systems_error_number_and_words(void **state)
{
    recorder told;
    begin(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_reset(peer);
    expect_end(&told, EM_CONNECTION_RESET, ECONNRESET, "connection with 192.0.2.1:1025: Connection reset by peer");
}

static void timeouts_and_limits_have_no_error_number(void **state)
{
    static const struct {
        em_stream_options options;
        em_status reason;
        const char *text;
    } ends[] = {
        {{.inactivity_timeout_ns = EM_SECONDS},
         EM_INACTIVITY_TIMEOUT,
         "connection with 192.0.2.1:1025: timed out because of inactivity"},
        {{.write_timeout_ns = EM_SECONDS},
         EM_WRITE_TIMEOUT,
         "connection with 192.0.2.1:1025: timed out because the peer does not receive"},
        {{.outbox_limit_bytes = 3},
         EM_OUTBOX_LIMIT,
         "connection with 192.0.2.1:1025: the data waiting to be sent exceeds its limit"},
    };
    for (size_t i = 0; i < COUNT(ends); i++) {
        em_stream_options options = ends[i].options;
        recorder told;
        begin(&told, *state);
        options.size = sizeof options;
        simulated_peer *peer = open_accepted(&told, &recording, &options);
        simulated_set_window(peer, 1);
        em_connection_send_text(told.connection, "more than goes");
        expect_end(&told, ends[i].reason, 0, ends[i].text);
    }
}

static void a_peer_that_does_not_take_the_rest_is_a_write_timeout(void **state)
{
    recorder told;
    begin(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 1);
    em_connection_send_text(told.connection, "rest");
    em_connection_close_after_writing(told.connection);
    expect_end(&told, EM_WRITE_TIMEOUT, 0,
               "connection with 192.0.2.1:1025: timed out because the peer does not receive");
}

static void the_detail_is_there_before_unbind_but_not_before_the_end(void **state)
{
    em_reason reason = {.size = sizeof reason};
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_get_reason(told.connection, &reason), EM_INVALID_STATE);
    em_connection_close(told.connection);
    assert_int_equal(em_connection_get_reason(told.connection, &reason), EM_OK);
    assert_int_equal(reason.status, EM_OK);
    const char *text = reason.text;
    assert_int_equal(em_connection_get_reason(told.connection, &reason), EM_OK);
    assert_ptr_equal(reason.text, text);
    recorder_free(&told);
}

static void the_struct_may_be_shorter_or_longer_than_ours(void **state)
{
    struct {
        em_reason reason;
        char later[8];
    } longer = {.reason = {.size = sizeof longer}, .later = "unknown"};
    em_reason shorter = {.size = offsetof(em_reason, text), .text = "untouched"};
    em_reason none = {.size = 0};
    em_reason unknown = {.size = SIZE_MAX}; /* as if it had not been initialized */
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    em_connection_close(told.connection);
    assert_int_equal(em_connection_get_reason(told.connection, &longer.reason), EM_OK);
    assert_non_null(longer.reason.text);
    assert_int_equal(longer.later[0], '\0');
    assert_int_equal(longer.reason.size, sizeof longer);
    assert_int_equal(em_connection_get_reason(told.connection, &shorter), EM_OK);
    assert_string_equal(shorter.text, "untouched");
    assert_int_equal(em_connection_get_reason(told.connection, &none), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_reason(told.connection, &unknown), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_reason(told.connection, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_reason(NULL, &longer.reason), EM_INVALID_ARGUMENT);
    recorder_free(&told);
}

static void without_memory_there_is_a_shorter_text(void **state)
{
    simulated_loop *fixture = *state;
    em_reason reason = {.size = sizeof reason};
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    em_connection_close(told.connection);
    failing_allocator_fail(&fixture->allocator, 1, EM_ON);
    assert_int_equal(em_connection_get_reason(told.connection, &reason), EM_OK);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_string_equal(reason.text, em_status_get_text(EM_OK));
    recorder_free(&told);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(a_refusal_names_the_address_and_the_error_number),
        TEST(a_connect_timeout_names_the_address),
        TEST(closing_while_connecting_says_so),
        TEST(an_established_connection_is_named_by_its_peer),
        TEST(the_peers_end_says_who_closed),
        TEST(a_reset_has_the_systems_error_number_and_words),
        TEST(timeouts_and_limits_have_no_error_number),
        TEST(a_peer_that_does_not_take_the_rest_is_a_write_timeout),
        TEST(the_detail_is_there_before_unbind_but_not_before_the_end),
        TEST(the_struct_may_be_shorter_or_longer_than_ours),
        TEST(without_memory_there_is_a_shorter_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
