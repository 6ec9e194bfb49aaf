/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races of addresses that end with the first that is secured by TLS (`tls` in em_connect_options): what each kind of
 * bad server costs, what servers get to see, and in which order the program is called.
 */
#include "base/features.h"
#include "support/system_secure_race.h"
#include "support/system_test.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/system_names.h"
#include "support/system_record.h"

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
        em_tls_context_release(client->tls.context);
        client->tls.context =
            secure_client_context((em_tls_context_options){.max_version = i % 2 ? EM_TLS_1_2 : EM_TLS_1_3});
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

static void read_hosts(em_loop *loop, char **path)
{
    *path = text_to_file("hosts", "127.0.0.2 www.example.com\n127.0.0.1 www.example.com\n");
    em_resolver_options resolver = {.size = sizeof resolver, .hosts_file = *path};
    assert_int_equal(em_loop_set_resolver(loop, &resolver), EM_OK);
}

/* An address that only accepts connections, and one that also speaks TLS. */
static void the_address_that_was_secured_is_tried_first_the_next_time(void **state)
{
    char *path;
    system_need_transport(*state);
    secure_client *clients[] = {secure_client_new(), secure_client_new()};
    secure_server *good = secure_server_start(*state, SECURE_GOOD);
    system_record *silent = system_new_record(SYSTEM_NONE);
    const em_server_options options = {.size = sizeof options, .user = silent};
    int port = em_address_get_port(&good->address);
    read_hosts(*state, &path);
    assert_int_equal(em_loop_start_server(*state, "127.0.0.2", port, &system_recorder, &options, NULL), EM_OK);
    for (unsigned i = 0; i < 2; i++) {
        clients[i]->options.attempt_delay_ns = DELAY_NS;
        assert_int_equal(secure_client_dial_name(clients[i], *state, "www.example.com", port), EM_OK);
        secure_client_await(*state, clients[i], "ICHD");
        assert_int_equal(silent->post_init, 1);
        em_connection_close(clients[i]->connection);
        while (!clients[i]->ended)
            system_turn(*state);
        secure_client_free(clients[i]);
    }
    secure_server_free(good);
    unlink(path);
    free(path);
}

static void without_a_name_the_address_itself_must_be_certified(void **state)
{
    secure_client *client = secure_client_new();
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
    int port = em_address_get_port(&servers[0]->address);
    assert_int_equal(secure_client_dial_name(client, *state, "127.0.0.1", port), EM_OK);
    secure_client_await(*state, client, "IU");
    assert_int_equal(client->reason, EM_TLS_WRONG_NAME);
    assert_non_null(strstr(client->reason_text, "wanted: 127.0.0.1"));
    secure_race_finish(*state, client, servers, 1);
}

static void a_file_that_is_sent_early_arrives(void **state)
{
    secure_server *servers[] = {secure_server_start(*state, SECURE_GOOD)};
    secure_client *client = secure_client_new();
    char *path = text_to_file("early", "a file");
    assert_int_equal(secure_client_dial(client, servers, 1), EM_OK);
    assert_int_equal(em_connection_send_text(client->connection, "before, "), EM_OK);
    assert_int_equal(em_connection_send_file(client->connection, path, 0, EM_TO_END_OF_FILE, NULL), EM_OK);
    assert_int_equal(em_connection_send_text(client->connection, ", behind"), EM_OK);
    while (bytes_length(&servers[0]->received) < 22)
        system_turn(*state);
    assert_true(bytes_equal_text(&servers[0]->received, "before, a file, behind"));
    secure_race_finish(*state, client, servers, 1);
    unlink(path);
    free(path);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_server_that_accepts_and_says_nothing_costs_the_attempt_delay),
        SYSTEM_TEST(a_server_whose_handshake_fails_does_not_cost_even_that),
        SYSTEM_TEST(exactly_one_of_two_good_servers_sees_what_is_sent),
        SYSTEM_TEST(what_a_server_sends_right_behind_the_handshake_is_not_lost),
        SYSTEM_TEST(a_paused_client_is_secured_and_gets_the_rest_later),
        SYSTEM_TEST(closing_after_writing_sends_what_was_sent_early_and_ends_in_order),
        SYSTEM_TEST(a_second_connection_resumes_the_session_of_the_first),
        SYSTEM_TEST(the_address_that_was_secured_is_tried_first_the_next_time),
        SYSTEM_TEST(without_a_name_the_address_itself_must_be_certified),
        SYSTEM_TEST(a_file_that_is_sent_early_arrives),
        SYSTEM_TEST(many_races_at_once_all_end_well),
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
