/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Verifying peers: a table of certificates, good and bad, and of names; what the program may say to it.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600, DAY = 24 * HOUR };

static int set_up(void **state)
{
    (void)state;
    deadline_start(300);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    deadline_stop();
    return 0;
}

/* A server with this certificate (and key and chain, in PEM), a client that trusts `authority`. */
typedef struct meeting {
    const char *server_pem;
    const char *authority_pem; /* NULL: the world's */
    const char *hostname;
    em_tls_context_options client; /* more for the client */
    em_tls_context_options server; /* more for the server */
    const char *client_pem;        /* the client's certificate */
} meeting;

static em_tls_context *make_context(em_tls_context_options options, const char *pem, const char *authority)
{
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    options.size = sizeof options;
    options.certificate = pem ? &certificate : NULL;
    if (!options.ca_pem)
        options.ca_pem = authority;
    return tls_context_make(&options);
}

static void meet(const meeting *given, tls_pair *pair)
{
    const char *authority = given->authority_pem ? given->authority_pem : tls_world_get()->authority_pem;
    em_tls_context *client = make_context(given->client, given->client_pem, authority);
    em_tls_context *server = make_context(given->server, given->server_pem, authority);
    em_tls_options client_options = {.size = sizeof client_options, .context = client, .hostname = given->hostname};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    *pair = (tls_pair){.step = 0};
    assert_int_equal(tls_end_open(&pair->client, &client_options, false, NULL), EM_OK);
    assert_int_equal(tls_end_open(&pair->server, &server_options, true, NULL), EM_OK);
    em_tls_context_release(client);
    em_tls_context_release(server);
    tls_pair_run(pair);
    if (pair->client.filter->is_ready && pair->client.filter->failure == EM_OK)
        tls_end_send(&pair->client, "data", 4);
    tls_pair_run(pair);
}

/* Meets, and the client ends with this status, and its text contains `detail`. */
static void expect(const meeting *given, em_status status, const char *detail)
{
    tls_pair pair;
    em_tls_info info;
    meet(given, &pair);
    if (pair.client.filter->failure != status)
        stop_test("%s for %s: %s", em_status_get_name(pair.client.filter->failure), given->hostname,
                  pair.client.filter->detail ? pair.client.filter->detail : "");
    emi_tls_get_info(pair.client.filter, &info);
    assert_int_equal(info.is_verified, status == EM_OK && given->client.verify != EM_OFF);
    assert_int_equal(bytes_length(&pair.server.received), status == EM_OK ? 4 : 0);
    if (status != EM_OK) {
        assert_int_equal(pair.server.filter->failure, EM_TLS_ALERT);
        if (!strstr(pair.client.filter->detail, detail))
            stop_test("\"%s\" does not say \"%s\"", pair.client.filter->detail, detail);
    }
    tls_pair_close(&pair);
}

/* Signed by the world's authority. */
static void expect_recipe(const certificate_recipe *recipe, const char *hostname, em_status status, const char *detail)
{
    test_certificate certificate = certificate_make(recipe, &tls_world_get()->authority);
    char *pem = tls_pem_of(&certificate);
    const meeting given = {.server_pem = pem, .hostname = hostname};
    expect(&given, status, detail);
    free(pem);
    certificate_free(&certificate);
}

static void names_are_compared_by_the_rules(void **state)
{
    (void)state;
    static const struct {
        const char *names;
        const char *hostname;
        em_status status;
    } rows[] = {
        {"DNS:example.com", "example.com", EM_OK},
        {"DNS:example.com", "EXAMPLE.com", EM_OK},
        {"DNS:EXAMPLE.COM", "example.com", EM_OK},
        {"DNS:example.com", "example.com.", EM_OK},
        {"DNS:example.com", "www.example.com", EM_TLS_WRONG_NAME},
        {"DNS:www.example.com", "example.com", EM_TLS_WRONG_NAME},
        {"DNS:example.com", "example.org", EM_TLS_WRONG_NAME},
        {"DNS:other.org,DNS:example.com", "example.com", EM_OK},
        {"DNS:*.example.com", "a.example.com", EM_OK},
        {"DNS:*.example.com", "example.com", EM_TLS_WRONG_NAME},
        {"DNS:*.example.com", "a.b.example.com", EM_TLS_WRONG_NAME},
        {"DNS:*", "localhost", EM_TLS_WRONG_NAME},
        {"DNS:*", "example.com", EM_TLS_WRONG_NAME},
        {"DNS:*.com", "example.com", EM_TLS_WRONG_NAME},
        {"DNS:a*.example.com", "ab.example.com", EM_TLS_WRONG_NAME},
        {"DNS:*a.example.com", "ba.example.com", EM_TLS_WRONG_NAME},
        {"DNS:w*w.example.com", "www.example.com", EM_TLS_WRONG_NAME},
        {"DNS:a.*.example.com", "a.b.example.com", EM_TLS_WRONG_NAME},
        {"DNS:example.*", "example.com", EM_TLS_WRONG_NAME},
        {"DNS:*.*.example.com", "a.b.example.com", EM_TLS_WRONG_NAME},
        {"DNS:*.xn--nxasmq6b.example.com", "a.xn--nxasmq6b.example.com", EM_OK},
        {"DNS:xn--*.example.com", "xn--nxasmq6b.example.com", EM_TLS_WRONG_NAME},
        {"IP:192.0.2.1", "192.0.2.1", EM_OK},
        {"IP:192.0.2.1", "192.0.2.2", EM_TLS_WRONG_NAME},
        {"DNS:192.0.2.1", "192.0.2.1", EM_TLS_WRONG_NAME},
        {"IP:192.0.2.1", "example.com", EM_TLS_WRONG_NAME},
        {"IP:2001:db8:0:0:0:0:0:1", "2001:db8::1", EM_OK},
        {"IP:2001:db8:0:0:0:0:0:1", "[2001:db8::1]", EM_OK},
        {"IP:fe80:0:0:0:0:0:0:1", "fe80::1%eth0", EM_OK},
        {"IP:2001:db8:0:0:0:0:0:1", "2001:db8::2", EM_TLS_WRONG_NAME},
        {"IP:192.0.2.1", "::ffff:192.0.2.1", EM_TLS_WRONG_NAME},
        {"email:a@example.com", "example.com", EM_TLS_WRONG_NAME},
        {"URI:https://example.com/", "example.com", EM_TLS_WRONG_NAME},
        {NULL, "example.com", EM_TLS_WRONG_NAME}, /* the common name is no host name */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const certificate_recipe recipe = {.common_name = "example.com", .alternative_names = rows[i].names};
        expect_recipe(&recipe, rows[i].hostname, rows[i].status, rows[i].hostname[0] == '[' ? "" : "mismatch");
    }
}

static void malformed_host_names_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "example.com..",
                                        ".example.com",
                                        "a..b",
                                        "ex ample",
                                        "b\xc3\xbc"
                                        "cher.example",
                                        "a/b",
                                        "*.example.com",
                                        "[::1",
                                        "a\nb",
                                        "user@host"};
    em_tls_context *context = tls_client_context();
    char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    for (size_t i = 0; i <= COUNT(names); i++) {
        tls_end end;
        em_tls_options options = {.size = sizeof options, .context = context};
        options.hostname = i < COUNT(names) ? names[i] : long_name;
        assert_int_equal(tls_end_open(&end, &options, false, NULL), EM_INVALID_ARGUMENT);
        assert_null(end.filter);
        assert_non_null(strstr(em_status_get_detail(EM_INVALID_ARGUMENT), "host name"));
        tls_end_close(&end);
    }
    em_tls_context_release(context);
}

static void a_client_that_verifies_needs_a_host_name(void **state)
{
    (void)state;
    tls_end end;
    em_tls_context *context = tls_client_context();
    em_tls_options options = {.size = sizeof options, .context = context, .server_name = "example.com"};
    assert_int_equal(tls_end_open(&end, &options, false, NULL), EM_TLS_NO_HOSTNAME);
    tls_end_close(&end);
    assert_int_equal(tls_end_open(&end, NULL, false, NULL), EM_TLS_NO_HOSTNAME);
    tls_end_close(&end);
    em_tls_context_release(context);
}

static void times_are_checked_and_told(void **state)
{
    (void)state;
    const certificate_recipe expired = {
        .alternative_names = "DNS:example.com", .valid_from = -2 * DAY, .valid_until = -HOUR};
    const certificate_recipe early = {.alternative_names = "DNS:example.com", .valid_from = HOUR, .valid_until = DAY};
    expect_recipe(&expired, "example.com", EM_TLS_UNTRUSTED, "certificate has expired (valid until 2");
    expect_recipe(&early, "example.com", EM_TLS_UNTRUSTED, "certificate is not yet valid (valid from 2");
    expect_recipe(&expired, "example.com", EM_TLS_UNTRUSTED, "the clock says 2");
}

static void a_certificate_for_clients_is_none_for_servers(void **state)
{
    (void)state;
    const certificate_recipe wrong = {.alternative_names = "DNS:example.com", .usage = "clientAuth"};
    const certificate_recipe right = {.alternative_names = "DNS:example.com", .usage = "serverAuth"};
    expect_recipe(&wrong, "example.com", EM_TLS_UNTRUSTED, "purpose");
    expect_recipe(&right, "example.com", EM_OK, "");
}

static void both_kinds_of_keys_work(void **state)
{
    (void)state;
    const certificate_recipe rsa = {.alternative_names = "DNS:example.com", .is_rsa = true};
    expect_recipe(&rsa, "example.com", EM_OK, "");
}

static void strangers_are_not_trusted(void **state)
{
    (void)state;
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    const certificate_recipe authority = {.common_name = "another", .is_authority = true};
    test_certificate alone = certificate_make(&leaf, NULL);
    test_certificate other = certificate_make(&authority, NULL);
    test_certificate stranger = certificate_make(&leaf, &other);
    char *alone_pem = tls_pem_of(&alone);
    char *alone_certificate = certificate_pem(&alone);
    char *stranger_pem = tls_pem_of(&stranger);
    meeting given = {.server_pem = alone_pem, .hostname = "example.com"};
    expect(&given, EM_TLS_UNTRUSTED, "self-signed certificate");
    given.authority_pem = alone_certificate;
    expect(&given, EM_OK, "");
    given = (meeting){.server_pem = stranger_pem, .hostname = "example.com"};
    expect(&given, EM_TLS_UNTRUSTED, "unable to get local issuer certificate");
    given.client.verify = EM_OFF;
    expect(&given, EM_OK, "");
    free(alone_pem);
    free(alone_certificate);
    free(stranger_pem);
    certificate_free(&alone);
    certificate_free(&other);
    certificate_free(&stranger);
}

typedef struct chain {
    test_certificate intermediate;
    test_certificate leaf;
    char *leaf_pem;         /* certificate and key */
    char *intermediate_pem; /* certificate */
    char *both_pem;
} chain;

static void make_chain(chain *made, const certificate_recipe *intermediate, const certificate_recipe *leaf)
{
    made->intermediate = certificate_make(intermediate, &tls_world_get()->authority);
    made->leaf = certificate_make(leaf, &made->intermediate);
    made->leaf_pem = tls_pem_of(&made->leaf);
    made->intermediate_pem = certificate_pem(&made->intermediate);
    made->both_pem = text_join(made->leaf_pem, made->intermediate_pem);
}

static void free_chain(chain *made)
{
    certificate_free(&made->intermediate);
    certificate_free(&made->leaf);
    free(made->leaf_pem);
    free(made->intermediate_pem);
    free(made->both_pem);
}

static void a_missing_intermediate_has_its_own_text(void **state)
{
    (void)state;
    chain made;
    const certificate_recipe intermediate = {.common_name = "intermediate", .is_authority = true};
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    make_chain(&made, &intermediate, &leaf);
    meeting given = {.server_pem = made.leaf_pem, .hostname = "example.com"};
    expect(&given, EM_TLS_UNTRUSTED, "unable to get local issuer certificate");
    given.server_pem = made.both_pem;
    expect(&given, EM_OK, "");
    free_chain(&made);
}

static void name_constraints_hold(void **state)
{
    (void)state;
    chain made;
    const certificate_recipe intermediate = {
        .common_name = "intermediate", .is_authority = true, .name_constraints = "permitted;DNS:example.org"};
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    make_chain(&made, &intermediate, &leaf);
    const meeting given = {.server_pem = made.both_pem, .hostname = "example.com"};
    expect(&given, EM_TLS_UNTRUSTED, "permitted subtree violation");
    free_chain(&made);
}

static void an_issuer_must_be_an_authority(void **state)
{
    (void)state;
    chain made;
    const certificate_recipe no_authority = {.common_name = "no authority"};
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    make_chain(&made, &no_authority, &leaf);
    const meeting given = {.server_pem = made.both_pem, .hostname = "example.com"};
    expect(&given, EM_TLS_UNTRUSTED, "invalid CA certificate");
    free_chain(&made);
}

static void an_expired_root_in_the_chain_does_no_harm(void **state)
{
    (void)state;
    const tls_world *world = tls_world_get();
    const certificate_recipe old = {
        .common_name = "authority", .is_authority = true, .valid_from = -9 * DAY, .valid_until = -DAY};
    test_certificate expired = certificate_make(&old, NULL);
    char *expired_pem = certificate_pem(&expired);
    char *chain_pem = text_join(world->server_pem, expired_pem);
    const meeting given = {.server_pem = chain_pem, .hostname = "example.com"};
    expect(&given, EM_OK, "");
    free(chain_pem);
    free(expired_pem);
    certificate_free(&expired);
}

static void revoked_certificates_are_refused(void **state)
{
    (void)state;
    const tls_world *world = tls_world_get();
    char *revoked = certificate_crl_pem(&world->authority, &world->server);
    char *none = certificate_crl_pem(&world->authority, NULL);
    char *path = text_to_file("crl.pem", revoked);
    meeting given = {.server_pem = world->server_pem, .hostname = "example.com", .client = {.crl_pem = none}};
    expect(&given, EM_OK, "");
    given.client.crl_pem = revoked;
    expect(&given, EM_TLS_UNTRUSTED, "certificate revoked");
    given.client = (em_tls_context_options){.crl_file = path};
    expect(&given, EM_TLS_UNTRUSTED, "certificate revoked");
    remove(path);
    free(path);
    free(revoked);
    free(none);
}

/* The program's answers. */

typedef struct answers {
    bool accepts;
    unsigned calls;
    unsigned last_depth;
    em_status worst;
    bool order_is_right; /* issuers before what they have issued */
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

static void the_program_can_reject_what_is_good(void **state)
{
    (void)state;
    answers given_answers = {.accepts = false};
    const meeting given = {.server_pem = tls_world_get()->server_pem,
                           .hostname = "example.com",
                           .client = {.verify_peer = answer, .user = &given_answers}};
    tls_pair pair;
    meet(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_REJECTED);
    assert_non_null(strstr(pair.client.filter->detail, "rejected"));
    assert_int_equal(pair.server.filter->failure, EM_TLS_ALERT);
    assert_int_equal(given_answers.calls, 1);
    assert_int_equal(given_answers.worst, EM_OK);
    tls_pair_close(&pair);
}

static void the_program_cannot_accept_what_is_bad(void **state)
{
    (void)state;
    answers given_answers = {.accepts = true};
    meeting given = {.server_pem = tls_world_get()->server_pem,
                     .hostname = "example.org",
                     .client = {.verify_peer = answer, .user = &given_answers}};
    expect(&given, EM_TLS_WRONG_NAME, "hostname mismatch");
    assert_int_equal(given_answers.worst, EM_TLS_WRONG_NAME);
    given.hostname = "example.com";
    expect(&given, EM_OK, "");
    assert_int_equal(given_answers.last_depth, 0);
    assert_true(given_answers.order_is_right);
}

static void the_program_decides_alone_if_it_asks_for_it(void **state)
{
    (void)state;
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    test_certificate alone = certificate_make(&leaf, NULL);
    char *pem = tls_pem_of(&alone);
    answers given_answers = {.accepts = true};
    meeting given = {
        .server_pem = pem,
        .hostname = "example.com",
        .client = {.verify = EM_OFF, .verify_override = EM_ON, .verify_peer = answer, .user = &given_answers}};
    tls_pair pair;
    em_tls_info info;
    meet(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_OK);
    assert_true(given_answers.calls >= 1);
    assert_int_equal(given_answers.worst, EM_TLS_UNTRUSTED);
    emi_tls_get_info(pair.client.filter, &info);
    assert_false(info.is_verified);
    assert_int_equal(info.verdict, EM_TLS_UNTRUSTED);
    assert_non_null(strstr(info.detail, "self-signed"));
    tls_pair_close(&pair);
    given_answers.accepts = false;
    meet(&given, &pair);
    assert_int_equal(pair.client.filter->failure, EM_TLS_REJECTED);
    tls_pair_close(&pair);
    free(pem);
    certificate_free(&alone);
}

/* Certificates of clients. */

static void a_server_that_requires_a_certificate_gets_one(void **state)
{
    (void)state;
    const tls_world *world = tls_world_get();
    const certificate_recipe recipe = {.common_name = "client", .usage = "clientAuth"};
    test_certificate client = certificate_make(&recipe, &world->authority);
    char *pem = tls_pem_of(&client);
    const meeting given = {.server_pem = world->server_pem,
                           .hostname = "example.com",
                           .client_pem = pem,
                           .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE}};
    tls_pair pair;
    em_tls_info info;
    meet(&given, &pair);
    assert_int_equal(pair.server.filter->failure, EM_OK);
    assert_true(bytes_equal_text(&pair.server.received, "data"));
    emi_tls_get_info(pair.server.filter, &info);
    assert_true(info.is_verified);
    assert_int_equal(info.peer_chain_count, 1);
    tls_pair_close(&pair);
    free(pem);
    certificate_free(&client);
}

/* What a client without a good certificate has sent is never seen, though its handshake is done (TLS 1.3). */
static void check_refused_client(const char *pem, em_tls_version version, const char *detail)
{
    const meeting given = {.server_pem = tls_world_get()->server_pem,
                           .hostname = "example.com",
                           .client_pem = pem,
                           .client = {.max_version = version},
                           .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE}};
    tls_pair pair;
    meet(&given, &pair);
    assert_int_equal(pair.server.filter->failure, EM_TLS_UNTRUSTED);
    assert_non_null(strstr(pair.server.filter->detail, detail));
    assert_int_equal(bytes_length(&pair.server.received), 0);
    assert_false(pair.server.filter->is_ready);
    assert_int_equal(pair.client.filter->failure, EM_TLS_ALERT);
    assert_int_equal(strncmp(pair.client.filter->detail, "alert ", 6), 0);
    tls_pair_close(&pair);
}

static void a_client_without_a_good_certificate_is_refused(void **state)
{
    (void)state;
    const certificate_recipe recipe = {.common_name = "client"};
    const certificate_recipe server_only = {.common_name = "client", .usage = "serverAuth"};
    test_certificate stranger = certificate_make(&recipe, NULL);
    test_certificate wrong = certificate_make(&server_only, &tls_world_get()->authority);
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

static void a_server_that_only_asks_serves_clients_without(void **state)
{
    (void)state;
    const meeting given = {.server_pem = tls_world_get()->server_pem,
                           .hostname = "example.com",
                           .server = {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK}};
    tls_pair pair;
    em_tls_info info;
    meet(&given, &pair);
    assert_true(bytes_equal_text(&pair.server.received, "data"));
    emi_tls_get_info(pair.server.filter, &info);
    assert_false(info.is_verified);
    assert_int_equal(info.peer_chain_count, 0);
    tls_pair_close(&pair);
}

/* The system's authorities. */

static void the_systems_authorities_are_the_default(void **state)
{
    (void)state;
    const tls_world *world = tls_world_get();
    char *path = text_to_file("system.pem", world->authority_pem);
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
        remove(path); /* it was read once */
    }
    em_tls_context_release(server);
    free(path);
}

/* Stapled responses. */

static void expect_response(const unsigned char *der, size_t length, em_switch is_required, em_status status,
                            const char *detail)
{
    const tls_world *world = tls_world_get();
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = world->server_pem,
                                              .ocsp_response = der,
                                              .ocsp_response_bytes = length};
    em_tls_context_options server_context = {.size = sizeof server_context, .certificate = &certificate};
    em_tls_context_options client_context = {
        .size = sizeof client_context, .ca_pem = world->authority_pem, .ocsp = EM_ON, .ocsp_require = is_required};
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
    const tls_world *world = tls_world_get();
    const certificate_recipe recipe = {.alternative_names = "DNS:example.com"};
    test_certificate other = certificate_make(&recipe, &world->authority);
    size_t length;
    unsigned char *good = certificate_ocsp(&world->authority, &world->server, false, HOUR, &length);
    expect_response(good, length, EM_ON, EM_OK, "");
    expect_response(good, length - 1, EM_OFF, EM_TLS_UNTRUSTED, "malformed");
    free(good);
    unsigned char *revoked = certificate_ocsp(&world->authority, &world->server, true, HOUR, &length);
    expect_response(revoked, length, EM_OFF, EM_TLS_UNTRUSTED, "revoked");
    free(revoked);
    unsigned char *old = certificate_ocsp(&world->authority, &world->server, false, -HOUR, &length);
    expect_response(old, length, EM_OFF, EM_TLS_UNTRUSTED, "out of date");
    free(old);
    unsigned char *of_other = certificate_ocsp(&world->authority, &other, false, HOUR, &length);
    expect_response(of_other, length, EM_OFF, EM_TLS_UNTRUSTED, "another certificate");
    free(of_other);
    expect_response(NULL, 0, EM_OFF, EM_OK, "");
    expect_response(NULL, 0, EM_ON, EM_TLS_UNTRUSTED, "no OCSP response");
    certificate_free(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_compared_by_the_rules),
        TEST(malformed_host_names_are_refused_at_once),
        TEST(a_client_that_verifies_needs_a_host_name),
        TEST(times_are_checked_and_told),
        TEST(a_certificate_for_clients_is_none_for_servers),
        TEST(both_kinds_of_keys_work),
        TEST(strangers_are_not_trusted),
        TEST(a_missing_intermediate_has_its_own_text),
        TEST(name_constraints_hold),
        TEST(an_issuer_must_be_an_authority),
        TEST(an_expired_root_in_the_chain_does_no_harm),
        TEST(revoked_certificates_are_refused),
        TEST(the_program_can_reject_what_is_good),
        TEST(the_program_cannot_accept_what_is_bad),
        TEST(the_program_decides_alone_if_it_asks_for_it),
        TEST(a_server_that_requires_a_certificate_gets_one),
        TEST(a_client_without_a_good_certificate_is_refused),
        TEST(a_server_that_only_asks_serves_clients_without),
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
