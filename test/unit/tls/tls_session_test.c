/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sessions: what is resumed, and what must not be.
 */
#include "support/tls_resumption.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOTH = 2 };
static const em_tls_version versions[BOTH] = {EM_TLS_1_2, EM_TLS_1_3};

static void a_second_connection_is_resumed_whatever_the_end_was(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BOTH; i++)
        for (unsigned ends_badly = 0; ends_badly < 2; ends_badly++) {
            em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
            em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
            const tls_resumption_wish wanted = {.ends_badly = ends_badly};
            assert_false(tls_resumption_connect(client, server, wanted));
            for (unsigned round = 0; round < 20; round++)
                assert_true(tls_resumption_connect(client, server, wanted));
            em_tls_context_release(client);
            em_tls_context_release(server);
        }
}

static void getters_return_the_same_after_resumption(void **state)
{
    (void)state;
    const char *const protocols[] = {"h2", "http/1.1", NULL};
    for (unsigned i = 0; i < BOTH; i++) {
        em_tls_context *client =
            tls_resumption_client((em_tls_context_options){.max_version = versions[i], .alpn = protocols});
        em_tls_context *server = tls_resumption_server((em_tls_context_options){.alpn = protocols});
        for (int round = 0; round < 2; round++) {
            tls_pair pair;
            em_tls_info info;
            char pem[4000];
            tls_pair_connect(&pair, client, server);
            emi_tls_get_info(pair.client.filter, &info);
            assert_int_equal(info.is_resumed, round);
            assert_string_equal(info.alpn, "h2");
            assert_string_equal(info.server_name, "example.com");
            assert_true(info.is_verified);
            assert_int_equal(info.peer_chain_count, 1);
            size_t length = emi_tls_get_peer_certificate(pair.client.filter, 0, EM_TLS_PEM, pem, sizeof pem);
            assert_int_equal(length, strlen(pem));
            assert_int_equal(strncmp(pem, "-----BEGIN CERTIFICATE-----\n", 28), 0);
            emi_tls_get_info(pair.server.filter, &info);
            assert_string_equal(info.alpn, "h2");
            assert_string_equal(info.server_name, "example.com");
            tls_pair_close(&pair);
        }
        em_tls_context_release(client);
        em_tls_context_release(server);
    }
}

static void sessions_are_resumed_only_with_the_same_peer_and_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BOTH; i++) {
        em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
        em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
        const tls_resumption_wish first = {.hostname = NULL};
        const tls_resumption_wish other_peer = {.peer = "192.0.2.2:443"};
        const tls_resumption_wish other_name = {.hostname = "www.example.com"};
        assert_false(tls_resumption_connect(client, server, first));
        assert_false(tls_resumption_connect(client, server, other_peer));
        assert_false(tls_resumption_connect(client, server, other_name));
        assert_true(tls_resumption_connect(client, server, first));
        em_tls_context_release(client);
        em_tls_context_release(server);
    }
}

/* A server refuses a session that is offered for another name, RFC 6066, section 3. */
static void a_session_without_verification_is_never_resumed_with_it(void **state)
{
    (void)state;
    const certificate_recipe recipe = {.alternative_names = "DNS:example.com"};
    test_certificate alone = certificate_make(&recipe, NULL);
    char *pem = tls_pem_of(&alone);
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    em_tls_context_options server_options = {.size = sizeof server_options, .certificate = &certificate};
    em_tls_context *server = tls_context_make(&server_options);
    em_tls_context *lax = tls_resumption_client((em_tls_context_options){.verify = EM_OFF});
    em_tls_context *strict = tls_resumption_client((em_tls_context_options){.size = 0});
    const tls_resumption_wish wanted = {.hostname = "example.com"};
    tls_pair pair;
    tls_resumption_connect(lax, server, wanted);
    assert_true(tls_resumption_connect(lax, server, wanted));
    tls_pair_open(&pair, strict, server);
    tls_pair_run(&pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_UNTRUSTED);
    tls_pair_close(&pair);
    em_tls_context_release(server);
    em_tls_context_release(lax);
    em_tls_context_release(strict);
    free(pem);
    certificate_free(&alone);
}

static em_tls_ticket_key key_of(unsigned char number)
{
    em_tls_ticket_key key;
    memset(&key, number, sizeof key);
    return key;
}

/* Servers with the same keys, one of which asks for certificates. */
static void a_session_without_client_certificate_is_not_resumed_where_one_is_required(void **state)
{
    (void)state;
    const em_tls_ticket_key key = key_of(1);
    for (unsigned i = 0; i < BOTH; i++) {
        em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
        em_tls_context *open = tls_resumption_server((em_tls_context_options){.size = 0});
        em_tls_context *closed =
            tls_resumption_server((em_tls_context_options){.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE,
                                                           .ca_pem = tls_test_credentials()->authority_pem});
        tls_pair pair;
        em_tls_context_set_ticket_keys(open, &key, 1);
        em_tls_context_set_ticket_keys(closed, &key, 1);
        tls_resumption_connect(client, open, (tls_resumption_wish){.peer = "peer"});
        tls_pair_open(&pair, client, closed);
        tls_pair_run(&pair);
        assert_int_equal(pair.server.filter->failure, EM_TLS_UNTRUSTED);
        assert_false(pair.server.filter->is_ready);
        tls_pair_close(&pair);
        em_tls_context_release(client);
        em_tls_context_release(open);
        em_tls_context_release(closed);
    }
}

/* Another authority is trusted now, so a session verified by the old one is not resumed. */
static void a_session_is_not_resumed_after_its_authority_lost_trust(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe recipe = {.common_name = "another", .is_authority = true};
    test_certificate other = certificate_make(&recipe, NULL);
    char *other_pem = certificate_pem(&other);
    char *path = text_to_file("trusted.pem", credentials->authority_pem);
    em_tls_context_options options = {.size = sizeof options, .ca_file = path};
    em_tls_context *client = tls_context_make(&options);
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    tls_pair pair;
    tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"});
    assert_true(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"}));
    text_write(path, other_pem);
    assert_int_equal(em_tls_context_reload(client), EM_OK);
    tls_pair_open(&pair, client, server);
    tls_pair_run(&pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_UNTRUSTED);
    tls_pair_close(&pair);
    em_tls_context_release(client);
    em_tls_context_release(server);
    remove(path);
    free(path);
    free(other_pem);
    certificate_free(&other);
}

typedef struct witness {
    unsigned calls;
    int answer;
} witness;

static int see(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    witness *given = user;
    given->calls++;
    assert_int_equal(certificate->verdict, EM_OK);
    return given->answer;
}

/* OpenSSL sends no alert then. The peer, which has completed the handshake, must not take it for a good end. */
static void expect_cut(const tls_end *peer)
{
    assert_int_not_equal(peer->result, EMI_FILTER_ENDED);
    assert_int_not_equal(peer->filter->operations->check_end(peer->filter), EM_OK);
}

static void verify_peer_is_called_for_resumed_sessions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BOTH; i++) {
        witness seen = {.answer = 1};
        em_tls_context *client = tls_resumption_client(
            (em_tls_context_options){.max_version = versions[i], .verify_peer = see, .user = &seen});
        em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
        tls_pair pair;
        tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"});
        assert_int_equal(seen.calls, 2);
        assert_true(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"}));
        assert_int_equal(seen.calls, 3);
        seen.answer = 0;
        tls_pair_open(&pair, client, server);
        tls_pair_run(&pair);
        assert_int_equal(pair.client.filter->failure, EM_TLS_REJECTED);
        assert_false(pair.client.filter->is_ready);
        expect_cut(&pair.server);
        tls_pair_close(&pair);
        seen.answer = 1;
        assert_false(tls_resumption_connect(
            client, server, (tls_resumption_wish){.peer = "peer"})); /* no session of those is tried again */
        em_tls_context_release(client);
        em_tls_context_release(server);
    }
}

static void a_server_calls_verify_peer_for_resumed_clients(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = credentials->server_pem};
    for (unsigned i = 0; i < BOTH; i++) {
        witness seen = {.answer = 1};
        em_tls_context_options client_options = {.size = sizeof client_options,
                                                 .certificate = &certificate,
                                                 .ca_pem = credentials->authority_pem,
                                                 .max_version = versions[i]};
        em_tls_context *client = tls_context_make(&client_options);
        em_tls_context *server =
            tls_resumption_server((em_tls_context_options){.ca_pem = credentials->authority_pem,
                                                           .client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE,
                                                           .verify_peer = see,
                                                           .user = &seen});
        tls_pair pair;
        em_tls_info info;
        tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"});
        assert_int_equal(seen.calls, 2);
        tls_pair_connect(&pair, client, server);
        assert_int_equal(seen.calls, 3);
        emi_tls_get_info(pair.server.filter, &info);
        assert_true(info.is_resumed && info.is_verified);
        assert_int_equal(info.peer_chain_count, 1);
        tls_pair_close(&pair);
        seen.answer = 0;
        tls_pair_open(&pair, client, server);
        tls_pair_run(&pair);
        assert_int_equal(pair.server.filter->failure, EM_TLS_REJECTED);
        assert_int_equal(bytes_length(&pair.server.received), 0);
        expect_cut(&pair.client);
        tls_pair_close(&pair);
        em_tls_context_release(client);
        em_tls_context_release(server);
    }
}

static void a_client_keeps_a_bounded_number_of_sessions(void **state)
{
    (void)state;
    em_tls_context *client =
        tls_resumption_client((em_tls_context_options){.max_version = EM_TLS_1_2, .session_limit = 3});
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    char peer[40];
    for (unsigned i = 0; i < 5; i++) {
        snprintf(peer, sizeof peer, "peer %u", i);
        assert_false(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = peer}));
    }
    assert_true(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer 4"}));
    assert_true(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer 2"}));
    assert_false(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer 0"}));
    em_tls_context_release(client);
    em_tls_context_release(server);
}

/* Two connections at once never offer the same ticket; with two tickets both are resumed. */
static void each_ticket_is_used_once(void **state)
{
    (void)state;
    em_tls_context *client = tls_resumption_client((em_tls_context_options){.size = 0});
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    tls_pair pairs[3];
    em_tls_info info;
    tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"});
    for (unsigned i = 0; i < COUNT(pairs); i++) {
        tls_pair_open(&pairs[i], client, server);
        tls_end_receive(&pairs[i].client, NULL, 0);
        tls_end_receive(&pairs[i].server, NULL, 0);
    }
    for (unsigned i = 0; i < COUNT(pairs); i++) {
        tls_pair_run(&pairs[i]);
        emi_tls_get_info(pairs[i].client.filter, &info);
        assert_int_equal(info.is_resumed, i < 2);
        tls_pair_close(&pairs[i]);
    }
    em_tls_context_release(client);
    em_tls_context_release(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_connection_is_resumed_whatever_the_end_was),
        TEST(getters_return_the_same_after_resumption),
        TEST(sessions_are_resumed_only_with_the_same_peer_and_name),
        TEST(a_session_without_verification_is_never_resumed_with_it),
        TEST(a_session_without_client_certificate_is_not_resumed_where_one_is_required),
        TEST(a_session_is_not_resumed_after_its_authority_lost_trust),
        TEST(verify_peer_is_called_for_resumed_sessions),
        TEST(a_server_calls_verify_peer_for_resumed_clients),
        TEST(a_client_keeps_a_bounded_number_of_sessions),
        TEST(each_ticket_is_used_once),
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
