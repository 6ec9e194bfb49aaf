/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * choose_context: what the context that is returned decides, and what it cannot; and errors of OpenSSL's that callbacks
 * leave behind.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include "tls/tls_private.h"

typedef struct fixture {
    em_tls_context *client;
    em_tls_context *first;
    em_tls_context *chosen;
    tls_pair pair;
} fixture;

static int set_up(void **state)
{
    static fixture made;
    deadline_start(300);
    made = (fixture){.client = NULL};
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    deadline_stop();
    return 0;
}

static em_tls_context *choose(em_connection *connection, const char *server_name, void *user)
{
    (void)connection;
    (void)server_name;
    return user;
}

/* A server that always chooses another context than its first, and a client that verifies nothing. */
static void make(fixture *made, em_tls_context_options first, em_tls_context_options chosen,
                 em_tls_context_options client)
{
    first.size = chosen.size = client.size = sizeof client;
    first.self_signed = chosen.self_signed = EM_ON;
    client.verify = EM_OFF;
    made->client = tls_context_make(&client);
    made->chosen = tls_context_make(&chosen);
    first.choose_context = choose;
    first.user = made->chosen;
    made->first = tls_context_make(&first);
}

static void release(fixture *made)
{
    em_tls_context_release(made->client);
    em_tls_context_release(made->chosen);
    em_tls_context_release(made->first);
}

/* What a program's own use of OpenSSL may leave behind. */

static int accept_carelessly(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    (void)certificate;
    (void)user;
    ERR_raise(ERR_LIB_USER, 1);
    return 1;
}

static em_tls_context *choose_carelessly(em_connection *connection, const char *server_name, void *user)
{
    (void)connection;
    (void)server_name;
    ERR_raise(ERR_LIB_USER, 2);
    return user;
}

static void log_carelessly(em_connection *connection, const char *line, void *user)
{
    (void)connection;
    (void)line;
    (void)user;
    ERR_raise(ERR_LIB_USER, 3);
}

static void errors_that_a_callback_leaves_behind_are_nobodys(void **state)
{
    const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    fixture *made = *state;
    for (size_t i = 0; i < COUNT(versions); i++) {
        em_tls_context_options client = {.size = sizeof client,
                                         .verify = EM_OFF,
                                         .verify_override = EM_ON,
                                         .verify_peer = accept_carelessly,
                                         .key_log = log_carelessly,
                                         .versions = versions[i]};
        em_tls_context_options server = {
            .size = sizeof server, .self_signed = EM_ON, .choose_context = choose_carelessly};
        made->client = tls_context_make(&client);
        made->first = tls_context_make(&server);
        tls_pair_open(&made->pair, made->client, made->first);
        made->pair.step = 1;
        tls_pair_run(&made->pair);
        assert_true(made->pair.client.filter->is_ready && made->pair.server.filter->is_ready);
        assert_int_equal(ERR_peek_error(), 0);
        tls_pair_close(&made->pair);
        em_tls_context_release(made->client);
        em_tls_context_release(made->first);
    }
}

typedef struct row {
    em_tls_context_options first;
    em_tls_context_options chosen;
    em_tls_context_options client;
    const char *result; /* protocol, cipher and application protocol as far as they matter; NULL: no handshake */
} row;

static void check(fixture *made, const row *given, size_t number)
{
    char result[200];
    em_tls_info info;
    make(made, given->first, given->chosen, given->client);
    tls_pair_open(&made->pair, made->client, made->first);
    tls_pair_run(&made->pair);
    emi_tls_get_info(made->pair.client.filter, &info);
    snprintf(result, sizeof result, "%s %s %s", info.protocol ? info.protocol : "no protocol",
             info.cipher ? info.cipher : "no cipher", info.alpn ? info.alpn : "no alpn");
    if (made->pair.server.filter->is_ready != (given->result != NULL) ||
        !strstr(result, given->result ? given->result : ""))
        stop_test("row %zu: %s; %s", number, result,
                  made->pair.server.filter->detail ? made->pair.server.filter->detail : "no failure");
    tls_pair_close(&made->pair);
    release(made);
}

static void check_all(fixture *made, const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(made, &rows[i], i);
}

static void its_versions_count(void **state)
{
    static const char weak[] = "ALL:@SECLEVEL=0";
    const row rows[] = {
        {.first = {.versions = EM_TLS_1_3}, .chosen = {.versions = EM_TLS_1_2}, .result = "TLSv1.2"},
        {.first = {.versions = EM_TLS_1_2}, .chosen = {.versions = EM_TLS_1_3}, .result = "TLSv1.3"},
        {.first = {.max_version = EM_TLS_1_2}, .client = {.min_version = EM_TLS_1_3}, .result = "TLSv1.3"},
        {.first = {.min_version = EM_TLS_1_3}, .client = {.max_version = EM_TLS_1_2}, .result = "TLSv1.2"},
        {.chosen = {.min_version = EM_TLS_1_3}, .client = {.max_version = EM_TLS_1_2}},
        {.chosen = {.max_version = EM_TLS_1_2}, .client = {.min_version = EM_TLS_1_3}},
        {.chosen = {.versions = EM_TLS_1_0, .cipher_list = weak},
         .client = {.versions = EM_TLS_1_0, .cipher_list = weak},
         .result = "TLSv1 "},
        {.first = {.versions = EM_TLS_1_0, .cipher_list = weak},
         .client = {.versions = EM_TLS_1_0, .cipher_list = weak}},
    };
    check_all(*state, rows, COUNT(rows));
}

static void its_ciphers_count(void **state)
{
    static const char aes_128[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
    static const char aes_256[] = "ECDHE-ECDSA-AES256-GCM-SHA384";
    static const char chacha[] = "TLS_CHACHA20_POLY1305_SHA256";
    static const char suite[] = "TLS_AES_128_GCM_SHA256";
    const row rows[] = {
        {.first = {.cipher_list = aes_128},
         .chosen = {.cipher_list = aes_256},
         .client = {.max_version = EM_TLS_1_2},
         .result = aes_256},
        {.chosen = {.cipher_list = aes_128}, .client = {.max_version = EM_TLS_1_2}, .result = aes_128},
        {.first = {.cipher_list = aes_128},
         .client = {.max_version = EM_TLS_1_2, .cipher_list = aes_256},
         .result = aes_256},
        {.first = {.cipher_suites = suite}, .chosen = {.cipher_suites = chacha}, .result = chacha},
        {.chosen = {.cipher_suites = suite}, .result = suite},
        {.first = {.cipher_suites = suite}, .client = {.cipher_suites = chacha}, .result = chacha},
    };
    check_all(*state, rows, COUNT(rows));
}

/* OpenSSL has no way back to its default groups. */
static void its_groups_count_if_it_gives_some(void **state)
{
    const row rows[] = {
        {.first = {.groups = "P-256"}, .chosen = {.groups = "P-384"}, .client = {.groups = "P-384"}, .result = ""},
        {.first = {.groups = "P-384"}, .chosen = {.groups = "P-256"}, .client = {.groups = "P-384"}},
        {.chosen = {.groups = "P-256"}, .client = {.groups = "P-384"}},
        {.first = {.groups = "P-256"}, .client = {.groups = "P-384"}},
        {.first = {.groups = "P-256"}, .client = {.groups = "P-256"}, .result = ""},
    };
    check_all(*state, rows, COUNT(rows));
}

static void its_application_protocols_count(void **state)
{
    static const char *const one[] = {"one", NULL};
    static const char *const two[] = {"two", NULL};
    static const char *const both[] = {"one", "two", NULL};
    const row rows[] = {
        {.first = {.alpn = one}, .chosen = {.alpn = two}, .client = {.alpn = both}, .result = " two"},
        {.first = {.alpn = one}, .client = {.alpn = both}, .result = "no alpn"},
        {.chosen = {.alpn = one}, .client = {.alpn = two}},
    };
    check_all(*state, rows, COUNT(rows));
}

/* How many authorities the client is told of; -1: it is not asked for a certificate. */
static int count_authorities(fixture *made, const em_tls_context_options *first, const em_tls_context_options *chosen)
{
    make(made, *first, *chosen, (em_tls_context_options){.max_version = EM_TLS_1_2});
    tls_pair_open(&made->pair, made->client, made->first);
    tls_pair_run(&made->pair);
    const STACK_OF(X509_NAME) *names =
        SSL_get_client_CA_list(EMI_CONTAINER(made->pair.client.filter, emi_tls, filter)->ssl);
    int count = names ? sk_X509_NAME_num(names) : -1;
    assert_true(made->pair.server.filter->is_ready);
    tls_pair_close(&made->pair);
    release(made);
    return count;
}

static void its_authorities_are_named_to_clients(void **state)
{
    const em_tls_context_options asks = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK,
                                         .ca_pem = tls_test_credentials()->authority_pem};
    const em_tls_context_options asks_not = {.ca_pem = tls_test_credentials()->authority_pem};
    assert_int_equal(count_authorities(*state, &asks_not, &asks), 1);
    assert_int_equal(count_authorities(*state, &asks, &asks_not), -1);
}

static void expect_resumption(fixture *made, em_tls_context_options first, em_tls_context_options chosen, int wanted)
{
    const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (size_t i = 0; i < COUNT(versions); i++) {
        em_tls_info info;
        make(made, first, chosen, (em_tls_context_options){.versions = versions[i]});
        for (unsigned k = 0; k < 2; k++) {
            tls_pair_connect(&made->pair, made->client, made->first);
            tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "after the ticket");
            emi_tls_get_info(made->pair.client.filter, &info);
            tls_pair_close(&made->pair);
        }
        assert_int_equal(info.is_resumed, wanted);
        release(made);
    }
}

static void tickets_are_issued_if_both_allow_it(void **state)
{
    const em_tls_context_options on = {.session_tickets = EM_ON};
    const em_tls_context_options off = {.session_tickets = EM_OFF};
    expect_resumption(*state, on, on, 1);
    expect_resumption(*state, on, off, 0);
    expect_resumption(*state, off, on, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(errors_that_a_callback_leaves_behind_are_nobodys),
        TEST(its_versions_count),
        TEST(its_ciphers_count),
        TEST(its_groups_count_if_it_gives_some),
        TEST(its_application_protocols_count),
        TEST(its_authorities_are_named_to_clients),
        TEST(tickets_are_issued_if_both_allow_it),
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
