/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The programs of examples/c with TLS, run as child processes and talked to.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/features.h"
#include "support/certificates.h"
#include "support/example_program.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/tls_pair.h"

#if EMI_HAVE_OPENSSL

/* Files as a program has them, each for "localhost" from an authority of its own. */
typedef struct files {
    char *authority;
    char *certificate;
    char *key;
} files;

/* The same names every time, so that a second call replaces what the first one has written. */
static files make_files(void)
{
    const certificate_recipe issuer = {.common_name = "authority", .is_authority = true};
    const certificate_recipe subject = {.alternative_names = "DNS:localhost"};
    test_certificate authority = certificate_make(&issuer, NULL);
    test_certificate server = certificate_make(&subject, &authority);
    char *texts[] = {certificate_pem(&authority), certificate_pem(&server), certificate_key_pem(&server, NULL)};
    files made = {.authority = text_to_file("authority.pem", texts[0]),
                  .certificate = text_to_file("server.pem", texts[1]),
                  .key = text_to_file("server.key", texts[2])};
    for (unsigned i = 0; i < 3; i++)
        free(texts[i]);
    certificate_free(&server);
    certificate_free(&authority);
    return made;
}

static void free_files(files *made)
{
    char *const paths[] = {made->authority, made->certificate, made->key};
    for (unsigned i = 0; i < 3; i++) {
        remove(paths[i]);
        free(paths[i]);
    }
}

/* A verifying client says hello; it prints this and ends with that status. */
static void greet(const char *host, int port, const char *authority, const char *output, int status)
{
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    const char *const arguments[] = {host, text, "hello", authority, NULL};
    example_program client = example_start_with("tls_client", arguments);
    example_expect(client.output, output);
    assert_int_equal(example_finish(&client), status);
}

static void tls_client_talks_to_tls_echo_and_to_nobody_else(void **state)
{
    (void)state;
    files own = make_files();
    example_program echo = example_start("tls_echo", "0", own.certificate, own.key);
    int port = example_get_port(&echo);
    greet("localhost", port, own.authority, "hello\n", 0);
    greet("127.0.0.1", port, own.authority, "IP address mismatch (wanted: 127.0.0.1)", 1);
    example_expect(echo.output, "alert");
    greet("localhost", port, NULL, "unable to get local issuer certificate", 1);
    greet("localhost", port, "/nonexistent", "/nonexistent", 1);
    greet("localhost", system_closed_port(), own.authority, "Connection refused\n", 1);
    example_end(&echo);
    free_files(&own);
}

static void tls_echo_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_no_good(void **state)
{
    (void)state;
    files own = make_files();
    example_program echo = example_start("tls_echo", "0", own.certificate, own.key);
    int port = example_get_port(&echo);
    greet("localhost", port, own.authority, "hello\n", 0);
    files newer = make_files();
    greet("localhost", port, newer.authority, "tls_client: ", 1);
    assert_return_code(kill(echo.child, SIGHUP), errno);
    example_expect(echo.output, "reloaded\n");
    greet("localhost", port, newer.authority, "hello\n", 0);
    text_write(newer.certificate, "no certificate");
    assert_return_code(kill(echo.child, SIGHUP), errno);
    example_expect(echo.output, "(EM_TLS_BAD_CERTIFICATE)\n");
    greet("localhost", port, newer.authority, "hello\n", 0);
    example_end(&echo);
    free_files(&own);
    free_files(&newer);
}

static void tls_echo_keeps_its_connections_when_it_reloads(void **state)
{
    files own = make_files();
    example_program echo = example_start("tls_echo", "0", own.certificate, own.key);
    system_tls_pair *pair = system_tls_new_pair(*state);
    const em_tls_context_options options = {.size = sizeof options, .ca_file = own.authority};
    em_tls_context_release(pair->client.tls.context);
    pair->client.tls.context = tls_context_make(&options);
    pair->client.tls.hostname = "localhost";
    pair->client.greeting = "before";
    system_dial(*state, example_get_port(&echo), &system_tls_handler, &pair->client);
    system_tls_await_bytes(pair, &pair->client, strlen("before"));
    assert_return_code(kill(echo.child, SIGHUP), errno);
    example_expect(echo.output, "reloaded\n");
    em_connection_send_text(pair->client.connection, " and after");
    system_tls_await_bytes(pair, &pair->client, strlen("before and after"));
    assert_true(bytes_equal_text(&pair->client.received, "before and after"));
    em_connection_close(pair->client.connection);
    system_tls_expect_end(pair, &pair->client, EM_OK, "");
    system_tls_free(pair);
    example_end(&echo);
    free_files(&own);
}

static void tls_echo_says_what_is_wrong_with_its_files(void **state)
{
    (void)state;
    example_program echo = example_start("tls_echo", "0", "/nonexistent", "/nonexistent");
    example_expect(echo.output, "/nonexistent");
    assert_int_equal(example_finish(&echo), 1);
}

#else

static void without_openssl_the_tls_programs_say_so(void **state)
{
    (void)state;
    example_program echo = example_start("tls_echo", "0", "server.pem", "server.key");
    example_expect(echo.output, "eventmachine: built without OpenSSL: there is no TLS (EM_UNSUPPORTED)\n");
    assert_int_equal(example_finish(&echo), 1);
    example_program client = example_start("tls_client", "localhost", "8443", "hello");
    example_expect(client.output, "eventmachine: built without OpenSSL: there is no TLS (EM_UNSUPPORTED)\n");
    assert_int_equal(example_finish(&client), 1);
}

#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
#if EMI_HAVE_OPENSSL
        SYSTEM_TEST(tls_client_talks_to_tls_echo_and_to_nobody_else),
        SYSTEM_TEST(tls_echo_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_no_good),
        SYSTEM_TEST(tls_echo_keeps_its_connections_when_it_reloads),
        SYSTEM_TEST(tls_echo_says_what_is_wrong_with_its_files),
#else
        SYSTEM_TEST(without_openssl_the_tls_programs_say_so),
#endif
    };
    return SYSTEM_RUN(tests);
}
