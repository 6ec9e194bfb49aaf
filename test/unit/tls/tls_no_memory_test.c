/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OpenSSL runs out of memory in the middle of everything that contexts and connections can do: nothing is left behind,
 * neither memory nor entries in the thread's queue of errors.
 */
#include "support/openssl_memory.h"
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

typedef struct fixture {
    char *crl;
    unsigned char *response;
    size_t response_bytes;
    em_tls_context *client;
    em_tls_context *chosen;
    em_tls_context *server;
} fixture;

static int set_up(void **state)
{
    static fixture made;
    const tls_credentials *credentials = tls_test_credentials();
    deadline_start(600);
    made = (fixture){.crl = certificate_crl_pem(&credentials->authority, NULL)};
    made.response = certificate_ocsp(&credentials->authority, &credentials->server, false, 3600, &made.response_bytes);
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    openssl_memory.fail_at = 0;
    free(made->crl);
    free(made->response);
    deadline_stop();
    return 0;
}

static int accept_all(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    (void)user;
    return certificate->der_bytes > 0;
}

static em_tls_context *choose(em_connection *connection, const char *server_name, void *user)
{
    (void)connection;
    (void)server_name;
    return ((const fixture *)user)->chosen;
}

static void ignore_line(em_connection *connection, const char *line, void *user)
{
    (void)connection;
    (void)line;
    (void)user;
}

static const char *const protocols[] = {"h2", "http/1.1", NULL};

/* A client and a server that use everything. What fails stays NULL. */
static em_status make_contexts(fixture *made)
{
    const tls_credentials *credentials = tls_test_credentials();
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = credentials->server_pem,
                                              .ocsp_response = made->response,
                                              .ocsp_response_bytes = made->response_bytes};
    em_tls_context_options options = {.size = sizeof options,
                                      .certificate = &certificate,
                                      .ca_pem = credentials->authority_pem,
                                      .crl_pem = made->crl,
                                      .client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK,
                                      .alpn = protocols,
                                      .groups = "P-256",
                                      .session_limit = 1,
                                      .ocsp = EM_ON,
                                      .verify_peer = accept_all,
                                      .key_log = ignore_line,
                                      .user = made};
    em_status status = em_tls_context_create(&options, &made->client);
    if (status == EM_OK)
        status = em_tls_context_create(&options, &made->chosen);
    options.choose_context = choose;
    if (status == EM_OK)
        status = em_tls_context_create(&options, &made->server);
    if (status == EM_OK)
        status = em_tls_context_add_certificate(made->chosen, "*.com", &certificate);
    return status == EM_OK ? em_tls_context_reload(made->chosen) : status;
}

static void release_contexts(fixture *made)
{
    em_tls_context_release(made->client);
    em_tls_context_release(made->chosen);
    em_tls_context_release(made->server);
    made->client = made->chosen = made->server = NULL;
}

static void look(const emi_filter *filter)
{
    em_tls_info info;
    size_t length;
    char pem[4000];
    emi_tls_get_info(filter, &info);
    for (unsigned i = 0; i < info.peer_chain_count; i++) {
        emi_tls_get_peer_certificate(filter, i, EM_TLS_PEM, pem, sizeof pem);
        emi_tls_get_peer_certificate(filter, i, EM_TLS_DER, pem, sizeof pem);
    }
    emi_tls_get_ocsp_response(filter, &length);
}

/* Returns whether both have opened, shaken hands and talked. */
static bool meet(fixture *made)
{
    tls_pair pair = {.step = 0};
    em_tls_options client = {.size = sizeof client, .context = made->client, .hostname = "example.com"};
    em_tls_options server = {.size = sizeof server, .context = made->server};
    bool is_open = tls_end_open(&pair.client, &client, false, "peer") == EM_OK;
    assert_true(is_open || strstr(em_status_get_detail(EM_NO_MEMORY), "memory"));
    is_open = tls_end_open(&pair.server, &server, true, NULL) == EM_OK && is_open;
    if (is_open) {
        tls_pair_run(&pair);
        is_open = pair.client.filter->is_ready && pair.server.filter->is_ready;
        look(pair.client.filter);
        look(pair.server.filter);
    }
    if (is_open) {
        tls_end_send(&pair.server, "text", 4);
        tls_pair_run(&pair);
        is_open = bytes_equal_text(&pair.client.received, "text");
    }
    tls_end_close(&pair.client);
    tls_end_close(&pair.server);
    return is_open;
}

/* What OpenSSL keeps for the process may be made again after a failure. Each connection and context has hundreds. */
static void check_nothing_left(long before, unsigned long n)
{
    enum { KEPT_BY_OPENSSL = 50 };
    if (ERR_peek_error() != 0)
        stop_test("request %lu: %s is left in the queue", n, ERR_reason_error_string(ERR_peek_error()));
    if (openssl_memory.live - before > KEPT_BY_OPENSSL)
        stop_test("request %lu: %ld allocations are left", n, openssl_memory.live - before);
}

static void making_contexts_leaves_nothing_behind(void **state)
{
    enum { STRIDE = 199 };
    fixture *made = *state;
    bool has_failed = true;
    unsigned failures = 0;
    assert_int_equal(make_contexts(made), EM_OK);
    release_contexts(made);
    long before = openssl_memory.live;
    for (unsigned long n = 1; has_failed; n += STRIDE) {
        openssl_memory.fail_at = openssl_memory.request + n;
        failures += make_contexts(made) != EM_OK;
        release_contexts(made);
        has_failed = openssl_memory.request >= openssl_memory.fail_at;
        openssl_memory.fail_at = 0;
        check_nothing_left(before, n);
    }
    assert_true(failures > 5);
}

/* A full handshake and one that resumes it. */
static void handshakes_leave_nothing_behind(void **state)
{
    enum { STRIDE = 23 };
    fixture *made = *state;
    bool has_failed = true;
    unsigned failures = 0;
    assert_int_equal(make_contexts(made), EM_OK);
    assert_true(meet(made) && meet(made));
    long before = openssl_memory.live;
    for (unsigned long n = 1; has_failed; n += STRIDE) {
        openssl_memory.fail_at = openssl_memory.request + n;
        failures += !meet(made);
        failures += !meet(made);
        has_failed = openssl_memory.request >= openssl_memory.fail_at;
        openssl_memory.fail_at = 0;
        check_nothing_left(before, n);
    }
    assert_true(failures > 10);
    release_contexts(made);
}

static void asking_about_a_connection_leaves_nothing_behind(void **state)
{
    fixture *made = *state;
    tls_pair pair = {.step = 0};
    bool has_failed = true;
    assert_int_equal(make_contexts(made), EM_OK);
    tls_pair_connect(&pair, made->client, made->server);
    look(pair.client.filter);
    long before = openssl_memory.live;
    for (unsigned long n = 1; has_failed; n++) {
        openssl_memory.fail_at = openssl_memory.request + n;
        look(pair.client.filter);
        has_failed = openssl_memory.request >= openssl_memory.fail_at;
        openssl_memory.fail_at = 0;
        check_nothing_left(before, n);
    }
    tls_pair_close(&pair);
    release_contexts(made);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(making_contexts_leaves_nothing_behind),
        TEST(handshakes_leave_nothing_behind),
        TEST(asking_about_a_connection_leaves_nothing_behind),
    };
    openssl_memory_count();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
