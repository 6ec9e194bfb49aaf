/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Ticket keys that all contexts of a process and of its forked children begin with. This cannot be undone, so the
 * program is about nothing else.
 */
#include "support/tls_resumption.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tls/tls_private.h"

static void *allocate(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(bytes);
}

static void *reallocate(void *memory, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(memory, bytes);
}

static void release(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* Comes first. OpenSSL takes functions for memory until it has allocated some, CRYPTO_set_mem_functions(3). */
static void to_share_keys_does_not_initialise_openssl(void **state)
{
    (void)state;
    assert_int_equal(em_tls_share_ticket_keys(), EM_OK);
    assert_int_equal(em_tls_share_ticket_keys(), EM_OK);
    assert_int_equal(CRYPTO_set_mem_functions(allocate, reallocate, release), 1);
}

static em_tls_ticket_key newest_key(void)
{
    emi_tls_tickets tickets;
    assert_int_equal(emi_tls_tickets_init(&tickets, EMI_TLS_TICKET_SECONDS), EM_OK);
    return tickets.keys[0];
}

/* The parent looks later, when an hour may have ended, but it still knows the key then. */
static void forked_processes_that_begin_later_derive_the_same_key(void **state)
{
    (void)state;
    int ends[2];
    em_tls_ticket_key key;
    emi_tls_tickets tickets;
    bool is_known = false;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        key = newest_key();
        _exit(write(ends[1], &key, sizeof key) == (ssize_t)sizeof key ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &key, sizeof key), sizeof key);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(emi_tls_tickets_init(&tickets, EMI_TLS_TICKET_SECONDS), EM_OK);
    for (unsigned i = 0; i < tickets.count; i++)
        is_known = is_known || memcmp(&tickets.keys[i], &key, sizeof key) == 0;
    assert_true(is_known);
    close(ends[0]);
    close(ends[1]);
}

static void contexts_whose_tickets_last_long_have_keys_of_their_own(void **state)
{
    (void)state;
    emi_tls_tickets tickets;
    em_tls_ticket_key common = newest_key();
    assert_int_equal(emi_tls_tickets_init(&tickets, 21600), EM_OK);
    assert_memory_not_equal(tickets.keys[0].secrets, common.secrets, sizeof common.secrets);
}

static void contexts_that_begin_with_common_keys_resume_each_others_sessions(void **state)
{
    (void)state;
    static const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (unsigned i = 0; i < COUNT(versions); i++) {
        em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
        em_tls_context *one = tls_resumption_server((em_tls_context_options){.size = 0});
        em_tls_context *two = tls_resumption_server((em_tls_context_options){.size = 0});
        const tls_resumption_wish wanted = {.hostname = NULL};
        tls_resumption_connect(client, one, wanted);
        assert_true(tls_resumption_connect(client, two, wanted));
        em_tls_context_release(client);
        em_tls_context_release(one);
        em_tls_context_release(two);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(to_share_keys_does_not_initialise_openssl),
        TEST(forked_processes_that_begin_later_derive_the_same_key),
        TEST(contexts_whose_tickets_last_long_have_keys_of_their_own),
        TEST(contexts_that_begin_with_common_keys_resume_each_others_sessions),
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
