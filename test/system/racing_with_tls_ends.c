/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How races of addresses that TLS decides end badly, or nearly: all servers are bad, the time is over, the program
 * rejects a certificate, closes or forks, the options make no sense.
 */
#include "base/features.h"
#include "support/system_secure_race.h"
#include "support/system_test.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include "support/system_peer.h"

enum { PAIR = 2 };

#define DELAY_NS (100 * EM_MILLISECONDS)

static void if_all_fail_the_reason_is_the_most_telling_and_lists_each_address(void **state)
{
    static const secure_server_kind kinds[] = {SECURE_REFUSED, SECURE_WRONG_NAME, SECURE_UNTRUSTED,
                                               SECURE_ALERT,   SECURE_PLAIN,      SECURE_CLOSES};
    static const char *const expected[] = {
        ": Connection refused",
        ": the peer's certificate does not match the host name (",
        ": the peer's certificate is not trusted (",
        ": the peer ended TLS with an alert (alert 40: handshake failure)",
        ": a TLS protocol error occurred (the peer does not speak TLS: the first bytes look like plain text)",
        ": connection truncated: the peer closed it without ending TLS (the peer has ended the connection in the hand",
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    secure_server *servers[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        servers[i] = secure_server_start(*state, kinds[i]);
    secure_client *client = secure_client_new();
    assert_int_equal(secure_client_dial(client, servers, KINDS), EM_OK);
    secure_client_await(*state, client, "IU");
    assert_int_equal(client->reason, EM_TLS_WRONG_NAME);
    for (size_t i = 0; i < KINDS; i++) {
        char address[EM_ADDRESS_TEXT_BYTES], text[256];
        em_address_to_text(&servers[i]->address, address, sizeof address);
        snprintf(text, sizeof text, "%s%s", address, expected[i]);
        if (!strstr(client->reason_text, text))
            fail_msg("%s is not in: %s", text, client->reason_text);
    }
    secure_race_finish(*state, client, servers, KINDS);
}

static void one_deadline_covers_it_all_and_names_the_stage(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_SILENT), secure_server_start(*state, SECURE_SILENT)};
    secure_client *client = secure_client_new();
    client->options.connect_timeout_ns = 300 * EM_MILLISECONDS;
    client->options.attempt_delay_ns = DELAY_NS;
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    secure_client_await(*state, client, "IU");
    assert_true(system_now_ns() - begun_ns >= 300 * EM_MILLISECONDS);
    assert_int_equal(client->reason, EM_TLS_HANDSHAKE_TIMEOUT);
    assert_non_null(strstr(client->reason_text, ": timed out during the TLS handshake (the peer has sent nothing)"));
    assert_int_equal(servers[1]->accepted, 1);
    secure_race_finish(*state, client, servers, PAIR);
}

static void each_handshake_has_a_time_of_its_own_as_well(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_SILENT), secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    client->tls.handshake_timeout_ns = 50 * EM_MILLISECONDS;
    client->options.attempt_delay_ns = EM_FOREVER;
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    while (servers[0]->closed == 0)
        system_turn(*state);
    secure_client_await(*state, client, "ICHD");
    secure_race_finish(*state, client, servers, PAIR);

    secure_server *silent[] = {secure_server_start(*state, SECURE_SILENT)};
    client = secure_client_new();
    client->tls.handshake_timeout_ns = 50 * EM_MILLISECONDS;
    assert_int_equal(secure_client_dial(client, silent, 1), EM_OK);
    secure_client_await(*state, client, "IU");
    assert_int_equal(client->reason, EM_TLS_HANDSHAKE_TIMEOUT);
    secure_race_finish(*state, client, silent, 1);
}

static em_address judged[PAIR + 1];

static int reject_the_first(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    unsigned *asked = user;
    assert_int_equal(em_connection_get_state(connection), EM_STATE_CONNECTING);
    assert_int_equal(em_connection_get_peer_address(connection, &judged[*asked]), EM_OK);
    return certificate->depth > 0 || (*asked)++ > 0;
}

static em_tls_context *asking_context(int (*verify_peer)(em_connection *, const em_tls_peer_certificate *, void *),
                                      void *user)
{
    em_tls_context_options options = {.size = sizeof options, .verify_peer = verify_peer, .user = user};
    return secure_client_context(options);
}

static void the_program_may_reject_an_address_by_its_certificate(void **state)
{
    unsigned asked = 0;
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD), secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    em_tls_context_release(client->tls.context);
    client->tls.context = asking_context(reject_the_first, &asked);
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    secure_client_await(*state, client, "ICHD");
    assert_int_equal(asked, 2);
    assert_memory_equal(&judged[0].storage, &servers[0]->address.storage, judged[0].length);
    assert_memory_equal(&judged[1].storage, &servers[1]->address.storage, judged[1].length);
    assert_int_equal(servers[0]->reason, EM_TLS_ALERT); /* it is told why */
    secure_race_finish(*state, client, servers, PAIR);
}

static int close_it(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)user;
    if (certificate->depth == 0)
        em_connection_close(connection);
    return 1;
}

static void the_program_may_close_the_connection_when_it_sees_a_certificate(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD), secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    em_tls_context_release(client->tls.context);
    client->tls.context = asking_context(close_it, NULL);
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    secure_client_await(*state, client, "IU");
    assert_int_equal(client->reason, EM_OK);
    while (servers[0]->closed == 0)
        system_turn(*state);
    assert_int_equal(servers[0]->ready, 0);
    secure_race_finish(*state, client, servers, PAIR);
}

/* Forks. The servers have a loop in the parent, the client has one of its own. */

typedef struct plan {
    em_loop *loop;
    secure_client *client;
    bool takes_over;
} plan;

static void go_on_in_child(void *user)
{
    const plan *made = user;
    if (made->takes_over) {
        system_child_check(em_loop_take_over(made->loop) == EM_OK, "the child takes the loop over");
        while (bytes_length(&made->client->received) < 7 && !made->client->ended)
            system_child_check(em_loop_run_once(made->loop, 10 * EM_MILLISECONDS) == EM_OK, "it turns");
        system_child_check(strcmp(made->client->events, "ICHD") == 0, "and is secured");
    }
    system_child_check(em_loop_destroy(made->loop) == EM_OK, "and ends");
    system_child_check(made->client->ended == 1, "with one unbind");
}

/* In the middle of two handshakes. */
static void handshakes_go_on_in_the_parent_or_in_a_child_that_takes_the_loop_over(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        plan made = {.client = secure_client_new(), .takes_over = i > 0};
        made.loop = system_create_loop((em_loop_options){.size = 0});
        secure_server *servers[] = {secure_server_start(*state, SECURE_SILENT),
                                    secure_server_start(*state, SECURE_LATE)};
        made.client->options.attempt_delay_ns = DELAY_NS;
        assert_int_equal(secure_client_dial_in(made.client, made.loop, servers, PAIR), EM_OK);
        while (servers[1]->accepted == 0) {
            system_turn(made.loop);
            system_turn(*state);
        }
        for (unsigned turns = 0; turns < 3; turns++)
            system_turn(made.loop);
        pid_t child = system_fork(go_on_in_child, &made);
        secure_server_begin(servers[1]);
        if (made.takes_over) {
            assert_int_equal(em_loop_hand_over(made.loop), EM_OK);
            assert_int_equal(em_loop_destroy(made.loop), EM_OK);
            while (servers[1]->closed == 0)
                system_turn(*state);
        } else {
            assert_int_equal(system_wait(child), 0);
            while (bytes_length(&made.client->received) < 7) {
                system_turn(made.loop);
                system_turn(*state);
            }
            assert_string_equal(made.client->events, "ICHD");
            assert_int_equal(em_loop_destroy(made.loop), EM_OK);
        }
        if (made.takes_over)
            assert_int_equal(system_wait(child), 0);
        secure_race_finish(*state, made.client, servers, PAIR);
    }
}

static void do_nothing(void *user)
{
    (void)user;
}

static int fork_at_the_last(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    (void)connection;
    (void)user;
    if (certificate->depth == 0)
        assert_int_equal(system_wait(system_fork(do_nothing, NULL)), 0);
    return 1;
}

static void a_fork_while_a_certificate_is_judged_does_not_disturb_it(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    em_tls_context_release(client->tls.context);
    client->tls.context = asking_context(fork_at_the_last, NULL);
    assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
    secure_client_await(*state, client, "ICHD");
    secure_race_finish(*state, client, servers, 1);
}

static void what_makes_no_sense_is_refused_by_the_call(void **state)
{
    secure_client *client = secure_client_new();
    em_connection *connection = NULL;
    const em_handler handler = {.unbind = NULL};
    client->options.timeout_includes_tls = EM_OFF;
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 1, &handler, &client->options, NULL), EM_INVALID_ARGUMENT);
    client->options.timeout_includes_tls = EM_DEFAULT;
    client->tls.role = EM_TLS_SERVER;
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 1, &handler, &client->options, NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), "em_connect_options: tls must be for a client");
    client->tls.role = EM_TLS_ROLE_DEFAULT;
    client->tls.hostname = "not a name";
    assert_int_equal(em_loop_connect(*state, "localhost", 1, &handler, &client->options, NULL), EM_INVALID_ARGUMENT);
    client->tls.hostname = NULL;
    em_address address;
    assert_int_equal(em_address_from_text("127.0.0.1", 1, &address), EM_OK);
    assert_int_equal(em_loop_connect_addresses(*state, &address, 1, &handler, &client->options, &connection),
                     EM_TLS_NO_HOSTNAME);
    assert_null(connection);
    assert_int_equal(em_loop_connect_unix_domain(*state, "@em", &handler, &client->options, NULL), EM_UNSUPPORTED);
    client->tls.reserved = 1;
    assert_int_equal(em_loop_connect(*state, "localhost", 1, &handler, &client->options, NULL), EM_INVALID_ARGUMENT);
    client->tls.reserved = 0;
    client->tls.size = 1;
    assert_int_equal(em_loop_connect(*state, "localhost", 1, &handler, &client->options, NULL), EM_INVALID_ARGUMENT);
    secure_client_free(client);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(if_all_fail_the_reason_is_the_most_telling_and_lists_each_address),
        SYSTEM_TEST(one_deadline_covers_it_all_and_names_the_stage),
        SYSTEM_TEST(each_handshake_has_a_time_of_its_own_as_well),
        SYSTEM_TEST(the_program_may_reject_an_address_by_its_certificate),
        SYSTEM_TEST(the_program_may_close_the_connection_when_it_sees_a_certificate),
        SYSTEM_TEST(handshakes_go_on_in_the_parent_or_in_a_child_that_takes_the_loop_over),
        SYSTEM_TEST(a_fork_while_a_certificate_is_judged_does_not_disturb_it),
        SYSTEM_TEST(what_makes_no_sense_is_refused_by_the_call),
    };
    return SYSTEM_RUN(tests);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
