/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Memory of TLS: nothing leaks, and running out of memory is a status. All allocations of OpenSSL are counted here.
 */
#include "support/openssl_memory.h"
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

static int set_up(void **state)
{
    (void)state;
    deadline_start(600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    openssl_memory.fail_at = 0;
    deadline_stop();
    return 0;
}

static void meet(em_tls_context *client, em_tls_context *server)
{
    tls_pair pair;
    tls_pair_connect(&pair, client, server);
    tls_pair_check_text(&pair, &pair.client, &pair.server, "question");
    tls_pair_check_text(&pair, &pair.server, &pair.client, "answer");
    tls_pair_close(&pair);
}

static void a_thousand_handshakes_leak_nothing(void **state)
{
    (void)state;
    em_tls_context_options options = {
        .size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem, .session_tickets = EM_OFF};
    em_tls_context *client = tls_context_make(&options);
    em_tls_context *server = tls_server_context();
    for (unsigned i = 0; i < 10; i++)
        meet(client, server);
    long before = openssl_memory.live;
    for (unsigned i = 0; i < 1000; i++)
        meet(client, server);
    assert_int_equal(openssl_memory.live, before);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_thousand_resumed_handshakes_leak_nothing(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    for (unsigned i = 0; i < 10; i++)
        meet(client, server);
    long before = openssl_memory.live;
    for (unsigned i = 0; i < 1000; i++)
        meet(client, server);
    assert_true(openssl_memory.live - before < 20);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_thousand_failures_leak_nothing(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    em_tls_context_options options = {.size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem};
    em_tls_context *client = tls_context_make(&options);
    long before = 0;
    for (unsigned i = 0; i < 1010; i++) {
        tls_pair pair;
        if (i == 10)
            before = openssl_memory.live;
        tls_pair_open(&pair, client, server);
        pair.flip_at = 600 + i % 800;
        tls_pair_run(&pair);
        tls_pair_close(&pair);
    }
    assert_true(openssl_memory.live - before < 20);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void creating_and_freeing_contexts_leaks_nothing(void **state)
{
    (void)state;
    long before = 0;
    for (unsigned i = 0; i < 210; i++) {
        if (i == 10)
            before = openssl_memory.live;
        em_tls_context *server = tls_server_context();
        em_tls_context *client = tls_client_context();
        assert_int_equal(em_tls_context_reload(server), EM_OK);
        em_tls_context_release(client);
        em_tls_context_release(server);
    }
    assert_int_equal(openssl_memory.live, before);
}

static void replaced_certificates_are_freed(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    em_tls_certificate_options options = {.size = sizeof options,
                                          .certificate_pem = tls_test_credentials()->server_pem};
    long before = 0;
    for (unsigned i = 0; i < 110; i++) {
        if (i == 10)
            before = openssl_memory.live;
        assert_int_equal(em_tls_context_add_certificate(server, "example.org", &options), EM_OK);
    }
    assert_int_equal(openssl_memory.live, before);
    em_tls_context_release(server);
}

static void the_number_of_shared_contexts_is_bounded(void **state)
{
    (void)state;
    long before = 0;
    for (unsigned i = 0; i < 100; i++) {
        em_tls_certificate_options certificate = {.size = sizeof certificate,
                                                  .certificate_pem = tls_test_credentials()->server_pem};
        em_tls_context_options options = {
            .size = sizeof options, .certificate = &certificate, .ticket_seconds = 100 + i};
        em_tls_context *context;
        if (i == 40)
            before = openssl_memory.live;
        assert_int_equal(em_tls_context_create_shared(&options, &context), EM_OK);
        em_tls_context_release(context);
    }
    assert_int_equal(openssl_memory.live, before);
}

/* The memory of an idle connection. The bound is generous, and the number is printed. */
static void an_idle_connection_needs_no_buffers(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    tls_pair first;
    tls_pair second;
    tls_pair_connect(&first, client, server);
    long before = openssl_memory.live_bytes;
    tls_pair_connect(&second, client, server);
    /* The server has none. OpenSSL gives the client one when the tickets arrive. */
    second.client.filter->operations->release_buffers(second.client.filter);
    long after_handshake = openssl_memory.live_bytes - before;
    for (unsigned i = 0; i < 2; i++)
        tls_pair_check_text(&second, &second.client, &second.server, "message");
    long with_buffers = openssl_memory.live_bytes - before;
    second.client.filter->operations->release_buffers(second.client.filter);
    second.server.filter->operations->release_buffers(second.server.filter);
    long at_rest = openssl_memory.live_bytes - before;
    print_message("two sides: %ld bytes, with data %ld, at rest %ld\n", after_handshake, with_buffers, at_rest);
    assert_true(after_handshake < 32000);
    assert_true(at_rest < 32000);
    assert_true(with_buffers > at_rest + 32000);
    tls_pair_close(&first);
    tls_pair_close(&second);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_server_waits_for_the_client_without_a_buffer(void **state)
{
    (void)state;
    em_tls_context *server = tls_server_context();
    const em_tls_options options = {.size = sizeof options, .context = server};
    tls_end end;
    long before = openssl_memory.live_bytes;
    assert_int_equal(tls_end_open(&end, &options, true, NULL), EM_OK);
    tls_end_receive(&end, NULL, 0);
    assert_int_equal(end.result, EMI_FILTER_STARVED);
    assert_true(openssl_memory.live_bytes - before < 16000);
    tls_end_close(&end);
    em_tls_context_release(server);
}

/* OpenSSL itself allocates a few bytes for each record. */
static void messages_allocate_no_buffers_in_steady_state(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    tls_pair pair;
    tls_pair_connect(&pair, client, server);
    for (unsigned i = 0; i < 10; i++) {
        tls_pair_check_text(&pair, &pair.client, &pair.server, "warm");
        tls_pair_check_text(&pair, &pair.server, &pair.client, "warm");
    }
    unsigned long before = openssl_memory.large;
    for (unsigned i = 0; i < 100; i++) {
        tls_pair_check_text(&pair, &pair.client, &pair.server, "message");
        tls_pair_check_text(&pair, &pair.server, &pair.client, "message");
    }
    assert_int_equal(openssl_memory.large, before);
    tls_pair_close(&pair);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

/* Each allocation of the loop fails in turn. */

static bool is_out_of_memory(const tls_end *end)
{
    return end->filter->failure == EM_NO_MEMORY && strcmp(end->filter->detail, "out of memory") == 0;
}

static void a_filter_fails_with_a_status_when_memory_of_the_loop_runs_out(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    bool has_failed = true;
    for (unsigned long n = 1; has_failed; n++) {
        tls_pair pair;
        tls_pair_open(&pair, client, server);
        failing_allocator_fail(&pair.server.allocator, n, EM_ON);
        emi_outbox_pool_clear(&pair.server.pool);
        tls_pair_run(&pair);
        static unsigned char much[20000];
        if (pair.server.filter->is_ready && pair.server.filter->failure == EM_OK)
            tls_end_send(&pair.server, much, sizeof much);
        tls_pair_run(&pair);
        has_failed = atomic_load(&pair.server.allocator.failures) > 0;
        assert_int_equal(has_failed, is_out_of_memory(&pair.server));
        assert_true(has_failed || bytes_length(&pair.client.received) == sizeof much);
        failing_allocator_fail(&pair.server.allocator, 0, EM_OFF);
        tls_pair_close(&pair);
        assert_true(n < 100);
    }
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_filter_is_not_created_without_memory(void **state)
{
    (void)state;
    tls_end end = {.result = EMI_FILTER_PROGRESS};
    em_tls_context *server = tls_server_context();
    em_tls_options options = {.size = sizeof options, .context = server};
    failing_allocator_init(&end.allocator);
    failing_allocator_fail(&end.allocator, 1, EM_ON);
    emi_outbox_pool_init(&end.pool, &end.allocator.allocator, 0);
    const emi_tls_opening opening = {
        .options = &options, .is_server = true, .memory = &end.allocator.allocator, .wire_pool = &end.pool};
    assert_int_equal(emi_tls_open(&opening, &end.filter), EM_NO_MEMORY);
    assert_null(end.filter);
    tls_end_close(&end);
    em_tls_context_release(server);
}

/* Each allocation of OpenSSL fails in turn: any status is allowed, but no crash, and a text says why. */

static void a_handshake_fails_once_when_openssl_runs_out_of_memory(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    meet(client, server);
    bool has_failed = true;
    unsigned failures = 0;
    for (unsigned long n = 1; has_failed && n < 5000; n++) {
        tls_pair pair = {.step = 0};
        em_tls_options client_options = {.size = sizeof client_options, .context = client, .hostname = "example.com"};
        em_tls_options server_options = {.size = sizeof server_options, .context = server};
        openssl_memory.fail_at = openssl_memory.request + n;
        em_status ours = tls_end_open(&pair.client, &client_options, false, "peer");
        em_status theirs = tls_end_open(&pair.server, &server_options, true, NULL);
        assert_true(ours == EM_OK || ours == EM_NO_MEMORY);
        assert_true(theirs == EM_OK || theirs == EM_NO_MEMORY);
        if (ours == EM_OK && theirs == EM_OK)
            tls_pair_run(&pair);
        has_failed = openssl_memory.request >= openssl_memory.fail_at;
        openssl_memory.fail_at = 0;
        if (ours == EM_OK && theirs == EM_OK && pair.client.filter->failure != EM_OK) {
            failures++;
            assert_non_null(pair.client.filter->detail);
        }
        tls_end_close(&pair.client);
        tls_end_close(&pair.server);
    }
    assert_false(has_failed);
    assert_true(failures > 10);
    meet(client, server);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

static void a_context_is_not_created_when_openssl_runs_out_of_memory(void **state)
{
    (void)state;
    const tls_credentials *credentials = tls_test_credentials();
    const char *const protocols[] = {"h2", NULL};
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = credentials->server_pem};
    em_tls_context_options options = {
        .size = sizeof options, .certificate = &certificate, .ca_pem = credentials->authority_pem, .alpn = protocols};
    bool has_failed = true;
    for (unsigned long n = 1; has_failed && n < 20000; n += 3) {
        em_tls_context *context = NULL;
        openssl_memory.fail_at = openssl_memory.request + n;
        em_status status = em_tls_context_create(&options, &context);
        has_failed = openssl_memory.request >= openssl_memory.fail_at;
        openssl_memory.fail_at = 0;
        assert_int_equal(!context, status != EM_OK);
        assert_true(status == EM_OK || em_status_get_detail(status)[0]);
        em_tls_context_release(context);
    }
    assert_false(has_failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_handshakes_leak_nothing),
        TEST(a_thousand_resumed_handshakes_leak_nothing),
        TEST(a_thousand_failures_leak_nothing),
        TEST(creating_and_freeing_contexts_leaks_nothing),
        TEST(replaced_certificates_are_freed),
        TEST(the_number_of_shared_contexts_is_bounded),
        TEST(an_idle_connection_needs_no_buffers),
        TEST(a_server_waits_for_the_client_without_a_buffer),
        TEST(messages_allocate_no_buffers_in_steady_state),
        TEST(a_filter_fails_with_a_status_when_memory_of_the_loop_runs_out),
        TEST(a_filter_is_not_created_without_memory),
        TEST(a_context_is_not_created_when_openssl_runs_out_of_memory),
        TEST(a_handshake_fails_once_when_openssl_runs_out_of_memory),
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
