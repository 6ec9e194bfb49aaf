/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Session tickets: their keys, which servers may share, and how they survive.
 */
#include "support/tls_resumption.h"
#include "support/unit.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BOTH = 2 };
static const em_tls_version versions[BOTH] = {EM_TLS_1_2, EM_TLS_1_3};

static void tickets_can_be_switched_off(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BOTH; i++) {
        em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
        em_tls_context *deaf =
            tls_resumption_client((em_tls_context_options){.max_version = versions[i], .session_tickets = EM_OFF});
        em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
        em_tls_context *without = tls_resumption_server((em_tls_context_options){.session_tickets = EM_OFF});
        const tls_resumption_wish wanted = {.hostname = NULL};
        tls_resumption_connect(client, without, wanted);
        assert_false(tls_resumption_connect(client, without, wanted));
        tls_resumption_connect(deaf, server, wanted);
        assert_false(tls_resumption_connect(deaf, server, wanted));
        em_tls_context_release(client);
        em_tls_context_release(deaf);
        em_tls_context_release(server);
        em_tls_context_release(without);
    }
}

static em_tls_ticket_key key_of(unsigned char number)
{
    em_tls_ticket_key key;
    memset(&key, number, sizeof key);
    return key;
}

static void servers_with_the_same_keys_resume_each_others_sessions(void **state)
{
    (void)state;
    const em_tls_ticket_key old = key_of(1);
    const em_tls_ticket_key both[] = {key_of(2), key_of(1)};
    const em_tls_ticket_key newer = key_of(2);
    for (unsigned i = 0; i < BOTH; i++) {
        em_tls_context *client = tls_resumption_client((em_tls_context_options){.max_version = versions[i]});
        em_tls_context *one = tls_resumption_server((em_tls_context_options){.size = 0});
        em_tls_context *two = tls_resumption_server((em_tls_context_options){.size = 0});
        const tls_resumption_wish wanted = {.hostname = NULL};
        tls_resumption_connect(client, one, wanted);
        assert_false(tls_resumption_connect(client, two, wanted));
        assert_int_equal(em_tls_context_set_ticket_keys(one, &old, 1), EM_OK);
        assert_int_equal(em_tls_context_set_ticket_keys(two, &old, 1), EM_OK);
        tls_resumption_connect(client, one, wanted);
        assert_true(tls_resumption_connect(client, two, wanted));
        assert_int_equal(em_tls_context_set_ticket_keys(two, both, 2), EM_OK);
        assert_true(tls_resumption_connect(client, two, wanted));
        /* The last connection got a ticket with the new key. */
        assert_int_equal(em_tls_context_set_ticket_keys(two, &newer, 1), EM_OK);
        assert_true(tls_resumption_connect(client, two, wanted));
        assert_int_equal(em_tls_context_set_ticket_keys(two, NULL, 0), EM_OK);
        assert_false(tls_resumption_connect(client, two, wanted));
        assert_true(tls_resumption_connect(client, two, wanted));
        em_tls_context_release(client);
        em_tls_context_release(one);
        em_tls_context_release(two);
    }
}

static void too_many_keys_are_refused(void **state)
{
    (void)state;
    em_tls_ticket_key keys[EM_TLS_MAX_TICKET_KEYS + 1] = {key_of(1)};
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    assert_int_equal(em_tls_context_set_ticket_keys(server, keys, EM_TLS_MAX_TICKET_KEYS + 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_tls_context_set_ticket_keys(server, NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_tls_context_set_ticket_keys(NULL, keys, 1), EM_INVALID_ARGUMENT);
    em_tls_context_release(server);
}

static void reloading_keeps_the_tickets(void **state)
{
    (void)state;
    em_tls_context *client = tls_resumption_client((em_tls_context_options){.size = 0});
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    const tls_resumption_wish wanted = {.hostname = NULL};
    tls_resumption_connect(client, server, wanted);
    assert_int_equal(em_tls_context_reload(server), EM_OK);
    assert_true(tls_resumption_connect(client, server, wanted));
    em_tls_context_release(client);
    em_tls_context_release(server);
}

/* In a forked server the context's own keys stay the same. */
static void forked_servers_resume_each_others_sessions(void **state)
{
    (void)state;
    em_tls_context *client = tls_resumption_client((em_tls_context_options){.size = 0});
    em_tls_context *server = tls_resumption_server((em_tls_context_options){.size = 0});
    tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"});
    pid_t child = fork();
    if (child == 0)
        _exit(tls_resumption_connect(client, server, (tls_resumption_wish){.peer = "peer"}) ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    em_tls_context_release(client);
    em_tls_context_release(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deadline_set_up, deadline_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tickets_can_be_switched_off),
        TEST(servers_with_the_same_keys_resume_each_others_sessions),
        TEST(too_many_keys_are_refused),
        TEST(reloading_keeps_the_tickets),
        TEST(forked_servers_resume_each_others_sessions),
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
