/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A peer that is OpenSSL itself does what our own side never does: it renegotiates, updates keys, offers early data,
 * and sends large tickets in many records.
 */
#include "support/tls_raw.h"
#include "support/unit.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

typedef tls_raw_fixture fixture;

static void start(fixture *made, bool raw_is_server)
{
    em_tls_options options = {.size = sizeof options};
    options.context = raw_is_server ? made->client : made->server;
    options.hostname = "example.com";
    tls_raw_start(&made->raw, raw_is_server);
    assert_int_equal(tls_end_open(&made->end, &options, !raw_is_server, "peer"), EM_OK);
}

static void check_texts(fixture *made)
{
    bytes_take(&made->end.received, NULL, SIZE_MAX);
    bytes_take(&made->raw.received, NULL, SIZE_MAX);
    tls_raw_send(&made->raw, "from raw");
    assert_int_equal(tls_end_send(&made->end, "to raw", 6), EM_OK);
    tls_raw_run(&made->raw, &made->end);
    assert_true(bytes_equal_text(&made->end.received, "from raw"));
    assert_true(bytes_equal_text(&made->raw.received, "to raw"));
}

static void both_roles_work_in_both_versions(void **state)
{
    fixture *made = *state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2 * COUNT(versions); i++) {
        SSL_CTX_set_max_proto_version(made->raw.ctx, versions[i / 2]);
        start(made, i % 2);
        tls_raw_run(&made->raw, &made->end);
        assert_true(made->end.filter->is_ready);
        assert_int_equal(SSL_version(made->raw.ssl), versions[i / 2]);
        check_texts(made);
        tls_raw_close(&made->raw);
        tls_end_close(&made->end);
        tls_raw_open(&made->raw);
    }
    start(made, true);
}

static void key_updates_lose_no_data(void **state)
{
    fixture *made = *state;
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(SSL_key_update(made->raw.ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
                         1);
        check_texts(made);
    }
}

static void a_peer_that_only_receives_may_update_keys(void **state)
{
    fixture *made = *state;
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(SSL_key_update(made->raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(made->raw.ssl), 1);
        assert_int_equal(tls_end_send(&made->end, "news", 4), EM_OK);
        tls_raw_run(&made->raw, &made->end);
    }
    assert_int_equal(made->end.filter->failure, EM_OK);
    assert_int_equal(bytes_length(&made->raw.received), 800);
}

static void a_flood_of_key_updates_ends_the_connection(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(SSL_key_update(made->raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(made->raw.ssl), 1);
    }
    size_t length = tls_raw_take_wire(&made->raw, wire, sizeof wire);
    tls_end_receive(&made->end, wire, length);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
    assert_true(made->end.filter->wire.bytes < 10000);
    assert_non_null(strstr(made->end.filter->detail, "too many messages"));
}

static void renegotiation_is_refused(void **state)
{
    fixture *made = *state;
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_2_VERSION);
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    assert_true(made->end.filter->is_ready);
    assert_int_equal(SSL_renegotiate(made->raw.ssl), 1);
    SSL_do_handshake(made->raw.ssl);
    ERR_clear_error();
    tls_raw_run(&made->raw, &made->end);
    assert_false(SSL_is_init_finished(made->raw.ssl));
    assert_int_equal(SSL_session_reused(made->raw.ssl), 0);
}

/* A peer that follows the protocol never sends this to our server: the alert that refuses the first attempt ends
 * OpenSSL's side. So one record is repeated on a connection with a cipher that does not encrypt. */
static void repeated_renegotiation_ends_the_connection(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    unsigned attempts = 0;
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_2_VERSION);
    start(made, true);
    tls_raw_run(&made->raw, &made->end);
    while (made->end.filter->failure == EM_OK && attempts < 50) {
        attempts++;
        assert_int_equal(SSL_renegotiate(made->raw.ssl), 1); /* a server sends HelloRequest */
        SSL_do_handshake(made->raw.ssl);
        size_t length = tls_raw_take_wire(&made->raw, wire, sizeof wire);
        tls_end_receive(&made->end, wire, length);
        ERR_clear_error();
    }
    assert_true(attempts > 1 && attempts < 10);
    assert_true(made->end.filter->wire.bytes < 1000);
}

static void early_data_is_never_accepted(void **state)
{
    fixture *made = *state;
    SSL_SESSION *session;
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    check_texts(made);
    session = SSL_get1_session(made->raw.ssl);
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    SSL_SESSION_free(session);
}

/* A client sends early data because its session, which is not ours, allows that. The data is skipped. */
static void a_client_that_offers_early_data_gets_an_ordinary_handshake(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    size_t written;
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    SSL_SESSION *session = SSL_get1_session(made->raw.ssl);
    assert_int_equal(SSL_SESSION_set_max_early_data(session, 1000), 1);
    SSL_set_shutdown(made->raw.ssl,
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* otherwise the session is not resumable */
    SSL_free(made->raw.ssl);
    tls_end_close(&made->end);
    start(made, false);
    assert_int_equal(SSL_set_session(made->raw.ssl, session), 1);
    SSL_SESSION_free(session);
    assert_int_equal(SSL_write_early_data(made->raw.ssl, "early", 5, &written), 1);
    size_t length = tls_raw_take_wire(&made->raw, wire, sizeof wire);
    tls_end_receive(&made->end, wire, length);
    length = tls_end_take_wire(&made->end, wire, sizeof wire);
    BIO_write(made->raw.arriving, wire, (int)length);
    assert_int_equal(SSL_do_handshake(made->raw.ssl), 1);
    tls_raw_run(&made->raw, &made->end);
    assert_true(made->end.filter->is_ready);
    assert_int_equal(SSL_get_early_data_status(made->raw.ssl), SSL_EARLY_DATA_REJECTED);
    assert_int_equal(bytes_length(&made->end.received), 0);
    check_texts(made);
}

/* Tickets in many records. */

static int enlarge_ticket(SSL *ssl, void *unused)
{
    static unsigned char filling[3000];
    (void)unused;
    return SSL_SESSION_set1_ticket_appdata(SSL_get0_session(ssl), filling, sizeof filling);
}

static SSL_TICKET_RETURN use_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t length,
                                    SSL_TICKET_STATUS status, void *unused)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)length;
    (void)status;
    (void)unused;
    return SSL_TICKET_RETURN_USE_RENEW;
}

/* Our client has the first record of a ticket only. Returns how many bytes of the rest are in `wire`. */
static size_t receive_half_a_ticket(fixture *made, unsigned char *wire, size_t capacity)
{
    SSL_CTX_set_session_ticket_cb(made->raw.ctx, enlarge_ticket, use_ticket, NULL);
    SSL_CTX_set_max_send_fragment(made->raw.ctx, 512);
    start(made, true);
    tls_end_receive(&made->end, NULL, 0);
    size_t length = tls_end_take_wire(&made->end, wire, capacity);
    BIO_write(made->raw.arriving, wire, (int)length);
    tls_raw_advance(&made->raw);
    length = tls_raw_take_wire(&made->raw, wire, capacity);
    tls_end_receive(&made->end, wire, length);
    assert_true(made->end.filter->is_ready);
    length = tls_end_take_wire(&made->end, wire, capacity);
    BIO_write(made->raw.arriving, wire, (int)length);
    tls_raw_advance(&made->raw);
    length = tls_raw_take_wire(&made->raw, wire, capacity);
    assert_true(length > 3000);
    tls_end_receive(&made->end, wire, 1000);
    assert_int_equal(made->end.result, EMI_FILTER_STARVED);
    memmove(wire, wire + 1000, length - 1000);
    return length - 1000;
}

/* OpenSSL writes nothing until it has all; nothing is lost. */
static void data_sealed_in_the_middle_of_a_message_of_the_peer_is_sent_after_it(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    size_t length = receive_half_a_ticket(made, wire, sizeof wire);
    assert_int_equal(made->end.filter->operations->seal(made->end.filter, "one ", 4), EM_OK);
    assert_int_equal(made->end.filter->piece_bytes, 0);
    assert_int_equal(made->end.filter->operations->seal(made->end.filter, "two", 3), EM_OK);
    assert_int_equal(made->end.filter->operations->seal_end(made->end.filter), EM_OK);
    assert_int_equal(made->end.filter->wire.bytes, 0);
    tls_end_receive(&made->end, wire, length);
    assert_true(made->end.filter->piece_bytes > 0);
    tls_raw_run(&made->raw, &made->end);
    assert_true(bytes_equal_text(&made->raw.received, "one two"));
    assert_int_equal(made->raw.error, SSL_ERROR_ZERO_RETURN);
}

/* Until then no more plain bytes are taken, which tells the connection that the end is not on the wire. */
static void an_end_in_the_middle_of_a_message_of_the_peer_is_sent_after_it(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    size_t length = receive_half_a_ticket(made, wire, sizeof wire);
    assert_int_equal(made->end.filter->operations->seal_end(made->end.filter), EM_OK);
    assert_int_equal(made->end.filter->wire.bytes, 0);
    assert_int_equal(made->end.filter->piece_bytes, 0);
    tls_end_receive(&made->end, wire, length);
    assert_true(made->end.filter->wire.bytes > 0);
    assert_true(made->end.filter->piece_bytes > 0);
    tls_raw_run(&made->raw, &made->end);
    assert_int_equal(made->raw.error, SSL_ERROR_ZERO_RETURN);
}

/* ALPN, RFC 7301. */

static void offer(fixture *made, const unsigned char *protocols, unsigned length)
{
    const char *const ours[] = {"second", "first", NULL};
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate, .alpn = ours};
    em_tls_context_release(made->server);
    made->server = tls_context_make(&options);
    if (length > 0)
        SSL_CTX_set_alpn_protos(made->raw.ctx, protocols, length);
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
}

static void the_servers_order_of_protocols_decides(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    offer(made,
          (const unsigned char *)"\x05"
                                 "first\x06"
                                 "second",
          13);
    emi_tls_get_info(made->end.filter, &info);
    assert_string_equal(info.alpn, "second");
}

static void a_client_without_alpn_is_accepted(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    offer(made, NULL, 0);
    emi_tls_get_info(made->end.filter, &info);
    assert_true(made->end.filter->is_ready);
    assert_null(info.alpn);
}

static void without_a_common_protocol_the_handshake_fails_with_an_alert(void **state)
{
    fixture *made = *state;
    offer(made,
          (const unsigned char *)"\x05"
                                 "third",
          6);
    assert_false(made->end.filter->is_ready);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
    assert_non_null(strstr(made->end.filter->detail, "no application protocol"));
    assert_int_equal(made->raw.error, SSL_ERROR_SSL);
}

static int choose_other(SSL *ssl, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
                        unsigned offered_bytes, void *unused)
{
    (void)ssl;
    (void)offered;
    (void)offered_bytes;
    (void)unused;
    *chosen = (const unsigned char *)"smtp";
    *length = 4;
    return SSL_TLSEXT_ERR_OK;
}

static void a_protocol_that_was_not_offered_is_refused(void **state)
{
    fixture *made = *state;
    const char *const ours[] = {"h2", NULL};
    em_tls_context_options options = {
        .size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem, .alpn = ours};
    em_tls_context_release(made->client);
    made->client = tls_context_make(&options);
    SSL_CTX_set_alpn_select_cb(made->raw.ctx, choose_other, NULL);
    start(made, true);
    tls_raw_run(&made->raw, &made->end);
    assert_false(made->end.filter->is_ready);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
}

/* Server names */

static void an_address_as_server_name_does_no_harm(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    char address[] = "192.0.2.1";
    start(made, false);
    SSL_set_tlsext_host_name(made->raw.ssl, address);
    tls_raw_run(&made->raw, &made->end);
    assert_true(made->end.filter->is_ready);
    emi_tls_get_info(made->end.filter, &info);
    assert_string_equal(info.server_name, "192.0.2.1");
}

static int note_name(SSL *ssl, int *alert, void *place)
{
    (void)alert;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(place, 100, "%s", name ? name : "none");
    return SSL_TLSEXT_ERR_OK;
}

static void clients_ask_for_no_address_and_without_the_final_dot(void **state)
{
    fixture *made = *state;
    static const char *const rows[][3] = {
        /* hostname, server_name, what the server sees */
        {"example.com", NULL, "example.com"},
        {"example.com.", NULL, "example.com"},
        {"192.0.2.1", NULL, "none"},
        {"[::1]", NULL, "none"},
        {"::1%lo", NULL, "none"},
        {"example.com", "a.example.org.", "a.example.org"},
        {"192.0.2.1", "example.com", "example.com"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char seen[100] = "";
        em_tls_options options = {.size = sizeof options, .context = made->client};
        options.hostname = rows[i][0];
        options.server_name = rows[i][1];
        SSL_CTX_set_tlsext_servername_callback(made->raw.ctx, note_name);
        SSL_CTX_set_tlsext_servername_arg(made->raw.ctx, seen);
        tls_raw_start(&made->raw, true);
        assert_int_equal(tls_end_open(&made->end, &options, false, NULL), EM_OK);
        tls_raw_run(&made->raw, &made->end);
        assert_true(made->end.filter->is_ready);
        assert_string_equal(seen, rows[i][2]);
        SSL_free(made->raw.ssl);
        made->raw.ssl = NULL;
        tls_end_close(&made->end);
    }
    start(made, true);
}

/* A hello of several records, as large as post-quantum keys and padding make it. */
static void a_large_hello_in_small_pieces_works(void **state)
{
    fixture *made = *state;
    static unsigned char wire[65536];
    static const unsigned char protocol[] = {2, 'z', 'z'};
    unsigned char protocols[3000];
    for (size_t i = 0; i < sizeof protocols; i += 3)
        memcpy(protocols + i, protocol, sizeof protocol);
    SSL_CTX_set_alpn_protos(made->raw.ctx, protocols, sizeof protocols);
    SSL_CTX_set_max_send_fragment(made->raw.ctx, 512);
    start(made, false);
    tls_raw_advance(&made->raw);
    size_t length = tls_raw_take_wire(&made->raw, wire, sizeof wire);
    assert_true(length > 3000);
    for (size_t i = 0; i < length; i++)
        tls_end_receive(&made->end, wire + i, 1);
    tls_raw_run(&made->raw, &made->end);
    assert_true(made->end.filter->is_ready);
    check_texts(made);
}

static void an_endless_hello_fails_with_an_alert(void **state)
{
    fixture *made = *state;
    static const unsigned char head[] = {22, 3, 1, 64, 0, 1, 0xff, 0xff, 0xff, 3, 3};
    static unsigned char record[5 + 16384];
    start(made, false);
    memcpy(record, head, sizeof head);
    for (unsigned i = 0; i < 1100 && made->end.result != EMI_FILTER_FAILED; i++)
        tls_end_receive(&made->end, record, sizeof record);
    assert_int_equal(made->end.result, EMI_FILTER_FAILED);
    assert_true(made->end.filter->wire.bytes > 0);
}

/* Alerts in every state: each ends the connection, and the reason names it. */
static void alerts_are_reported_by_name(void **state)
{
    fixture *made = *state;
    start(made, true);
    tls_end_receive(&made->end, NULL, 0);
    tls_end_receive(&made->end, "\x15\x03\x01\x00\x02\x02\x28", 7);
    assert_int_equal(made->end.filter->failure, EM_TLS_ALERT);
    assert_string_equal(made->end.filter->detail, "alert 40: handshake failure");
}

static void both_sides_report_that_there_is_no_common_version(void **state)
{
    fixture *made = *state;
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate, .min_version = EM_TLS_1_3};
    em_tls_context_release(made->server);
    made->server = tls_context_make(&options);
    SSL_CTX_set_max_proto_version(made->raw.ctx, TLS1_2_VERSION);
    start(made, false);
    tls_raw_run(&made->raw, &made->end);
    assert_int_equal(made->end.filter->failure, EM_TLS_FAILED);
    assert_non_null(strstr(made->end.filter->detail, "unsupported protocol"));
    assert_int_equal(made->raw.error, SSL_ERROR_SSL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tls_raw_set_up, tls_raw_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_roles_work_in_both_versions),
        TEST(key_updates_lose_no_data),
        TEST(a_peer_that_only_receives_may_update_keys),
        TEST(a_flood_of_key_updates_ends_the_connection),
        TEST(renegotiation_is_refused),
        TEST(repeated_renegotiation_ends_the_connection),
        TEST(early_data_is_never_accepted),
        TEST(a_client_that_offers_early_data_gets_an_ordinary_handshake),
        TEST(data_sealed_in_the_middle_of_a_message_of_the_peer_is_sent_after_it),
        TEST(an_end_in_the_middle_of_a_message_of_the_peer_is_sent_after_it),
        TEST(the_servers_order_of_protocols_decides),
        TEST(a_client_without_alpn_is_accepted),
        TEST(without_a_common_protocol_the_handshake_fails_with_an_alert),
        TEST(a_protocol_that_was_not_offered_is_refused),
        TEST(an_address_as_server_name_does_no_harm),
        TEST(clients_ask_for_no_address_and_without_the_final_dot),
        TEST(a_large_hello_in_small_pieces_works),
        TEST(an_endless_hello_fails_with_an_alert),
        TEST(alerts_are_reported_by_name),
        TEST(both_sides_report_that_there_is_no_common_version),
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
