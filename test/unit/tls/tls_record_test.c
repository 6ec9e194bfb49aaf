/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Records of all kinds from OpenSSL as a peer: empty, padded, small; a HelloRetryRequest; half-close in TLS 1.2.
 */
#include "support/tls_raw.h"
#include "support/unit.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

#include "tls/tls_private.h"

typedef tls_raw_fixture fixture;

/* The raw side is the client. */
static void start(fixture *made)
{
    em_tls_options options = {.size = sizeof options, .context = made->server};
    tls_raw_start(&made->raw, false);
    assert_int_equal(tls_end_open(&made->end, &options, true, NULL), EM_OK);
    tls_raw_run(&made->raw, &made->end);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Each part once for each version. */
static void restart(fixture *made, int version)
{
    tls_raw_close(&made->raw);
    tls_end_close(&made->end);
    tls_raw_open(&made->raw);
    SSL_CTX_set_min_proto_version(made->raw.ctx, version);
    SSL_CTX_set_max_proto_version(made->raw.ctx, version);
    start(made);
    assert_true(made->end.filter->is_ready);
}

/* Also behind the head of the record alone, see CVE-2024-4741. */
static void a_rest_in_the_middle_of_a_record_does_no_harm(void **state)
{
    fixture *made = *state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        size_t length = 2;
        restart(made, versions[i]);
        for (size_t cut = 1; cut < length; cut++) {
            unsigned char wire[200];
            size_t before = bytes_length(&made->end.received);
            tls_raw_send(&made->raw, "whole");
            length = tls_raw_take_wire(&made->raw, wire, sizeof wire);
            tls_end_receive(&made->end, wire, cut);
            made->end.filter->operations->release_buffers(made->end.filter);
            tls_end_receive(&made->end, wire + cut, length - cut);
            assert_int_equal(bytes_length(&made->end.received), before + 5);
            made->end.filter->operations->release_buffers(made->end.filter);
        }
    }
}

static void half_close_works_in_both_versions(void **state)
{
    fixture *made = *state;
    tls_end_open(&made->end, &(em_tls_options){.size = sizeof(em_tls_options), .context = made->server}, true, NULL);
    for (size_t i = 0; i < COUNT(versions); i++) {
        restart(made, versions[i]);
        tls_raw_send(&made->raw, "question");
        assert_int_equal(SSL_shutdown(made->raw.ssl), 0);
        tls_raw_run(&made->raw, &made->end);
        assert_int_equal(made->end.result, EMI_FILTER_ENDED);
        assert_true(bytes_equal_text(&made->end.received, "question"));
        assert_int_equal(tls_end_send(&made->end, "answer", 6), EM_OK);
        assert_int_equal(made->end.filter->operations->seal_end(made->end.filter), EM_OK);
        tls_raw_run(&made->raw, &made->end);
        assert_int_equal(made->raw.error, SSL_ERROR_ZERO_RETURN);
        assert_true(bytes_equal_text(&made->raw.received, "answer"));
        assert_int_equal(made->end.filter->operations->check_end(made->end.filter), EM_OK);
    }
}

static void padded_and_small_records_arrive_whole(void **state)
{
    fixture *made = *state;
    static char text[20001];
    memset(text, 'p', sizeof text - 1);
    SSL_CTX_set_block_padding(made->raw.ctx, 4096);
    SSL_CTX_set_max_send_fragment(made->raw.ctx, 512);
    start(made);
    tls_raw_send(&made->raw, text);
    tls_raw_run(&made->raw, &made->end);
    assert_true(bytes_equal_text(&made->end.received, text));
}

static void records_without_data_are_ignored(void **state)
{
    fixture *made = *state;
    size_t written;
    start(made);
    for (unsigned i = 0; i < 10; i++)
        SSL_write_ex(made->raw.ssl, "", 0, &written);
    tls_raw_run(&made->raw, &made->end);
    assert_int_equal(made->end.result, EMI_FILTER_STARVED);
    assert_int_equal(bytes_length(&made->end.received), 0);
    tls_raw_send(&made->raw, "data");
    tls_raw_run(&made->raw, &made->end);
    assert_true(bytes_equal_text(&made->end.received, "data"));
}

/* The plain bytes go to the raw side. Returns the length of the largest record that they have become. */
static size_t largest_record(fixture *made, size_t length)
{
    enum { HEADER_BYTES = 5 };
    static unsigned char plain[200000], wire[250000];
    size_t largest = 0;
    assert_int_equal(tls_end_send(&made->end, plain, length), EM_OK);
    size_t wire_bytes = tls_end_take_wire(&made->end, wire, sizeof wire);
    for (size_t at = 0; at < wire_bytes;) {
        size_t record_bytes = (size_t)wire[at + 3] << 8 | wire[at + 4];
        largest = record_bytes > largest ? record_bytes : largest;
        at += HEADER_BYTES + record_bytes;
    }
    BIO_write(made->raw.arriving, wire, (int)wire_bytes);
    tls_raw_advance(&made->raw);
    return largest;
}

/* The time of the last record is moved into the past. */
static void an_end_that_only_sends_has_small_records_again_after_a_quiet_time(void **state)
{
    enum { SEGMENT_BYTES = 1448, RECORD_BYTES = 16384, QUIET_SECONDS = 10 };
    fixture *made = *state;
    start(made);
    assert_true(largest_record(made, RECORD_BYTES) < SEGMENT_BYTES);
    assert_true(largest_record(made, 100000) > RECORD_BYTES);
    EMI_CONTAINER(made->end.filter, emi_tls, filter)->sealed_at -= QUIET_SECONDS;
    assert_true(largest_record(made, RECORD_BYTES) < SEGMENT_BYTES);
    assert_true(largest_record(made, 100000) > RECORD_BYTES);
    assert_int_equal(bytes_length(&made->raw.received), 2 * (RECORD_BYTES + 100000));
}

/* The client's first key share is for a group that the server does not accept: RFC 8446, section 4.1.4. */
static void after_a_hello_retry_the_server_does_not_choose_again(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    char name[] = "example.com";
    char groups[] = "X25519:P-256";
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate, .groups = "P-256"};
    em_tls_options wanted = {.size = sizeof wanted};
    em_tls_context_release(made->server);
    made->server = tls_context_make(&options);
    wanted.context = made->server;
    SSL_CTX_set1_groups_list(made->raw.ctx, groups);
    tls_raw_start(&made->raw, false);
    SSL_set_tlsext_host_name(made->raw.ssl, name);
    assert_int_equal(tls_end_open(&made->end, &wanted, true, NULL), EM_OK);
    tls_raw_run(&made->raw, &made->end);
    assert_true(made->end.filter->is_ready);
    emi_tls_get_info(made->end.filter, &info);
    assert_string_equal(info.server_name, "example.com");
}

static void without_a_common_cipher_both_sides_fail(void **state)
{
    fixture *made = *state;
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(made->raw.ctx, "AES128-SHA");
    start(made);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
    assert_string_equal(made->end.filter->detail, "no shared cipher");
    assert_int_equal(made->raw.error, SSL_ERROR_SSL);
}

static void the_servers_ciphers_have_forward_secrecy(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(made->raw.ctx, "AES128-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256");
    start(made);
    emi_tls_get_info(made->end.filter, &info);
    assert_string_equal(info.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_int_equal(info.cipher_bits, 128);
}

static void versions_before_1_2_are_refused(void **state)
{
    fixture *made = *state;
    SSL_CTX_set_security_level(made->raw.ctx, 0);
    SSL_CTX_set_cipher_list(made->raw.ctx, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(made->raw.ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_1_VERSION);
    start(made);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
    assert_int_equal(made->raw.error, SSL_ERROR_SSL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tls_raw_set_up, tls_raw_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rest_in_the_middle_of_a_record_does_no_harm),
        TEST(half_close_works_in_both_versions),
        TEST(padded_and_small_records_arrive_whole),
        TEST(records_without_data_are_ignored),
        TEST(after_a_hello_retry_the_server_does_not_choose_again),
        TEST(without_a_common_cipher_both_sides_fail),
        TEST(the_servers_ciphers_have_forward_secrecy),
        TEST(versions_before_1_2_are_refused),
        TEST(an_end_that_only_sends_has_small_records_again_after_a_quiet_time),
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
