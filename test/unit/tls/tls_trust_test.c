/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What decides about a peer: verify_peer, client certificates, the system's authorities, OCSP.
 */
#include "support/tls_handshake.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long HOUR = 3600;

/* What verify_peer returns, and what it was called with. */

typedef struct answers {
    bool accepts;
    unsigned calls;
    unsigned last_depth;
    em_status worst;
    bool order_is_right; /* issuers came before the certificates they have issued */
} answers;

static int answer(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    answers *given = user;
    if (connection || certificate->der_bytes < 100 ||
        (certificate->verdict != EM_OK) != (certificate->detail[0] != '\0'))
        stop_test("a strange certificate is shown");
    given->order_is_right = given->calls == 0 || certificate->depth <= given->last_depth;
    given->calls++;
    given->last_depth = certificate->depth;
    if (certificate->verdict < given->worst)
        given->worst = certificate->verdict;
    return given->accepts;
}

static void verify_peer_can_reject_a_valid_certificate(void **state)
{
    (void)state;
    answers given_answers = {.accepts = false};
    const tls_handshake given = {.server_pem = tls_test_credentials()->server_pem,
                                 .hostname = "example.com",
                                 .client = {.verify_peer = answer, .user = &given_answers}};
    tls_pair pair;
    tls_handshake_run(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_REJECTED);
    assert_non_null(strstr(pair.client.filter->detail, "rejected"));
    assert_int_equal(pair.server.filter->failure, EM_TLS_ALERT);
    assert_int_equal(given_answers.calls, 1);
    assert_int_equal(given_answers.worst, EM_OK);
    tls_pair_close(&pair);
}

static void verify_peer_cannot_accept_an_invalid_certificate(void **state)
{
    (void)state;
    answers given_answers = {.accepts = true};
    tls_handshake given = {.server_pem = tls_test_credentials()->server_pem,
                           .hostname = "example.org",
                           .client = {.verify_peer = answer, .user = &given_answers}};
    tls_handshake_expect(&given, EM_TLS_WRONG_NAME, "hostname mismatch");
    assert_int_equal(given_answers.worst, EM_TLS_WRONG_NAME);
    given.hostname = "example.com";
    tls_handshake_expect(&given, EM_OK, "");
    assert_int_equal(given_answers.last_depth, 0);
    assert_true(given_answers.order_is_right);
}

/* The first certificate of the peer, in PEM and to be freed. */
static char *first_pem(const tls_end *end)
{
    size_t length = emi_tls_get_peer_certificate(end->filter, 0, EM_TLS_PEM, NULL, 0);
    char *pem = malloc(length + 1);
    assert_non_null(pem);
    pem[0] = '\0';
    assert_int_equal(emi_tls_get_peer_certificate(end->filter, 0, EM_TLS_PEM, pem, length + 1), length);
    return pem;
}

static void expect_refused_certificate(const tls_end *end, const test_certificate *certificate)
{
    em_tls_info info;
    char *expected = certificate_pem(certificate);
    char *pem = first_pem(end);
    assert_true(end->filter->failure != EM_OK);
    emi_tls_get_info(end->filter, &info);
    assert_int_equal(info.peer_chain_count, 1);
    assert_false(info.is_verified);
    assert_string_equal(pem, expected);
    free(pem);
    free(expected);
}

static void the_certificate_of_a_refused_peer_can_be_read(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe recipe = {.common_name = "client"};
    test_certificate alone = certificate_make(&recipe, NULL);
    char *pem = tls_pem_of(&alone);
    answers none = {.accepts = false};
    tls_handshake given = {.server_pem = credentials->server_pem, .hostname = "example.org"};
    tls_pair pair;
    tls_handshake_run(&given, &pair);
    expect_refused_certificate(&pair.client, &credentials->server);
    tls_pair_close(&pair);
    given.hostname = "example.com";
    given.client = (em_tls_context_options){.verify_peer = answer, .user = &none};
    tls_handshake_run(&given, &pair);
    expect_refused_certificate(&pair.client, &credentials->server);
    tls_pair_close(&pair);
    given.client = (em_tls_context_options){.max_version = EM_TLS_1_2};
    given.client_pem = pem;
    given.server.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE;
    for (unsigned i = 0; i < 2; i++) {
        tls_handshake_run(&given, &pair);
        expect_refused_certificate(&pair.server, &alone);
        tls_pair_close(&pair);
        given.client.max_version = EM_TLS_1_3;
    }
    free(pem);
    certificate_free(&alone);
}

static void with_verify_override_verify_peer_alone_decides(void **state)
{
    (void)state;
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    test_certificate alone = certificate_make(&leaf, NULL);
    char *pem = tls_pem_of(&alone);
    answers given_answers = {.accepts = true};
    tls_handshake given = {
        .server_pem = pem,
        .hostname = "example.com",
        .client = {.verify = EM_OFF, .verify_override = EM_ON, .verify_peer = answer, .user = &given_answers}};
    tls_pair pair;
    em_tls_info info;
    tls_handshake_run(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_OK);
    assert_true(given_answers.calls >= 1);
    assert_int_equal(given_answers.worst, EM_TLS_UNTRUSTED);
    emi_tls_get_info(pair.client.filter, &info);
    assert_false(info.is_verified);
    assert_int_equal(info.verdict, EM_TLS_UNTRUSTED);
    assert_non_null(strstr(info.detail, "self-signed"));
    tls_pair_close(&pair);
    given_answers.accepts = false;
    tls_handshake_run(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_REJECTED);
    tls_pair_close(&pair);
    free(pem);
    certificate_free(&alone);
}

/* Client certificates */

static void a_server_that_requires_a_certificate_gets_one(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe recipe = {.common_name = "client", .usage = "clientAuth"};
    test_certificate client = certificate_make(&recipe, &credentials->authority);
    char *pem = tls_pem_of(&client);
    const tls_handshake given = {.server_pem = credentials->server_pem,
                                 .hostname = "example.com",
                                 .client_pem = pem,
                                 .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE}};
    tls_pair pair;
    em_tls_info info;
    tls_handshake_run(&given, &pair);
    assert_int_equal(pair.server.filter->failure, EM_OK);
    assert_true(bytes_equal_text(&pair.server.received, "data"));
    emi_tls_get_info(pair.server.filter, &info);
    assert_true(info.is_verified);
    assert_int_equal(info.peer_chain_count, 1);
    tls_pair_close(&pair);
    free(pem);
    certificate_free(&client);
}

/* Data of a client without a valid certificate is never delivered, even if its own handshake is done (TLS 1.3). */
static void check_refused_client(const char *pem, em_tls_version version, const char *detail)
{
    const tls_handshake given = {.server_pem = tls_test_credentials()->server_pem,
                                 .hostname = "example.com",
                                 .client_pem = pem,
                                 .client = {.max_version = version},
                                 .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE}};
    tls_pair pair;
    tls_handshake_run(&given, &pair);
    assert_int_equal(pair.server.filter->failure, EM_TLS_UNTRUSTED);
    assert_non_null(strstr(pair.server.filter->detail, detail));
    assert_int_equal(bytes_length(&pair.server.received), 0);
    assert_false(pair.server.filter->is_ready);
    assert_int_equal(pair.client.filter->failure, EM_TLS_ALERT);
    assert_int_equal(strncmp(pair.client.filter->detail, "alert ", 6), 0);
    tls_pair_close(&pair);
}

static void a_client_without_a_valid_certificate_is_refused(void **state)
{
    (void)state;
    const certificate_recipe recipe = {.common_name = "client"};
    const certificate_recipe server_only = {.common_name = "client", .usage = "serverAuth"};
    test_certificate stranger = certificate_make(&recipe, NULL);
    test_certificate wrong = certificate_make(&server_only, &tls_test_credentials()->authority);
    char *pem = tls_pem_of(&stranger);
    char *wrong_pem = tls_pem_of(&wrong);
    const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (size_t i = 0; i < COUNT(versions); i++) {
        check_refused_client(NULL, versions[i], "peer did not return a certificate");
        check_refused_client(pem, versions[i], "self-signed certificate");
        check_refused_client(wrong_pem, versions[i], "purpose");
    }
    free(pem);
    free(wrong_pem);
    certificate_free(&stranger);
    certificate_free(&wrong);
}

static void a_server_that_only_asks_accepts_clients_without_certificate(void **state)
{
    (void)state;
    const tls_handshake given = {.server_pem = tls_test_credentials()->server_pem,
                                 .hostname = "example.com",
                                 .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK}};
    tls_pair pair;
    em_tls_info info;
    tls_handshake_run(&given, &pair);
    assert_true(bytes_equal_text(&pair.server.received, "data"));
    emi_tls_get_info(pair.server.filter, &info);
    assert_false(info.is_verified);
    assert_int_equal(info.peer_chain_count, 0);
    tls_pair_close(&pair);
}

/* The system's authorities */

static void the_systems_authorities_are_the_default(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    char *path = text_to_file("system.pem", credentials->authority_pem);
    setenv("SSL_CERT_FILE", path, 1);
    em_tls_context *server = tls_server_context();
    em_tls_options client_options = {.size = sizeof client_options, .hostname = "example.com"};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    for (unsigned i = 0; i < 2; i++) {
        tls_pair pair = {.step = 0};
        assert_int_equal(tls_end_open(&pair.client, &client_options, false, NULL), EM_OK);
        assert_int_equal(tls_end_open(&pair.server, &server_options, true, NULL), EM_OK);
        tls_pair_run(&pair);
        assert_true(pair.client.filter->is_ready);
        tls_pair_close(&pair);
        remove(path); /* it was read already */
    }
    em_tls_context_release(server);
    free(path);
}

/* Stapled OCSP responses */

static void expect_response(const unsigned char *der, size_t length, em_switch is_required, em_status status,
                            const char *detail)
{
    const tls_credentials *credentials = tls_test_credentials();
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = credentials->server_pem,
                                              .ocsp_response = der,
                                              .ocsp_response_bytes = length};
    em_tls_context_options server_context = {.size = sizeof server_context, .certificate = &certificate};
    em_tls_context_options client_context = {.size = sizeof client_context,
                                             .ca_pem = credentials->authority_pem,
                                             .ocsp = EM_ON,
                                             .ocsp_require = is_required};
    em_tls_context *server = tls_context_make(&server_context);
    em_tls_context *client = tls_context_make(&client_context);
    tls_pair pair;
    size_t received;
    tls_pair_open(&pair, client, server);
    tls_pair_run(&pair);
    if (pair.client.filter->failure != status)
        stop_test("%s: %s", em_status_get_name(pair.client.filter->failure), pair.client.filter->detail);
    assert_true(status == EM_OK || strstr(pair.client.filter->detail, detail));
    if (status == EM_OK && der) {
        const void *response = emi_tls_get_ocsp_response(pair.client.filter, &received);
        assert_int_equal(received, length);
        assert_memory_equal(response, der, length);
    }
    tls_pair_close(&pair);
    em_tls_context_release(server);
    em_tls_context_release(client);
}

static void stapled_responses_are_checked(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe recipe = {.alternative_names = "DNS:example.com"};
    test_certificate other = certificate_make(&recipe, &credentials->authority);
    size_t length;
    unsigned char *good = certificate_ocsp(&credentials->authority, &credentials->server, false, HOUR, &length);
    expect_response(good, length, EM_ON, EM_OK, "");
    expect_response(good, length - 1, EM_OFF, EM_TLS_UNTRUSTED, "malformed");
    free(good);
    unsigned char *revoked = certificate_ocsp(&credentials->authority, &credentials->server, true, HOUR, &length);
    expect_response(revoked, length, EM_OFF, EM_TLS_UNTRUSTED, "revoked");
    free(revoked);
    unsigned char *old = certificate_ocsp(&credentials->authority, &credentials->server, false, -HOUR, &length);
    expect_response(old, length, EM_OFF, EM_TLS_UNTRUSTED, "out of date");
    free(old);
    unsigned char *of_other = certificate_ocsp(&credentials->authority, &other, false, HOUR, &length);
    expect_response(of_other, length, EM_OFF, EM_TLS_UNTRUSTED, "another certificate");
    free(of_other);
    expect_response(NULL, 0, EM_OFF, EM_OK, "");
    expect_response(NULL, 0, EM_ON, EM_TLS_UNTRUSTED, "no OCSP response");
    certificate_free(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(verify_peer_can_reject_a_valid_certificate),
        TEST(verify_peer_cannot_accept_an_invalid_certificate),
        TEST(the_certificate_of_a_refused_peer_can_be_read),
        TEST(with_verify_override_verify_peer_alone_decides),
        TEST(a_server_that_requires_a_certificate_gets_one),
        TEST(a_client_without_a_valid_certificate_is_refused),
        TEST(a_server_that_only_asks_accepts_clients_without_certificate),
        TEST(the_systems_authorities_are_the_default),
        TEST(stapled_responses_are_checked),
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
