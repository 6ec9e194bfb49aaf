/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Verifying servers: tables of valid and invalid certificates, and of names.
 */
#include "support/tls_handshake.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long HOUR = 3600;
static const long DAY = 86400;

/* Signed by the tests' authority. */
static void expect_recipe(const certificate_recipe *recipe, const char *hostname, em_status status, const char *detail)
{
    test_certificate certificate = certificate_make(recipe, &tls_test_credentials()->authority);
    char *pem = tls_pem_of(&certificate);
    const tls_handshake given = {.server_pem = pem, .hostname = hostname};
    tls_handshake_expect(&given, status, detail);
    free(pem);
    certificate_free(&certificate);
}

static void names_are_compared_by_rfc_9525(void **state)
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
        {"IP:192.0.2.1", "192.0.2.1.", EM_OK},
        {"DNS:192.0.2.1", "192.0.2.1.", EM_TLS_WRONG_NAME},
        {"IP:192.0.2.1", "example.com", EM_TLS_WRONG_NAME},
        {"IP:2001:db8:0:0:0:0:0:1", "2001:db8::1", EM_OK},
        {"IP:2001:db8:0:0:0:0:0:1", "[2001:db8::1]", EM_OK},
        {"IP:fe80:0:0:0:0:0:0:1", "fe80::1%eth0", EM_OK},
        {"IP:2001:db8:0:0:0:0:0:1", "2001:db8::2", EM_TLS_WRONG_NAME},
        {"IP:192.0.2.1", "::ffff:192.0.2.1", EM_TLS_WRONG_NAME},
        {"email:a@example.com", "example.com", EM_TLS_WRONG_NAME},
        {"URI:https://example.com/", "example.com", EM_TLS_WRONG_NAME},
        {NULL, "example.com", EM_TLS_WRONG_NAME}, /* the common name is not used */
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
                                        "\xc3\xbc.example",
                                        "a/b",
                                        "*.example.com",
                                        "[::1",
                                        "a\nb",
                                        "user@host",
                                        " 192.0.2.1",
                                        "192.0. 2.1",
                                        "192.0.2.+1",
                                        "192.0.2.1.."};
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

static void dates_are_checked_and_reported(void **state)
{
    (void)state;
    const certificate_recipe expired = {
        .alternative_names = "DNS:example.com", .valid_from = -2 * DAY, .valid_until = -HOUR};
    const certificate_recipe early = {.alternative_names = "DNS:example.com", .valid_from = HOUR, .valid_until = DAY};
    expect_recipe(&expired, "example.com", EM_TLS_UNTRUSTED, "certificate has expired (valid until 2");
    expect_recipe(&early, "example.com", EM_TLS_UNTRUSTED, "certificate is not yet valid (valid from 2");
    expect_recipe(&expired, "example.com", EM_TLS_UNTRUSTED, "the clock says 2");
}

static void a_certificate_for_clients_is_not_valid_for_servers(void **state)
{
    (void)state;
    const certificate_recipe wrong = {.alternative_names = "DNS:example.com", .usage = "clientAuth"};
    const certificate_recipe right = {.alternative_names = "DNS:example.com", .usage = "serverAuth"};
    expect_recipe(&wrong, "example.com", EM_TLS_UNTRUSTED, "purpose");
    expect_recipe(&right, "example.com", EM_OK, "");
}

static void rsa_and_ecdsa_keys_work(void **state)
{
    (void)state;
    const certificate_recipe rsa = {.alternative_names = "DNS:example.com", .is_rsa = true};
    expect_recipe(&rsa, "example.com", EM_OK, "");
}

static void self_signed_and_unknown_authorities_are_not_trusted(void **state)
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
    tls_handshake given = {.server_pem = alone_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "self-signed certificate");
    given.authority_pem = alone_certificate;
    tls_handshake_expect(&given, EM_OK, "");
    given = (tls_handshake){.server_pem = stranger_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "unable to get local issuer certificate");
    given.client.verify = EM_OFF;
    tls_handshake_expect(&given, EM_OK, "");
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
    made->intermediate = certificate_make(intermediate, &tls_test_credentials()->authority);
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
    tls_handshake given = {.server_pem = made.leaf_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "unable to get local issuer certificate");
    given.server_pem = made.both_pem;
    tls_handshake_expect(&given, EM_OK, "");
    free_chain(&made);
}

static void name_constraints_are_enforced(void **state)
{
    (void)state;
    chain made;
    const certificate_recipe intermediate = {
        .common_name = "intermediate", .is_authority = true, .name_constraints = "permitted;DNS:example.org"};
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    make_chain(&made, &intermediate, &leaf);
    const tls_handshake given = {.server_pem = made.both_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "permitted subtree violation");
    free_chain(&made);
}

static void an_issuer_must_be_an_authority(void **state)
{
    (void)state;
    chain made;
    const certificate_recipe no_authority = {.common_name = "no authority"};
    const certificate_recipe leaf = {.alternative_names = "DNS:example.com"};
    make_chain(&made, &no_authority, &leaf);
    const tls_handshake given = {.server_pem = made.both_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "invalid CA certificate");
    free_chain(&made);
}

static void an_expired_root_in_the_chain_does_no_harm(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const certificate_recipe old = {
        .common_name = "authority", .is_authority = true, .valid_from = -9 * DAY, .valid_until = -DAY};
    test_certificate expired = certificate_make(&old, NULL);
    char *expired_pem = certificate_pem(&expired);
    char *chain_pem = text_join(credentials->server_pem, expired_pem);
    const tls_handshake given = {.server_pem = chain_pem, .hostname = "example.com"};
    tls_handshake_expect(&given, EM_OK, "");
    free(chain_pem);
    free(expired_pem);
    certificate_free(&expired);
}

static void revoked_certificates_are_refused(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    char *revoked = certificate_crl_pem(&credentials->authority, &credentials->server);
    char *none = certificate_crl_pem(&credentials->authority, NULL);
    char *path = text_to_file("crl.pem", revoked);
    tls_handshake given = {
        .server_pem = credentials->server_pem, .hostname = "example.com", .client = {.crl_pem = none}};
    tls_handshake_expect(&given, EM_OK, "");
    given.client.crl_pem = revoked;
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "certificate revoked");
    given.client = (em_tls_context_options){.crl_file = path};
    tls_handshake_expect(&given, EM_TLS_UNTRUSTED, "certificate revoked");
    remove(path);
    free(path);
    free(revoked);
    free(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_compared_by_rfc_9525),
        TEST(malformed_host_names_are_refused_at_once),
        TEST(a_client_that_verifies_needs_a_host_name),
        TEST(dates_are_checked_and_reported),
        TEST(a_certificate_for_clients_is_not_valid_for_servers),
        TEST(rsa_and_ecdsa_keys_work),
        TEST(self_signed_and_unknown_authorities_are_not_trusted),
        TEST(a_missing_intermediate_has_its_own_text),
        TEST(name_constraints_are_enforced),
        TEST(an_issuer_must_be_an_authority),
        TEST(an_expired_root_in_the_chain_does_no_harm),
        TEST(revoked_certificates_are_refused),
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
