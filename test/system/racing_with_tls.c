/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races of addresses that end with the first that is secured by TLS (`tls` in em_connect_options): what each kind of
 * bad server costs, what servers get to see, and in which order the program is called.
 */
#include "base/features.h"
#include "support/system_secure_race.h"
#include "support/system_test.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

enum { PAIR = 2 };

#define DELAY_NS (100 * EM_MILLISECONDS)

static bool has_seen(const secure_server *server, const char *text)
{
    size_t length = bytes_length(&server->received);
    return length > 0 && memmem(bytes_at(&server->received), length, text, strlen(text)) != NULL;
}

/* Returns how long it took to be secured by the second server. */
static uint64_t time_with_first(em_loop *loop, secure_server_kind kind)
{
    secure_server *servers[] = {secure_server_start(loop, kind), secure_server_start(loop, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    client->options.attempt_delay_ns = DELAY_NS;
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    assert_int_equal(em_connection_send_text(client->connection, "once"), EM_OK);
    secure_client_await(loop, client, "ICH");
    uint64_t took_ns = system_now_ns() - begun_ns;
    while (bytes_length(&servers[1]->received) < 4)
        system_turn(loop);
    assert_true(bytes_equal_text(&servers[1]->received, "once"));
    assert_false(has_seen(servers[0], "once"));
    secure_race_finish(loop, client, servers, PAIR);
    return took_ns;
}

static uint64_t measure_silent(em_loop *loop)
{
    uint64_t took_ns = time_with_first(loop, SECURE_SILENT);
    assert_true(took_ns >= DELAY_NS);
    return took_ns;
}

static void a_server_that_accepts_and_says_nothing_costs_the_attempt_delay(void **state)
{
    system_expect_at_best(DELAY_NS + 50 * EM_MILLISECONDS, measure_silent, *state);
}

static secure_server_kind measured_kind;

static uint64_t measure_kind(em_loop *loop)
{
    return time_with_first(loop, measured_kind);
}

static void a_server_whose_handshake_fails_does_not_cost_even_that(void **state)
{
    static const secure_server_kind kinds[] = {SECURE_REFUSED, SECURE_WRONG_NAME, SECURE_UNTRUSTED,
                                               SECURE_ALERT,   SECURE_PLAIN,      SECURE_CLOSES};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        measured_kind = kinds[i];
        system_expect_at_best(DELAY_NS, measure_kind, *state);
    }
}

/* Both handshakes run at the same time: the first server's begins when the second has accepted. */
static void exactly_one_of_two_good_servers_sees_what_is_sent(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_LATE), secure_server_start(*state, SECURE_LATE)};
    secure_client *client = secure_client_new();
    client->options.attempt_delay_ns = DELAY_NS;
    assert_int_equal(secure_client_dial(client, servers, PAIR), EM_OK);
    assert_int_equal(em_connection_send_text(client->connection, "once"), EM_OK);
    while (servers[1]->accepted == 0)
        system_turn(*state);
    assert_int_equal(em_connection_get_state(client->connection), EM_STATE_CONNECTING);
    secure_server_begin(servers[0]);
    secure_server_begin(servers[1]);
    secure_client_await(*state, client, "ICHD");
    while (bytes_length(&servers[0]->received) + bytes_length(&servers[1]->received) < 4)
        system_turn(*state);
    system_run_for(*state, 2 * DELAY_NS);
    assert_int_equal(bytes_length(&servers[0]->received) + bytes_length(&servers[1]->received), 4);
    assert_true(servers[0]->closed + servers[1]->closed == 1);
    assert_true(bytes_equal_text(&client->received, "welcomeonce"));
    secure_race_finish(*state, client, servers, PAIR);
}

static void what_a_server_sends_right_behind_the_handshake_is_not_lost(void **state)
{
    for (unsigned i = 0; i < 20; i++) {
        secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
        secure_client *client = secure_client_new();
        assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
        secure_client_await(*state, client, "ICHD");
        while (bytes_length(&client->received) < 7)
            system_turn(*state);
        assert_true(bytes_equal_text(&client->received, "welcome"));
        secure_race_finish(*state, client, servers, 1);
    }
}

static void a_paused_client_is_secured_and_gets_the_rest_later(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
    assert_int_equal(em_connection_pause(client->connection), EM_OK);
    assert_int_equal(em_connection_send_text(client->connection, "once"), EM_OK);
    secure_client_await(*state, client, "ICH");
    system_run_for(*state, 50 * EM_MILLISECONDS);
    assert_string_equal(client->events, "ICH");
    assert_int_equal(bytes_length(&servers[0]->received), 0);
    assert_int_equal(em_connection_resume(client->connection), EM_OK);
    while (bytes_length(&client->received) < 11)
        system_turn(*state);
    assert_true(bytes_equal_text(&client->received, "welcomeonce"));
    secure_race_finish(*state, client, servers, 1);
}

static void closing_after_writing_sends_what_was_sent_early_and_ends_in_order(void **state)
{
    em_status (*const ways[])(em_connection *) = {em_connection_close_after_writing, em_connection_close_write};
    for (unsigned i = 0; i < 2; i++) {
        secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
        secure_client *client = secure_client_new();
        assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
        assert_int_equal(em_connection_send_text(client->connection, "once"), EM_OK);
        assert_int_equal(ways[i](client->connection), EM_OK);
        while (!client->ended || !servers[0]->closed)
            system_turn(*state);
        assert_int_equal(client->reason, EM_OK);
        assert_int_equal(servers[0]->reason, EM_OK);
        assert_true(bytes_equal_text(&servers[0]->received, "once"));
        secure_race_finish(*state, client, servers, 1);
    }
}

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

static int reject_the_first(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    unsigned *asked = user;
    assert_int_equal(em_connection_get_state(connection), EM_STATE_CONNECTING);
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
    secure_race_finish(*state, client, servers, PAIR);
}

static void a_second_connection_resumes_the_session_of_the_first(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
    em_tls_context *context = NULL;
    for (int i = 0; i < 2; i++) {
        secure_client *client = secure_client_new();
        if (context) {
            em_tls_context_release(client->tls.context);
            client->tls.context = context;
        }
        context = client->tls.context;
        em_tls_context_retain(context);
        assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
        secure_client_await(*state, client, "ICHD");
        em_tls_info info;
        assert_int_equal(em_connection_get_tls_info(client->connection, &info, sizeof info), EM_OK);
        assert_int_equal(info.is_resumed, i);
        em_connection_close(client->connection);
        while (!client->ended)
            system_turn(*state);
        secure_client_free(client);
    }
    em_tls_context_release(context);
    secure_server_free(servers[0]);
}

/* More than fits into the time that handshakes have in a turn. */
static void many_races_at_once_all_end_well(void **state)
{
    enum { MANY = 60 };
    secure_server *servers[] = {secure_server_start(*state, SECURE_WRONG_NAME),
                                secure_server_start(*state, SECURE_GOOD)};
    secure_client *clients[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        clients[i] = secure_client_new();
        assert_int_equal(secure_client_dial(clients[i], servers, PAIR), EM_OK);
    }
    for (unsigned i = 0; i < MANY; i++) {
        secure_client_await(*state, clients[i], "ICHD");
        assert_true(bytes_equal_text(&clients[i]->received, "welcome"));
    }
    for (unsigned i = 1; i < MANY; i++) {
        em_connection_close(clients[i]->connection);
        while (!clients[i]->ended)
            system_turn(*state);
        secure_client_free(clients[i]);
    }
    secure_race_finish(*state, clients[0], servers, PAIR);
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
        SYSTEM_TEST(a_server_that_accepts_and_says_nothing_costs_the_attempt_delay),
        SYSTEM_TEST(a_server_whose_handshake_fails_does_not_cost_even_that),
        SYSTEM_TEST(exactly_one_of_two_good_servers_sees_what_is_sent),
        SYSTEM_TEST(what_a_server_sends_right_behind_the_handshake_is_not_lost),
        SYSTEM_TEST(a_paused_client_is_secured_and_gets_the_rest_later),
        SYSTEM_TEST(closing_after_writing_sends_what_was_sent_early_and_ends_in_order),
        SYSTEM_TEST(if_all_fail_the_reason_is_the_most_telling_and_lists_each_address),
        SYSTEM_TEST(one_deadline_covers_it_all_and_names_the_stage),
        SYSTEM_TEST(each_handshake_has_a_time_of_its_own_as_well),
        SYSTEM_TEST(the_program_may_reject_an_address_by_its_certificate),
        SYSTEM_TEST(the_program_may_close_the_connection_when_it_sees_a_certificate),
        SYSTEM_TEST(a_second_connection_resumes_the_session_of_the_first),
        SYSTEM_TEST(many_races_at_once_all_end_well),
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
