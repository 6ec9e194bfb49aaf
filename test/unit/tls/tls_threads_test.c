/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Contexts that several threads share, and processes that are forked meanwhile.
 */
#include "support/tls_pair.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tls/tls_private.h"

enum { THREADS = 3, ROUNDS = 30 };

typedef struct meeting_place {
    em_tls_context *client;
    em_tls_context *server;
    atomic_uint resumed;
    atomic_uint running;
} meeting_place;

static void *meet(void *argument)
{
    meeting_place *place = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        tls_pair pair;
        em_tls_info info;
        em_tls_context *shared;
        tls_pair_connect(&pair, place->client, place->server);
        tls_pair_check_text(&pair, &pair.client, &pair.server, "from a thread");
        emi_tls_get_info(pair.client.filter, &info);
        if (info.is_resumed)
            atomic_fetch_add(&place->resumed, 1);
        tls_pair_close(&pair);
        if (em_tls_context_create_shared(NULL, &shared) != EM_OK)
            stop_test("no shared context");
        em_tls_context_release(shared);
    }
    atomic_fetch_sub(&place->running, 1);
    return NULL;
}

static void threads_share_contexts_while_they_change(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    meeting_place place = {.client = tls_client_context(), .server = tls_server_context()};
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    const em_tls_ticket_key keys[2] = {{.name = "one"}, {.name = "two"}};
    atomic_init(&place.running, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, meet, &place), 0);
    for (unsigned i = 0; atomic_load(&place.running) > 0; i++) {
        assert_int_equal(em_tls_context_reload(place.server), EM_OK);
        assert_int_equal(em_tls_context_reload(place.client), EM_OK);
        assert_int_equal(em_tls_context_add_certificate(place.server, "example.com", &certificate), EM_OK);
        assert_int_equal(em_tls_context_set_ticket_keys(place.server, keys + i % 2, 1), EM_OK);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    em_tls_context_release(place.client);
    em_tls_context_release(place.server);
}

static void a_child_takes_over_a_lock_that_another_thread_held(void **state)
{
    (void)state;
    emi_tls_lock lock = {.holder = 0};
    emi_tls_lock_take(&lock);
    pid_t child = fork();
    if (child == 0) {
        emi_tls_lock_take(&lock);
        emi_tls_lock_give(&lock);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    emi_tls_lock_give(&lock);
}

/* The parent's peer does not notice what a child destroys. */
static void a_forked_child_sends_nothing(void **state)
{
    (void)state;
    em_tls_context *client = tls_client_context();
    em_tls_context *server = tls_server_context();
    tls_pair pair;
    tls_pair_connect(&pair, client, server);
    pid_t child = fork();
    if (child == 0) {
        emi_filter *filter = pair.server.filter;
        pair.server.filter = NULL;
        size_t before = filter->wire.bytes;
        filter->operations->destroy(filter);
        tls_pair other;
        tls_pair_connect(&other, client, server);
        tls_pair_close(&other);
        _exit(before == 0 && pair.server.pool.bytes == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tls_pair_check_text(&pair, &pair.client, &pair.server, "undisturbed");
    tls_pair_close(&pair);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_share_contexts_while_they_change),
        TEST(a_child_takes_over_a_lock_that_another_thread_held),
        TEST(a_forked_child_sends_nothing),
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
