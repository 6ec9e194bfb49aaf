/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Contexts: refused options, certificates and keys, sharing, versions, the key log.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only way to take OpenSSL's random numbers away. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

static void expect_failure(em_tls_context_options options, em_status status, const char *text)
{
    em_tls_context *context;
    options.size = sizeof options;
    em_status returned = em_tls_context_create(&options, &context);
    const char *detail = em_status_get_detail(returned);
    if (returned != status || !strstr(detail, text))
        stop_test("%s: %s, wanted: %s", em_status_get_name(returned), detail, text);
    assert_null(context);
}

static int accept_all(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    (void)certificate;
    (void)user;
    return 1;
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const em_tls_certificate_options none = {.size = sizeof none};
    const em_tls_certificate_options twice = {.size = sizeof twice, .certificate_file = "a", .certificate_pem = "b"};
    const em_tls_certificate_options keys = {
        .size = sizeof keys, .certificate_pem = "a", .private_key_file = "b", .private_key_pem = "c"};
    const em_tls_certificate_options good = {.size = sizeof good,
                                             .certificate_pem = tls_test_credentials()->server_pem};
    const char *const empty[] = {"", NULL};
    const em_tls_context_options rows[] = {
        {.certificate = &none},
        {.certificate = &twice},
        {.certificate = &keys},
        {.certificate = &good, .self_signed = EM_ON},
        {.verify = (em_switch)3},
        {.verify_override = EM_ON},
        {.verify = EM_OFF, .verify_peer = accept_all},
        {.client_certificates = EM_TLS_CLIENT_CERTIFICATES_ASK},
        {.client_certificates = (em_tls_client_certificates)7},
        {.crl_check_chain = EM_ON},
        {.min_version = EM_TLS_1_3, .max_version = EM_TLS_1_2},
        {.min_version = (em_tls_version)3},
        {.versions = EM_TLS_1_2, .min_version = EM_TLS_1_2},
        {.versions = 16},
        {.alpn = empty},
        {.session_limit = 4097},
        {.ticket_seconds = 604801},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_failure(rows[i], EM_INVALID_ARGUMENT, "");
    assert_int_equal(em_tls_context_create(NULL, NULL), EM_INVALID_ARGUMENT);
}

static void unknown_option_fields_are_refused(void **state)
{
    (void)state;
    struct {
        em_tls_context_options known;
        unsigned char unknown[8];
    } future = {.known = {.size = sizeof future}, .unknown = {1}};
    em_tls_context *context;
    assert_int_equal(em_tls_context_create(&future.known, &context), EM_INVALID_ARGUMENT);
    future.unknown[0] = 0;
    assert_int_equal(em_tls_context_create(&future.known, &context), EM_OK);
    em_tls_context_release(context);
}

static void an_unusable_option_is_refused_and_named(void **state)
{
    (void)state;
    char *garbage = text_to_file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect_failure((em_tls_context_options){.cipher_list = "NONSENSE"}, EM_TLS_BAD_OPTION, "cipher_list NONSENSE");
    expect_failure((em_tls_context_options){.cipher_suites = "TLS_X"}, EM_TLS_BAD_OPTION, "cipher_suites TLS_X");
    expect_failure((em_tls_context_options){.groups = "P-1"}, EM_TLS_BAD_OPTION, "groups P-1");
    expect_failure((em_tls_context_options){.dh_file = "/nowhere"}, EM_TLS_BAD_OPTION, "/nowhere: No such file");
    expect_failure((em_tls_context_options){.dh_file = garbage}, EM_TLS_BAD_OPTION, "no usable DH parameters");
    expect_failure((em_tls_context_options){.ca_file = "/nowhere"}, EM_TLS_BAD_CERTIFICATE, "/nowhere: No such file");
    expect_failure((em_tls_context_options){.ca_file = garbage}, EM_TLS_BAD_CERTIFICATE, garbage);
    expect_failure((em_tls_context_options){.ca_path = "/nowhere"}, EM_TLS_BAD_CERTIFICATE, "/nowhere");
    expect_failure((em_tls_context_options){.ca_pem = "nothing"}, EM_TLS_BAD_CERTIFICATE, "no usable certificate");
    expect_failure((em_tls_context_options){.crl_pem = "nothing"}, EM_TLS_BAD_CERTIFICATE, "revoked");
    expect_failure((em_tls_context_options){.min_version = EM_TLS_1_0}, EM_TLS_BAD_OPTION, "@SECLEVEL=0");
    remove(garbage);
    free(garbage);
}

static em_status load(em_tls_certificate_options certificate)
{
    em_tls_context *context;
    certificate.size = sizeof certificate;
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    em_status status = em_tls_context_create(&options, &context);
    assert_int_equal(!context, status != EM_OK);
    em_tls_context_release(context);
    return status;
}

static void expect_key_failure(em_tls_certificate_options certificate, em_status status, const char *text)
{
    assert_int_equal(load(certificate), status);
    const char *detail = em_status_get_detail(status);
    if (!strstr(detail, text) || strstr(detail, "sesam"))
        stop_test("\"%s\" does not say \"%s\", or too much", detail, text);
}

static void keys_are_read_and_checked_without_a_prompt_for_a_passphrase(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    char *pem = certificate_pem(&credentials->server);
    char *key = certificate_key_pem(&credentials->server, NULL);
    char *secret = certificate_key_pem(&credentials->server, "open sesame");
    char *other = certificate_key_pem(&credentials->authority, NULL);
    char *certificate_path = text_to_file("certificate.pem", pem);
    char *key_path = text_to_file("key.pem", secret);
    assert_int_equal(load((em_tls_certificate_options){.certificate_pem = pem, .private_key_pem = key}), EM_OK);
    assert_int_equal(load((em_tls_certificate_options){.certificate_file = certificate_path,
                                                       .private_key_file = key_path,
                                                       .passphrase = "open sesame"}),
                     EM_OK);
    remove(key_path);
    free(key_path);
    free(secret);
    expect_key_failure((em_tls_certificate_options){.certificate_pem = pem, .private_key_pem = other}, EM_TLS_BAD_KEY,
                       "the private key in the text given does not belong to the certificate in the text given");
    expect_key_failure((em_tls_certificate_options){.certificate_pem = pem}, EM_TLS_BAD_KEY,
                       "there is no private key in the text given");
    expect_key_failure((em_tls_certificate_options){.certificate_pem = pem, .private_key_file = "/nowhere"},
                       EM_TLS_BAD_KEY, "/nowhere: No such file");
    expect_key_failure((em_tls_certificate_options){.certificate_file = "/nowhere"}, EM_TLS_BAD_CERTIFICATE,
                       "/nowhere: No such file");
    expect_key_failure((em_tls_certificate_options){.certificate_pem = key}, EM_TLS_BAD_CERTIFICATE,
                       "no usable certificate");
    remove(certificate_path);
    free(certificate_path);
    free(pem);
    free(key);
    free(other);
}

static void what_is_wrong_with_a_file_is_said_with_its_name(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    char *pem = certificate_pem(&credentials->server);
    char *other = certificate_key_pem(&credentials->authority, NULL);
    char *certificate = text_to_file("certificate.pem", pem);
    char *key = text_to_file("key.pem", other);
    char wanted[400];
    em_tls_certificate_options options = {.certificate_file = certificate, .private_key_file = key};
    snprintf(wanted, sizeof wanted, "the private key in %s does not belong to the certificate in %s", key, certificate);
    expect_key_failure(options, EM_TLS_BAD_KEY, wanted);
    options.private_key_file = NULL;
    snprintf(wanted, sizeof wanted, "there is no private key in %s", certificate);
    expect_key_failure(options, EM_TLS_BAD_KEY, wanted);
    options.private_key_file = "/tmp";
    expect_key_failure(options, EM_TLS_BAD_KEY, "/tmp is a directory");
    options.certificate_file = "/tmp";
    expect_key_failure(options, EM_TLS_BAD_CERTIFICATE, "/tmp is a directory");
    expect_failure((em_tls_context_options){.ca_file = "/tmp"}, EM_TLS_BAD_CERTIFICATE, "/tmp is a directory");
    expect_failure((em_tls_context_options){.crl_file = "/tmp"}, EM_TLS_BAD_CERTIFICATE, "/tmp is a directory");
    expect_failure((em_tls_context_options){.dh_file = "/tmp"}, EM_TLS_BAD_OPTION, "/tmp is a directory");
    remove(certificate);
    remove(key);
    free(certificate);
    free(key);
    free(pem);
    free(other);
}

static void a_size_that_is_missing_is_named(void **state)
{
    (void)state;
    const em_tls_certificate_options sizeless = {.certificate_pem = "a"};
    em_tls_context_options options = {.verify = EM_ON};
    em_tls_context *context;
    assert_int_equal(em_tls_context_create(&options, &context), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), "em_tls_context_options: size is not set");
    options.size = 3;
    assert_int_equal(em_tls_context_create(&options, &context), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT),
                        "em_tls_context_options: size is not the size of the struct");
    options = (em_tls_context_options){.certificate = &sizeless};
    expect_failure(options, EM_INVALID_ARGUMENT, "em_tls_certificate_options: size is not set");
}

static void bad_ticket_keys_are_refused_in_words(void **state)
{
    (void)state;
    static const em_tls_ticket_key keys[EM_TLS_MAX_TICKET_KEYS + 1];
    em_tls_context *context = tls_client_context();
    em_tls_context *shared;
    assert_int_equal(em_tls_context_set_ticket_keys(context, keys, COUNT(keys)), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), "a context has at most 8 ticket keys");
    assert_int_equal(em_tls_context_set_ticket_keys(context, NULL, 1), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), "ticket keys are counted, but none are given");
    assert_int_equal(em_tls_context_create_shared(NULL, &shared), EM_OK);
    assert_int_equal(em_tls_context_set_ticket_keys(shared, keys, 1), EM_INVALID_STATE);
    assert_string_equal(em_status_get_detail(EM_INVALID_STATE), "a shared context cannot be changed");
    em_tls_context_release(context);
    em_tls_context_release(shared);
}

/* A source that gives none. */
static int no_bytes(unsigned char *bytes, int count)
{
    (void)bytes;
    (void)count;
    return 0;
}

static int no_status(void)
{
    return 0;
}

static void without_random_numbers_there_is_no_context(void **state)
{
    (void)state;
    static const RAND_METHOD none = {.bytes = no_bytes, .pseudorand = no_bytes, .status = no_status};
    assert_int_equal(RAND_set_rand_method(&none), 1);
    expect_failure((em_tls_context_options){.verify = EM_OFF}, EM_TLS_FAILED, "random numbers");
    assert_int_equal(RAND_set_rand_method(NULL), 1);
}

static void an_encrypted_key_without_its_passphrase_is_named(void **state)
{
    (void)state;
    char *pem = certificate_pem(&tls_test_credentials()->server);
    char *secret = certificate_key_pem(&tls_test_credentials()->server, "open sesame");
    char *both = text_join(pem, secret);
    char *path = text_to_file("key.pem", secret);
    char long_passphrase[5000] = "";
    memset(long_passphrase, 'x', sizeof long_passphrase - 1);
    em_tls_certificate_options in_file = {.certificate_pem = pem, .private_key_file = path};
    expect_key_failure(in_file, EM_TLS_BAD_KEY, "a passphrase is needed for the encrypted private key in");
    expect_key_failure(in_file, EM_TLS_BAD_KEY, path);
    const char *const wrong[] = {"wrong", "open sesam", ""};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        in_file.passphrase = wrong[i];
        expect_key_failure(in_file, EM_TLS_BAD_KEY, "wrong passphrase for the encrypted private key in");
        expect_key_failure(in_file, EM_TLS_BAD_KEY, path);
    }
    in_file.passphrase = long_passphrase;
    expect_key_failure(in_file, EM_TLS_BAD_KEY, "the passphrase is too long for the encrypted private key in");
    expect_key_failure((em_tls_certificate_options){.certificate_pem = both}, EM_TLS_BAD_KEY,
                       "a passphrase is needed for the encrypted private key in the text given");
    remove(path);
    free(path);
    free(pem);
    free(secret);
    free(both);
}

/* Sharing */

static void equal_options_share_a_context(void **state)
{
    (void)state;
    const char *const protocols[] = {"h2", NULL};
    em_tls_context_options options = {.size = sizeof options, .verify = EM_OFF, .alpn = protocols};
    em_tls_context *first;
    em_tls_context *second;
    em_tls_context *other;
    assert_int_equal(em_tls_context_create_shared(&options, &first), EM_OK);
    assert_int_equal(em_tls_context_create_shared(&options, &second), EM_OK);
    options.ticket_seconds = 60;
    assert_int_equal(em_tls_context_create_shared(&options, &other), EM_OK);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_int_equal(em_tls_context_reload(first), EM_INVALID_STATE);
    assert_int_equal(em_tls_context_set_ticket_keys(first, NULL, 0), EM_INVALID_STATE);
    em_tls_context_release(first);
    em_tls_context_release(second);
    em_tls_context_release(other);
}

static void a_changed_file_is_not_served_from_a_shared_context(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    char *path = text_to_file("shared.pem", credentials->server_pem);
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_file = path};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    em_tls_context *first;
    em_tls_context *second;
    em_tls_context *third;
    char *longer = text_join(credentials->server_pem, "\n");
    assert_int_equal(em_tls_context_create_shared(&options, &first), EM_OK);
    assert_int_equal(em_tls_context_create_shared(&options, &second), EM_OK);
    text_write(path, longer);
    assert_int_equal(em_tls_context_create_shared(&options, &third), EM_OK);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, third);
    em_tls_context_release(first);
    em_tls_context_release(second);
    em_tls_context_release(third);
    remove(path);
    free(path);
    free(longer);
}

static void count_call(void *user)
{
    ++*(unsigned *)user;
}

static void the_last_release_disposes_of_the_user_pointer(void **state)
{
    (void)state;
    unsigned calls = 0;
    em_tls_context_options options = {
        .size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem, .user = &calls, .dispose = count_call};
    em_tls_context *client = tls_context_make(&options);
    em_tls_context *server = tls_server_context();
    em_tls_context *shared;
    tls_pair pair;
    tls_pair_connect(&pair, client, server);
    em_tls_context_release(client);
    em_tls_context_release(server);
    assert_int_equal(calls, 0);
    tls_pair_check_text(&pair, &pair.client, &pair.server, "still here");
    tls_pair_close(&pair);
    assert_int_equal(calls, 1);
    assert_int_equal(em_tls_context_create_shared(&options, &shared), EM_INVALID_ARGUMENT);
    options.cipher_list = "NONSENSE";
    assert_int_equal(em_tls_context_create(&options, &shared), EM_TLS_BAD_OPTION);
    assert_int_equal(calls, 1);
}

/* Versions */

static void expect_version(em_tls_context_options client_options, em_tls_context_options server_options,
                           const char *wanted)
{
    tls_pair pair;
    em_tls_info info;
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    client_options.size = sizeof client_options;
    client_options.ca_pem = tls_test_credentials()->authority_pem;
    server_options.size = sizeof server_options;
    server_options.certificate = &certificate;
    em_tls_context *client = tls_context_make(&client_options);
    em_tls_context *server = tls_context_make(&server_options);
    tls_pair_open(&pair, client, server);
    tls_pair_run(&pair);
    emi_tls_get_info(pair.client.filter, &info);
    if (wanted)
        assert_string_equal(info.protocol, wanted);
    else
        assert_false(pair.client.filter->is_ready);
    tls_pair_close(&pair);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void exactly_the_allowed_versions_are_negotiated(void **state)
{
    (void)state;
    const em_tls_context_options none = {.size = 0};
    const em_tls_context_options old = {.versions = EM_TLS_1_0, .cipher_list = "ALL:@SECLEVEL=0"};
    const em_tls_context_options all = {
        .min_version = EM_TLS_1_0, .max_version = EM_TLS_1_3, .cipher_list = "ALL:@SECLEVEL=0"};
    const em_tls_context_options gap = {.versions = EM_TLS_1_1 | EM_TLS_1_3, .cipher_list = "ALL:@SECLEVEL=0"};
    expect_version(none, none, "TLSv1.3");
    expect_version((em_tls_context_options){.max_version = EM_TLS_1_2}, none, "TLSv1.2");
    expect_version(old, all, "TLSv1");
    expect_version(old, none, NULL);
    expect_version((em_tls_context_options){.versions = EM_TLS_1_2}, gap, NULL);
    expect_version(all, gap, "TLSv1.3");
    expect_version((em_tls_context_options){.versions = EM_TLS_1_1, .cipher_list = "ALL:@SECLEVEL=0"}, gap, "TLSv1.1");
}

static void log_line(em_connection *connection, const char *line, void *user)
{
    (void)connection;
    if (strncmp(line, "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", 32) == 0)
        ++*(unsigned *)user;
}

static void keys_are_logged_only_on_request(void **state)
{
    (void)state;
    unsigned lines = 0;
    em_tls_context_options options = {
        .size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem, .key_log = log_line, .user = &lines};
    em_tls_context *client = tls_context_make(&options);
    em_tls_context *server = tls_server_context();
    tls_pair pair;
    tls_pair_connect(&pair, client, server);
    tls_pair_close(&pair);
    assert_int_equal(lines, 1);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options_that_contradict_each_other_are_refused),
        TEST(unknown_option_fields_are_refused),
        TEST(an_unusable_option_is_refused_and_named),
        TEST(keys_are_read_and_checked_without_a_prompt_for_a_passphrase),
        TEST(what_is_wrong_with_a_file_is_said_with_its_name),
        TEST(a_size_that_is_missing_is_named),
        TEST(bad_ticket_keys_are_refused_in_words),
        TEST(without_random_numbers_there_is_no_context),
        TEST(an_encrypted_key_without_its_passphrase_is_named),
        TEST(equal_options_share_a_context),
        TEST(a_changed_file_is_not_served_from_a_shared_context),
        TEST(the_last_release_disposes_of_the_user_pointer),
        TEST(exactly_the_allowed_versions_are_negotiated),
        TEST(keys_are_logged_only_on_request),
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
