/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The TLS filter: the handshake, data, and how it ends; truncation and corruption at every byte.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

typedef struct fixture {
    em_tls_context *client;
    em_tls_context *server;
    tls_pair pair;
} fixture;

static int set_up(void **state)
{
    static fixture made;
    deadline_start(600);
    made.client = tls_client_context();
    made.server = tls_server_context();
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    tls_pair_close(&made->pair);
    em_tls_context_release(made->client);
    em_tls_context_release(made->server);
    deadline_stop();
    return 0;
}

static void connect_pair(fixture *made)
{
    tls_pair_connect(&made->pair, made->client, made->server);
}

static em_status end_of(tls_end *end)
{
    return end->filter->operations->check_end(end->filter);
}

static void a_handshake_completes_and_data_passes_both_ways(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    connect_pair(made);
    tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "hello");
    tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "good day");
    emi_tls_get_info(made->pair.client.filter, &info);
    assert_string_equal(info.protocol, "TLSv1.3");
    assert_true(info.cipher_bits >= 128);
    assert_true(info.is_verified);
    assert_int_equal(info.verdict, EM_OK);
    assert_int_equal(info.peer_chain_count, 1);
    assert_false(info.has_early_data);
    emi_tls_get_info(made->pair.server.filter, &info);
    assert_string_equal(info.server_name, "example.com");
    assert_false(info.is_verified);
}

static void before_the_handshake_only_the_server_name_is_known(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    tls_pair_open(&made->pair, made->client, made->server);
    emi_tls_get_info(made->pair.client.filter, &info);
    assert_null(info.protocol);
    assert_null(info.cipher);
    assert_int_equal(info.cipher_bits, 0);
    assert_string_equal(info.server_name, "example.com");
    assert_false(info.is_verified);
    assert_int_equal(info.peer_chain_count, 0);
}

static void nothing_is_sent_before_the_first_call_of_open(void **state)
{
    fixture *made = *state;
    tls_pair_open(&made->pair, made->client, made->server);
    assert_int_equal(made->pair.client.filter->wire.bytes, 0);
    tls_end_receive(&made->pair.client, NULL, 0);
    assert_true(made->pair.client.filter->wire.bytes > 0);
}

static void data_arrives_however_the_wire_is_split(void **state)
{
    fixture *made = *state;
    for (size_t step = 1; step < 40; step++) {
        tls_pair_open(&made->pair, made->client, made->server);
        made->pair.step = step;
        tls_pair_run(&made->pair);
        assert_true(made->pair.client.filter->is_ready && made->pair.server.filter->is_ready);
        tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "in pieces");
        tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "as well");
        tls_pair_close(&made->pair);
    }
}

static void check_pattern(fixture *made, size_t length)
{
    unsigned char *sent = malloc(length);
    assert_non_null(sent);
    pattern_fill(sent, length, 0);
    bytes_take(&made->pair.server.received, NULL, SIZE_MAX);
    assert_int_equal(tls_end_send(&made->pair.client, sent, length), EM_OK);
    tls_pair_run(&made->pair);
    assert_int_equal(bytes_length(&made->pair.server.received), length);
    assert_true(pattern_matches(bytes_at(&made->pair.server.received), length, 0));
    free(sent);
}

static void pieces_of_every_size_arrive(void **state)
{
    fixture *made = *state;
    const size_t large[] = {1368, 1369, 1370, 16383, 16384, 16385, 40000, 65536, 1000000};
    connect_pair(made);
    for (size_t length = 1; length < 300; length++)
        check_pattern(made, length);
    for (size_t i = 0; i < COUNT(large); i++)
        check_pattern(made, large[i]);
}

/* The lengths of the records in the wire outbox, RFC 8446, section 5.1. */
static unsigned record_lengths(tls_end *end, size_t *lengths, unsigned capacity)
{
    enum { HEADER_BYTES = 5 };
    static unsigned char wire[1 << 20];
    unsigned count = 0;
    size_t length = tls_end_take_wire(end, wire, sizeof wire);
    for (size_t at = 0; at + HEADER_BYTES <= length && count < capacity; count++) {
        lengths[count] = (size_t)wire[at + 3] << 8 | wire[at + 4];
        at += HEADER_BYTES + lengths[count];
    }
    return count;
}

static void records_are_small_at_first_and_large_for_bulk(void **state)
{
    fixture *made = *state;
    static unsigned char plain[300000];
    size_t lengths[100] = {0};
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.server, plain, sizeof plain), EM_OK);
    unsigned count = record_lengths(&made->pair.server, lengths, COUNT(lengths));
    assert_true(count > 30 && count < 60);
    for (unsigned i = 0; i < 29; i++)
        assert_true(lengths[i] <= 1400);
    assert_true(lengths[count - 2] >= 16384);
}

static void many_small_records_come_in_one_call(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    connect_pair(made);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(tls_end_send(&made->pair.client, "0123456789", 10), EM_OK);
    size_t length = tls_end_take_wire(&made->pair.client, wire, sizeof wire);
    made->pair.server.calls = 0;
    tls_end_receive(&made->pair.server, wire, length);
    assert_int_equal(bytes_length(&made->pair.server.received), 1000);
    assert_true(made->pair.server.calls <= 3);
}

static void a_corrupted_byte_never_changes_the_data(void **state)
{
    fixture *made = *state;
    size_t total;
    connect_pair(made);
    tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "true");
    total = made->pair.carried;
    tls_pair_close(&made->pair);
    for (size_t i = 1; i <= total; i++) {
        tls_pair_open(&made->pair, made->client, made->server);
        made->pair.flip_at = i;
        tls_pair_run(&made->pair);
        if (made->pair.client.filter->is_ready && made->pair.client.filter->failure == EM_OK)
            tls_end_send(&made->pair.client, "true", 4);
        tls_pair_run(&made->pair);
        assert_true(bytes_length(&made->pair.server.received) == 0 ||
                    bytes_equal_text(&made->pair.server.received, "true"));
        bool has_failed = made->pair.client.filter->failure != EM_OK || made->pair.server.filter->failure != EM_OK;
        assert_true(has_failed || bytes_length(&made->pair.server.received) == 4 ||
                    made->pair.client.result == EMI_FILTER_STARVED);
        tls_pair_close(&made->pair);
    }
    connect_pair(made);
}

static void check_detail(const emi_filter *filter)
{
    assert_non_null(filter->detail);
    assert_true(filter->detail[0] != '\0');
}

static void a_truncation_at_any_byte_is_detected(void **state)
{
    fixture *made = *state;
    size_t total;
    connect_pair(made);
    tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "true");
    total = made->pair.carried;
    tls_pair_close(&made->pair);
    for (size_t i = 1; i <= total; i += 1 + (i > 700 && i < total - 300 ? 7 : 0)) {
        tls_pair_open(&made->pair, made->client, made->server);
        made->pair.truncate_at = i;
        tls_pair_run(&made->pair);
        if (made->pair.client.filter->is_ready)
            tls_end_send(&made->pair.client, "true", 4);
        tls_pair_run(&made->pair);
        assert_int_equal(end_of(&made->pair.server), EM_TLS_TRUNCATED);
        check_detail(made->pair.server.filter);
        assert_int_not_equal(end_of(&made->pair.client), EM_OK);
        tls_pair_close(&made->pair);
    }
    connect_pair(made);
}

/* The first piece, whole or a byte of it, is enough. */
static void check_no_tls(fixture *made, tls_end *end, const char *first, size_t length, const char *detail)
{
    char wanted[120];
    snprintf(wanted, sizeof wanted, "the peer does not speak TLS: the first bytes %s", detail);
    tls_pair_open(&made->pair, made->client, made->server);
    tls_end_receive(end, NULL, 0);
    tls_end_receive(end, first, length);
    assert_int_equal(end->result, EMI_FILTER_FAILED);
    assert_int_equal(end->filter->failure, EM_TLS_FAILED);
    assert_string_equal(end->filter->detail, wanted);
    tls_pair_close(&made->pair);
}

static void a_peer_that_does_not_speak_tls_is_called_so_at_once(void **state)
{
    fixture *made = *state;
    static const char *const rows[][2] = {
        {"GET / HTTP/1.1\r\n\r\n", "look like HTTP"},       {"CONNECT a:1 HTTP/1.1\r\n\r\n", "look like HTTP"},
        {"HTTP/1.1 400 Bad Request\r\n", "look like HTTP"}, {"EHLO here\r\n", "look like plain text"},
        {"220 mail\r\n", "look like plain text"},           {"x", "look like plain text"},
        {"\x80\x2e\x01\x03\x01", "look like SSL 2"},        {"\x80", "look like SSL 2"},
        {"\xff\xfd\x18", "are not those of a record"},      {"\x17\x03\x03", "are not those of a record"},
        {"\x14\x03\x03", "are not those of a record"},      {"\x16\x02\x01", "are not those of a record"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_no_tls(made, &made->pair.server, rows[i][0], strlen(rows[i][0]), rows[i][1]);
        check_no_tls(made, &made->pair.client, rows[i][0], strlen(rows[i][0]), rows[i][1]);
    }
    check_no_tls(made, &made->pair.server, "GET", 1, "look like plain text");
    check_no_tls(made, &made->pair.server, "\0", 1, "are not those of a record");
    connect_pair(made);
}

static void garbage_fails_the_handshake_once(void **state)
{
    fixture *made = *state;
    static const unsigned char hello[] = {0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3};
    uint64_t seed = 7;
    for (unsigned round = 0; round < 300; round++) {
        unsigned char garbage[400];
        for (size_t i = 0; i < sizeof garbage; i++)
            garbage[i] = (unsigned char)next_random(&seed);
        if (round % 2)
            memcpy(garbage, hello, sizeof hello);
        tls_pair_open(&made->pair, made->client, made->server);
        tls_end_receive(&made->pair.server, garbage, sizeof garbage);
        assert_int_equal(made->pair.server.result, EMI_FILTER_FAILED);
        check_detail(made->pair.server.filter);
        tls_end_receive(&made->pair.server, garbage, sizeof garbage);
        assert_int_equal(made->pair.server.result, EMI_FILTER_FAILED);
        assert_int_equal(end_of(&made->pair.server), EM_TLS_FAILED);
        tls_pair_close(&made->pair);
    }
    connect_pair(made);
}

static void end_of_sending(tls_end *end)
{
    assert_int_equal(end->filter->operations->seal_end(end->filter), EM_OK);
}

static void close_notify_ends_one_direction_only(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.client, "question", 8), EM_OK);
    end_of_sending(&made->pair.client);
    tls_pair_run(&made->pair);
    assert_true(bytes_equal_text(&made->pair.server.received, "question"));
    assert_int_equal(made->pair.server.result, EMI_FILTER_ENDED);
    assert_int_equal(end_of(&made->pair.server), EM_OK);
    assert_int_equal(end_of(&made->pair.client), EM_TLS_TRUNCATED);
    tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "a long answer");
    end_of_sending(&made->pair.server);
    tls_pair_run(&made->pair);
    assert_int_equal(made->pair.client.result, EMI_FILTER_ENDED);
    assert_int_equal(end_of(&made->pair.client), EM_OK);
}

static void both_sides_may_end_at_once_with_data_in_flight(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.client, "from client", 11), EM_OK);
    end_of_sending(&made->pair.client);
    assert_int_equal(tls_end_send(&made->pair.server, "from server", 11), EM_OK);
    end_of_sending(&made->pair.server);
    tls_pair_run(&made->pair);
    assert_true(bytes_equal_text(&made->pair.client.received, "from server"));
    assert_true(bytes_equal_text(&made->pair.server.received, "from client"));
    assert_int_equal(end_of(&made->pair.client), EM_OK);
    assert_int_equal(end_of(&made->pair.server), EM_OK);
}

static void whatever_follows_close_notify_is_dropped(void **state)
{
    fixture *made = *state;
    unsigned char wire[1000];
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.client, "last", 4), EM_OK);
    end_of_sending(&made->pair.client);
    size_t length = tls_end_take_wire(&made->pair.client, wire, sizeof wire);
    memset(wire + length, 'x', 200);
    tls_end_receive(&made->pair.server, wire, length + 200);
    assert_int_equal(made->pair.server.result, EMI_FILTER_ENDED);
    assert_true(bytes_equal_text(&made->pair.server.received, "last"));
    tls_end_receive(&made->pair.server, "more", 4);
    assert_int_equal(made->pair.server.result, EMI_FILTER_ENDED);
    assert_int_equal(end_of(&made->pair.server), EM_OK);
}

static void an_end_without_close_notify_is_a_truncation(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "half of the bo");
    assert_int_equal(end_of(&made->pair.client), EM_TLS_TRUNCATED);
    check_detail(made->pair.client.filter);
    tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "still sent");
}

static void ending_during_the_handshake_sends_nothing(void **state)
{
    fixture *made = *state;
    tls_pair_open(&made->pair, made->client, made->server);
    end_of_sending(&made->pair.server);
    assert_int_equal(made->pair.server.filter->wire.bytes, 0);
    assert_int_equal(end_of(&made->pair.server), EM_TLS_TRUNCATED);
}

static void after_a_failure_nothing_is_sealed(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    tls_end_receive(&made->pair.server, "\x17\x03\x03\x00\x20 what is this that comes here?...", 37);
    assert_int_equal(made->pair.server.result, EMI_FILTER_FAILED);
    tls_pair_run(&made->pair);
    assert_int_equal(made->pair.client.filter->failure, EM_TLS_ALERT);
    assert_string_equal(made->pair.client.filter->detail, "alert 20: bad record mac");
    assert_int_equal(tls_end_send(&made->pair.server, "x", 1), EM_TLS_FAILED);
    assert_int_equal(made->pair.server.filter->operations->seal_end(made->pair.server.filter), EM_TLS_FAILED);
    assert_int_equal(made->pair.server.filter->wire.bytes, 0);
}

static void data_before_a_failure_is_delivered_first(void **state)
{
    fixture *made = *state;
    static const unsigned char evil[] = {0x17, 3, 3, 0, 4, 'e', 'v', 'i', 'l'};
    unsigned char wire[1000];
    unsigned char room[EMI_FILTER_ROOM_BYTES];
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.client, "good", 4), EM_OK);
    size_t length = tls_end_take_wire(&made->pair.client, wire, sizeof wire);
    memcpy(wire + length, evil, sizeof evil);
    emi_bytes input = {.next = wire, .length = length + sizeof evil};
    emi_filter *filter = made->pair.server.filter;
    assert_int_equal(filter->operations->open(filter, &input, room, &length), EMI_FILTER_PROGRESS);
    assert_int_equal(length, 4);
    assert_int_equal(filter->operations->open(filter, &input, room, &length), EMI_FILTER_FAILED);
    assert_int_equal(length, 0);
}

static void errors_of_other_openssl_code_in_the_thread_do_no_harm(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    for (unsigned i = 0; i < 20; i++) {
        ERR_raise(ERR_LIB_X509, ERR_R_INTERNAL_ERROR);
        tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "undisturbed");
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
        tls_end_receive(&made->pair.server, NULL, 0);
        assert_int_equal(made->pair.server.result, EMI_FILTER_STARVED);
    }
    assert_int_equal(made->pair.server.filter->failure, EM_OK);
}

static void a_failure_leaves_no_error_in_the_queue_of_openssl(void **state)
{
    fixture *made = *state;
    tls_pair_open(&made->pair, made->client, made->server);
    tls_end_receive(&made->pair.server, "GET / HTTP/1.0\r\n\r\n", 18);
    assert_int_equal(made->pair.server.result, EMI_FILTER_FAILED);
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_filter_works_after_its_buffers_were_released(void **state)
{
    fixture *made = *state;
    connect_pair(made);
    for (unsigned i = 0; i < 3; i++) {
        made->pair.client.filter->operations->release_buffers(made->pair.client.filter);
        made->pair.server.filter->operations->release_buffers(made->pair.server.filter);
        tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "awake");
    }
}

static void half_a_record_survives_the_release_of_buffers(void **state)
{
    fixture *made = *state;
    unsigned char wire[1000];
    connect_pair(made);
    assert_int_equal(tls_end_send(&made->pair.client, "whole", 5), EM_OK);
    size_t length = tls_end_take_wire(&made->pair.client, wire, sizeof wire);
    tls_end_receive(&made->pair.server, wire, length - 1);
    assert_int_equal(made->pair.server.result, EMI_FILTER_STARVED);
    assert_int_equal(bytes_length(&made->pair.server.received), 0);
    made->pair.server.filter->operations->release_buffers(made->pair.server.filter);
    tls_end_receive(&made->pair.server, wire + length - 1, 1);
    assert_true(bytes_equal_text(&made->pair.server.received, "whole"));
}

static void tls_filters_are_told_from_other_filters(void **state)
{
    fixture *made = *state;
    static const emi_filter_operations other;
    emi_filter another = {.operations = &other};
    connect_pair(made);
    assert_true(emi_tls_is(made->pair.client.filter));
    assert_false(emi_tls_is(&another));
    assert_false(emi_tls_is(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handshake_completes_and_data_passes_both_ways),
        TEST(before_the_handshake_only_the_server_name_is_known),
        TEST(nothing_is_sent_before_the_first_call_of_open),
        TEST(data_arrives_however_the_wire_is_split),
        TEST(pieces_of_every_size_arrive),
        TEST(records_are_small_at_first_and_large_for_bulk),
        TEST(many_small_records_come_in_one_call),
        TEST(a_corrupted_byte_never_changes_the_data),
        TEST(a_truncation_at_any_byte_is_detected),
        TEST(a_peer_that_does_not_speak_tls_is_called_so_at_once),
        TEST(garbage_fails_the_handshake_once),
        TEST(close_notify_ends_one_direction_only),
        TEST(both_sides_may_end_at_once_with_data_in_flight),
        TEST(whatever_follows_close_notify_is_dropped),
        TEST(an_end_without_close_notify_is_a_truncation),
        TEST(ending_during_the_handshake_sends_nothing),
        TEST(after_a_failure_nothing_is_sealed),
        TEST(data_before_a_failure_is_delivered_first),
        TEST(errors_of_other_openssl_code_in_the_thread_do_no_harm),
        TEST(a_failure_leaves_no_error_in_the_queue_of_openssl),
        TEST(a_filter_works_after_its_buffers_were_released),
        TEST(half_a_record_survives_the_release_of_buffers),
        TEST(tls_filters_are_told_from_other_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
