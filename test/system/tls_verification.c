/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Certificates that must not pass, and those that must, over real sockets: a client that verifies sends nothing to a
 * server with a bad one. All the rules are tried without sockets in test/unit/tls.
 */
#include "base/features.h"
#include "support/certificates.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

#include "support/tls_pair.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define DAY_SECONDS 86400L

/* A server with this certificate and key, in PEM. */
static system_tls_pair *serve_with(em_loop *loop, const char *pem, const char *hostname)
{
    system_tls_pair *pair = system_tls_new_pair(loop);
    const em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    system_tls_set_server(pair, (em_tls_context_options){.certificate = &certificate});
    pair->client.tls.hostname = hostname;
    pair->client.greeting = "secret";
    return pair;
}

/* Connects. With EM_OK the greeting comes back; else the client fails with this, and the server gets an alert only. */
static void expect_verdict(system_tls_pair *pair, em_status status, const char *detail)
{
    system_tls_begin(pair, &system_tls_handler);
    if (status == EM_OK) {
        system_tls_await_bytes(pair, &pair->client, strlen("secret"));
        assert_int_equal(pair->client.info.is_verified, 1);
        assert_int_equal(pair->client.info.verdict, EM_OK);
    } else {
        system_tls_expect_end(pair, &pair->client, status, detail);
        system_tls_expect_end(pair, &pair->server, EM_TLS_ALERT, "alert");
        assert_int_equal(pair->client.ready, 0);
        assert_int_equal(pair->client.info_at_end.is_verified, 0);
        assert_true(pair->client.info_at_end.peer_chain_count > 0);
        assert_int_equal(pair->client.info_at_end.verdict, status);
        assert_int_equal(bytes_length(&pair->server.received), 0);
    }
    system_tls_finish(pair);
}

/* A certificate by the tests' authority. */
static char *make_pem(const certificate_recipe *recipe)
{
    test_certificate made = certificate_make(recipe, &tls_test_credentials()->authority);
    char *pem = tls_pem_of(&made);
    certificate_free(&made);
    return pem;
}

static void times_purposes_and_names_are_verified(void **state)
{
    static const struct {
        certificate_recipe recipe;
        const char *hostname;
        em_status status;
        const char *detail;
    } rows[] = {
        {{.alternative_names = "DNS:example.com"}, "example.com", EM_OK, ""},
        {{.alternative_names = "DNS:example.com", .valid_from = -9 * DAY_SECONDS, .valid_until = -DAY_SECONDS},
         "example.com",
         EM_TLS_UNTRUSTED,
         "certificate has expired"},
        {{.alternative_names = "DNS:example.com", .valid_from = DAY_SECONDS, .valid_until = 2 * DAY_SECONDS},
         "example.com",
         EM_TLS_UNTRUSTED,
         "certificate is not yet valid"},
        {{.alternative_names = "DNS:example.com", .usage = "clientAuth"}, "example.com", EM_TLS_UNTRUSTED, "purpose"},
        {{.alternative_names = "DNS:example.net"}, "example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.common_name = "example.com"}, "example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.alternative_names = "DNS:*.example.com"}, "www.example.com", EM_OK, ""},
        {{.alternative_names = "DNS:*.example.com"}, "example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.alternative_names = "DNS:*.example.com"}, "a.b.example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.alternative_names = "DNS:www.*.com"}, "www.example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.alternative_names = "DNS:w*.example.com"}, "www.example.com", EM_TLS_WRONG_NAME, "hostname mismatch"},
        {{.alternative_names = "IP:127.0.0.1"}, "127.0.0.1", EM_OK, ""},
        {{.alternative_names = "IP:127.0.0.2"}, "127.0.0.1", EM_TLS_WRONG_NAME, "IP address mismatch"},
        {{.alternative_names = "DNS:127.0.0.1"}, "127.0.0.1", EM_TLS_WRONG_NAME, "IP address mismatch"},
        {{.alternative_names = "IP:0:0:0:0:0:0:0:1"}, "[::1]", EM_OK, ""},
    };
    for (unsigned i = 0; i < COUNT(rows); i++) {
        char *pem = make_pem(&rows[i].recipe);
        expect_verdict(serve_with(*state, pem, rows[i].hostname), rows[i].status, rows[i].detail);
        free(pem);
    }
}

static void certificates_of_strangers_are_refused(void **state)
{
    const certificate_recipe authority = {.common_name = "stranger", .is_authority = true};
    const certificate_recipe server = {.alternative_names = "DNS:example.com"};
    test_certificate stranger = certificate_make(&authority, NULL);
    test_certificate by_stranger = certificate_make(&server, &stranger);
    test_certificate by_itself = certificate_make(&server, NULL);
    char *pem = tls_pem_of(&by_stranger);
    expect_verdict(serve_with(*state, pem, "example.com"), EM_TLS_UNTRUSTED, "unable to get local issuer certificate");
    free(pem);
    pem = tls_pem_of(&by_itself);
    expect_verdict(serve_with(*state, pem, "example.com"), EM_TLS_UNTRUSTED, "self-signed certificate");
    free(pem);
    certificate_free(&by_itself);
    certificate_free(&by_stranger);
    certificate_free(&stranger);
}

/* A certificate by an intermediate authority: first without that of the authority, then with it. */
static void expect_chain(em_loop *loop, const char *constraints, em_status alone, em_status whole, const char *detail)
{
    const certificate_recipe between = {
        .common_name = "intermediate", .is_authority = true, .name_constraints = constraints};
    const certificate_recipe server = {.alternative_names = "DNS:example.com"};
    test_certificate intermediate = certificate_make(&between, &tls_test_credentials()->authority);
    test_certificate leaf = certificate_make(&server, &intermediate);
    char *leaf_pem = tls_pem_of(&leaf);
    char *intermediate_pem = certificate_pem(&intermediate);
    char *both_pem = text_join(leaf_pem, intermediate_pem);
    expect_verdict(serve_with(loop, leaf_pem, "example.com"), alone, "unable to get local issuer certificate");
    expect_verdict(serve_with(loop, both_pem, "example.com"), whole, detail);
    free(both_pem);
    free(intermediate_pem);
    free(leaf_pem);
    certificate_free(&leaf);
    certificate_free(&intermediate);
}

static void a_chain_must_be_whole(void **state)
{
    expect_chain(*state, NULL, EM_TLS_UNTRUSTED, EM_OK, "");
}

static void an_authority_for_other_names_is_not_enough(void **state)
{
    expect_chain(*state, "permitted;DNS:example.org", EM_TLS_UNTRUSTED, EM_TLS_UNTRUSTED,
                 "permitted subtree violation");
    expect_chain(*state, "excluded;DNS:example.com", EM_TLS_UNTRUSTED, EM_TLS_UNTRUSTED, "excluded subtree violation");
    expect_chain(*state, "permitted;DNS:example.com", EM_TLS_UNTRUSTED, EM_OK, "");
}

static void a_revoked_certificate_is_refused(void **state)
{
    const tls_credentials *credentials = tls_test_credentials();
    char *lists[] = {certificate_crl_pem(&credentials->authority, NULL),
                     certificate_crl_pem(&credentials->authority, &credentials->server)};
    for (unsigned is_revoked = 0; is_revoked < 2; is_revoked++) {
        system_tls_pair *pair = serve_with(*state, credentials->server_pem, "example.com");
        system_tls_set_client(pair, (em_tls_context_options){.crl_pem = lists[is_revoked]});
        expect_verdict(pair, is_revoked ? EM_TLS_UNTRUSTED : EM_OK, "certificate revoked");
        free(lists[is_revoked]);
    }
}

/* With crl_check_chain, each issuer needs a list of its own, and must not be revoked either. */
static void a_revoked_issuer_is_refused_if_the_chain_is_checked(void **state)
{
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe between = {.common_name = "intermediate", .is_authority = true};
    const certificate_recipe server = {.alternative_names = "DNS:example.com"};
    test_certificate intermediate = certificate_make(&between, &credentials->authority);
    test_certificate leaf = certificate_make(&server, &intermediate);
    char *texts[] = {tls_pem_of(&leaf), certificate_pem(&intermediate), certificate_crl_pem(&intermediate, NULL),
                     certificate_crl_pem(&credentials->authority, &intermediate)};
    char *chain = text_join(texts[0], texts[1]);
    char *lists = text_join(texts[2], texts[3]);
    for (unsigned checks = 0; checks < 2; checks++) {
        system_tls_pair *pair = serve_with(*state, chain, "example.com");
        system_tls_set_client(
            pair, (em_tls_context_options){.crl_pem = lists, .crl_check_chain = checks ? EM_ON : EM_DEFAULT});
        expect_verdict(pair, checks ? EM_TLS_UNTRUSTED : EM_OK, "certificate revoked");
    }
    free(chain);
    free(lists);
    for (unsigned i = 0; i < COUNT(texts); i++)
        free(texts[i]);
    certificate_free(&leaf);
    certificate_free(&intermediate);
}

/* Clients */

static void expect_client(em_loop *loop, const char *pem, em_status status, const char *detail)
{
    system_tls_pair *pair = system_tls_new_pair(loop);
    const em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    system_tls_set_server(pair, (em_tls_context_options){.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE,
                                                         .ca_pem = tls_test_credentials()->authority_pem});
    system_tls_set_client(pair, (em_tls_context_options){.certificate = pem ? &certificate : NULL});
    pair->client.greeting = "secret";
    system_tls_begin(pair, &system_tls_handler);
    if (status == EM_OK) {
        system_tls_await_bytes(pair, &pair->client, strlen("secret"));
        assert_int_equal(pair->server.info.is_verified, 1);
        assert_int_equal(pair->server.info.peer_chain_count, 1);
    } else {
        system_tls_expect_end(pair, &pair->server, status, detail);
        system_tls_expect_end(pair, &pair->client, EM_TLS_ALERT, "alert");
        assert_int_equal(pair->client.ready, 1); /* TLS 1.3: the client is done first */
        assert_int_equal(bytes_length(&pair->server.received), 0);
    }
    system_tls_finish(pair);
}

static int accept_none(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    (void)certificate;
    (void)user;
    return 0;
}

static void the_reason_says_once_that_the_program_has_rejected_the_certificate(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_set_client(
        pair, (em_tls_context_options){.ca_pem = tls_test_credentials()->authority_pem, .verify_peer = accept_none});
    system_tls_begin(pair, &system_tls_handler);
    system_tls_expect_end(pair, &pair->client, EM_TLS_REJECTED, em_status_get_text(EM_TLS_REJECTED));
    assert_null(strchr(pair->client.reason_text, '('));
    system_tls_finish(pair);
}

static void a_server_that_requires_certificates_serves_only_clients_with_a_good_one(void **state)
{
    const certificate_recipe good = {.common_name = "client", .usage = "clientAuth"};
    const certificate_recipe wrong_purpose = {.common_name = "client", .usage = "serverAuth"};
    test_certificate alone = certificate_make(&good, NULL);
    char *pems[] = {make_pem(&good), make_pem(&wrong_purpose), tls_pem_of(&alone)};
    expect_client(*state, pems[0], EM_OK, "");
    expect_client(*state, pems[1], EM_TLS_UNTRUSTED, "purpose");
    expect_client(*state, pems[2], EM_TLS_UNTRUSTED, "self-signed certificate");
    expect_client(*state, NULL, EM_TLS_UNTRUSTED, "peer did not return a certificate");
    certificate_free(&alone);
    for (unsigned i = 0; i < COUNT(pems); i++)
        free(pems[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(times_purposes_and_names_are_verified),
        SYSTEM_TEST(certificates_of_strangers_are_refused),
        SYSTEM_TEST(a_chain_must_be_whole),
        SYSTEM_TEST(an_authority_for_other_names_is_not_enough),
        SYSTEM_TEST(a_revoked_certificate_is_refused),
        SYSTEM_TEST(a_revoked_issuer_is_refused_if_the_chain_is_checked),
        SYSTEM_TEST(the_reason_says_once_that_the_program_has_rejected_the_certificate),
        SYSTEM_TEST(a_server_that_requires_certificates_serves_only_clients_with_a_good_one),
    };
    return SYSTEM_RUN(tests);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
