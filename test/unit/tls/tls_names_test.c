/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers with several certificates: which name gets which, the choice of a context, and reloading.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Connects and returns the common name of the server's certificate, to be freed. */
static char *name_shown_to(em_tls_context *client, em_tls_context *server, const char *hostname)
{
    em_tls_options client_options = {.size = sizeof client_options, .context = client, .hostname = hostname};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    tls_pair pair = {.step = 0};
    em_tls_info info;
    assert_int_equal(tls_end_open(&pair.client, &client_options, false, NULL), EM_OK);
    assert_int_equal(tls_end_open(&pair.server, &server_options, true, NULL), EM_OK);
    tls_pair_run(&pair);
    emi_tls_get_info(pair.client.filter, &info);
    unsigned char der[3000];
    size_t length = emi_tls_get_peer_certificate(pair.client.filter, 0, EM_TLS_DER, der, sizeof der);
    char *name =
        pair.client.filter->is_ready ? certificate_name(der, length) : text_join(pair.client.filter->detail, "");
    tls_pair_close(&pair);
    return name;
}

static char *name_shown(em_tls_context *server, const char *hostname, em_tls_version version)
{
    em_tls_context_options options = {.size = sizeof options, .verify = EM_OFF, .max_version = version};
    em_tls_context *client = tls_context_make(&options);
    char *name = name_shown_to(client, server, hostname);
    em_tls_context_release(client);
    return name;
}

static void expect_name(em_tls_context *server, const char *hostname, const char *wanted)
{
    const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (size_t i = 0; i < COUNT(versions); i++) {
        char *name = name_shown(server, hostname, versions[i]);
        if (strcmp(name, wanted) != 0)
            stop_test("for %s: %s, wanted: %s", hostname, name, wanted);
        free(name);
    }
}

static void add(em_tls_context *context, const char *server_name, const char *common_name, bool is_rsa)
{
    const certificate_recipe recipe = {.common_name = common_name, .is_rsa = is_rsa};
    test_certificate certificate = certificate_make(&recipe, NULL);
    char *pem = tls_pem_of(&certificate);
    em_tls_certificate_options options = {.size = sizeof options, .certificate_pem = pem};
    assert_int_equal(em_tls_context_add_certificate(context, server_name, &options), EM_OK);
    free(pem);
    certificate_free(&certificate);
}

static void each_name_gets_its_certificate(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    add(server, "a.example.org", "exact", false);
    add(server, "*.example.org", "wildcard", false);
    add(server, "rsa.example.org", "rsa", true);
    expect_name(server, "a.example.org", "exact");
    expect_name(server, "A.Example.ORG", "exact");
    expect_name(server, "b.example.org", "wildcard");
    expect_name(server, "rsa.example.org", "rsa");
    expect_name(server, "a.b.example.org", "server");
    expect_name(server, "example.org", "server");
    expect_name(server, "192.0.2.1", "server");
    add(server, "a.example.org", "newer", false);
    expect_name(server, "a.example.org", "newer");
    em_tls_context_release(server);
}

/* A client that supports only RSA gets the RSA certificate. */
static void a_second_certificate_may_have_a_key_of_another_type(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    add(server, NULL, "rsa", true);
    expect_name(server, "example.com", "server");
    em_tls_context_options options = {.size = sizeof options,
                                      .verify = EM_OFF,
                                      .max_version = EM_TLS_1_2,
                                      .cipher_list = "ECDHE-RSA-AES128-GCM-SHA256"};
    em_tls_context *client = tls_context_make(&options);
    char *name = name_shown_to(client, server, "example.com");
    assert_string_equal(name, "rsa");
    free(name);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_certificate_that_cannot_be_added_changes_nothing(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    em_tls_certificate_options good = {.size = sizeof good, .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_certificate_options bad = {.size = sizeof bad, .certificate_pem = "nothing"};
    const char *const names[] = {"", "*", "a.*.org", "*.", "a*.org", "192.0.2.1", "a b"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(em_tls_context_add_certificate(server, names[i], &good), EM_INVALID_ARGUMENT);
    assert_int_equal(em_tls_context_add_certificate(server, "a.org", &bad), EM_TLS_BAD_CERTIFICATE);
    assert_int_equal(em_tls_context_add_certificate(server, "a.org", NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_tls_context_add_certificate(NULL, "a.org", &good), EM_INVALID_ARGUMENT);
    assert_int_equal(em_tls_context_reload(server), EM_OK);
    expect_name(server, "a.org", "server");
    em_tls_context_release(server);
}

static em_status open_client(em_tls_context *client, const char *hostname, const char *server_name)
{
    tls_end end;
    em_tls_options options = {
        .size = sizeof options, .context = client, .hostname = hostname, .server_name = server_name};
    em_status status = tls_end_open(&end, &options, false, NULL);
    tls_end_close(&end);
    return status;
}

static void malformed_names_are_refused_with_option_and_value(void **state)
{
    (void)state;
    char long_name[400];
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    em_tls_certificate_options good = {.size = sizeof good, .certificate_pem = tls_test_credentials()->server_pem};
    memset(long_name, '\n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(open_client(client, "exam ple.com", NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT),
                        "hostname \"exam ple.com\": not a host name in ASCII and not an IP address");
    assert_int_equal(open_client(client, "example.com", "\xc3\xa4.com\n\""), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT),
                        "server_name \"\\xc3\\xa4.com\\x0a\\x22\": not a host name in ASCII and not an IP address");
    assert_int_equal(open_client(client, long_name, NULL), EM_INVALID_ARGUMENT);
    assert_null(strchr(em_status_get_detail(EM_INVALID_ARGUMENT), '\n'));
    assert_int_equal(em_tls_context_add_certificate(server, "a.*.org", &good), EM_INVALID_ARGUMENT);
    assert_non_null(strstr(em_status_get_detail(EM_INVALID_ARGUMENT), "server_name \"a.*.org\""));
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void unknown_names_are_refused_on_request(void **state)
{
    (void)state;
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {
        .size = sizeof options, .certificate = &certificate, .refuse_unknown_names = EM_ON};
    em_tls_context *server = tls_context_make(&options);
    add(server, "a.example.org", "exact", false);
    expect_name(server, "a.example.org", "exact");
    expect_name(server, "b.example.org", "alert 112: unrecognized name");
    expect_name(server, "192.0.2.1", "server"); /* an address is not sent */
    em_tls_context_release(server);
}

static em_tls_context *choose(em_connection *connection, const char *server_name, void *user)
{
    (void)connection;
    return server_name && strcmp(server_name, "other.example.org") == 0 ? user : NULL;
}

static void the_program_may_choose_the_context(void **state)
{
    (void)state;
    em_tls_context_options other_options = {.size = sizeof other_options, .self_signed = EM_ON};
    em_tls_context *other = tls_context_make(&other_options);
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {
        .size = sizeof options, .certificate = &certificate, .choose_context = choose, .user = other};
    em_tls_context *server = tls_context_make(&options);
    expect_name(server, "other.example.org", "localhost");
    expect_name(server, "example.org", "server");
    em_tls_context_release(server);
    em_tls_context_release(other);
}

static void the_chosen_context_verifies_the_client(void **state)
{
    (void)state;
    em_tls_context_options other_options = {.size = sizeof other_options,
                                            .self_signed = EM_ON,
                                            .ca_pem = tls_test_credentials()->authority_pem,
                                            .client_certificates = EM_TLS_CLIENT_CERTIFICATES_REQUIRE};
    em_tls_context *other = tls_context_make(&other_options);
    em_tls_context_options options = {
        .size = sizeof options, .self_signed = EM_ON, .choose_context = choose, .user = other};
    em_tls_context *server = tls_context_make(&options);
    em_tls_context_options client_options = {.size = sizeof client_options, .verify = EM_OFF};
    em_tls_context *client = tls_context_make(&client_options);
    em_tls_options ours = {.size = sizeof ours, .context = client, .hostname = "example.org"};
    em_tls_options theirs = {.size = sizeof theirs, .context = server};
    for (unsigned i = 0; i < 4; i++) {
        /* The client's key is the same for both names, so the session of the first is offered to the second. */
        tls_pair pair = {.step = 0};
        ours.hostname = "same";
        ours.server_name = i % 2 ? "other.example.org" : "example.org";
        assert_int_equal(tls_end_open(&pair.client, &ours, false, "peer"), EM_OK);
        assert_int_equal(tls_end_open(&pair.server, &theirs, true, NULL), EM_OK);
        tls_pair_run(&pair);
        assert_int_equal(pair.server.filter->is_ready, i % 2 == 0);
        tls_pair_close(&pair);
    }
    em_tls_context_release(server);
    em_tls_context_release(other);
    em_tls_context_release(client);
}

static void a_server_needs_a_certificate(void **state)
{
    (void)state;
    tls_end end;
    em_tls_context *client = tls_client_context();
    em_tls_options options = {.size = sizeof options, .context = client};
    assert_int_equal(tls_end_open(&end, &options, true, NULL), EM_TLS_BAD_CERTIFICATE);
    tls_end_close(&end);
    assert_int_equal(tls_end_open(&end, NULL, true, NULL), EM_TLS_BAD_CERTIFICATE);
    tls_end_close(&end);
    em_tls_context_release(client);
}

static void a_self_signed_certificate_needs_no_files(void **state)
{
    (void)state;
    em_tls_context_options options = {.size = sizeof options, .self_signed = EM_ON};
    em_tls_context *server = tls_context_make(&options);
    expect_name(server, "example.org", "localhost");
    em_tls_context_release(server);
}

/* Reloading */

static void reloading_takes_valid_files_and_otherwise_changes_nothing(void **state)
{
    (void)state;
    const certificate_recipe recipe = {.common_name = "renewed"};
    test_certificate renewed = certificate_make(&recipe, NULL);
    char *pem = tls_pem_of(&renewed);
    char *path = text_to_file("reload.pem", tls_test_credentials()->server_pem);
    char *named_path = text_to_file("named.pem", tls_test_credentials()->server_pem);
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_file = path};
    em_tls_certificate_options named = {.size = sizeof named, .certificate_file = named_path};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    em_tls_context *server = tls_context_make(&options);
    em_tls_context *client = tls_client_context();
    tls_pair pair;
    assert_int_equal(em_tls_context_add_certificate(server, "named.org", &named), EM_OK);
    tls_pair_connect(&pair, client, server);
    text_write(path, pem);
    expect_name(server, "example.com", "server");
    assert_int_equal(em_tls_context_reload(server), EM_OK);
    expect_name(server, "example.com", "renewed");
    expect_name(server, "named.org", "server");
    text_write(named_path, pem);
    text_write(path, "half a certifi");
    assert_int_equal(em_tls_context_reload(server), EM_TLS_BAD_CERTIFICATE);
    assert_non_null(strstr(em_status_get_detail(EM_TLS_BAD_CERTIFICATE), path));
    expect_name(server, "example.com", "renewed");
    expect_name(server, "named.org", "server");
    text_write(path, pem);
    assert_int_equal(em_tls_context_reload(server), EM_OK);
    expect_name(server, "named.org", "renewed");
    tls_pair_check_text(&pair, &pair.client, &pair.server, "undisturbed");
    tls_pair_close(&pair);
    em_tls_context_release(server);
    em_tls_context_release(client);
    remove(path);
    remove(named_path);
    free(path);
    free(named_path);
    free(pem);
    certificate_free(&renewed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_name_gets_its_certificate),
        TEST(a_second_certificate_may_have_a_key_of_another_type),
        TEST(a_certificate_that_cannot_be_added_changes_nothing),
        TEST(malformed_names_are_refused_with_option_and_value),
        TEST(unknown_names_are_refused_on_request),
        TEST(the_program_may_choose_the_context),
        TEST(the_chosen_context_verifies_the_client),
        TEST(a_server_needs_a_certificate),
        TEST(a_self_signed_certificate_needs_no_files),
        TEST(reloading_takes_valid_files_and_otherwise_changes_nothing),
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
