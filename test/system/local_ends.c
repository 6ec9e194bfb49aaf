/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The local end by name, and names whose lookup hangs in the pool's threads. This program has a getaddrinfo(3) of its
 * own: names that begin with "slow" hang until the gate is open, others are found or not by their first label.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MANY = 64 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open;
static unsigned hanging;

/* A socket address and its place in the list, in one piece of memory. */
typedef struct result {
    struct addrinfo info;
    em_address address;
} result;

static void set_open(bool open)
{
    pthread_mutex_lock(&mutex);
    is_open = open;
    pthread_cond_broadcast(&changed);
    while (open && hanging > 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void hang(void)
{
    pthread_mutex_lock(&mutex);
    hanging++;
    while (!is_open)
        pthread_cond_wait(&changed, &mutex);
    hanging--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static bool begins_with(const char *name, const char *beginning)
{
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

static const char *look_up(const char *name)
{
    if (begins_with(name, "four"))
        return "127.0.0.3";
    return begins_with(name, "six") ? "::1" : NULL;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)hints;
    if (begins_with(name, "slow")) {
        hang();
        return EAI_AGAIN;
    }
    const char *text = look_up(name);
    result *made = text ? calloc(1, sizeof *made) : NULL;
    if (!made || em_address_from_text(text, atoi(service), &made->address) != EM_OK)
        return EAI_NONAME;
    made->info.ai_addr = (struct sockaddr *)(void *)made->address.storage.bytes;
    made->info.ai_addrlen = made->address.length;
    *found = &made->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    free(EMI_CONTAINER(list, result, info));
}

static int serve_on(em_loop *loop, const char *address)
{
    em_server_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    em_status status = em_loop_start_server(loop, address, 0, &system_recorder, &options, &server);
    if (status == EM_ADDRESS_NOT_AVAILABLE || status == EM_ADDRESS_FAMILY)
        system_skip("this machine does not have the address");
    assert_int_equal(status, EM_OK);
    return system_port_of(server);
}

static em_status dial(em_loop *loop, const char *host, int port, const char *bind_host, system_record *record,
                      em_connection **client)
{
    em_connect_options options = {.size = sizeof options, .user = record, .bind_host = bind_host};
    return em_loop_connect(loop, host, port, &system_recorder, &options, client);
}

/* Connects, and expects this local address. */
static void expect_local(em_loop *loop, const char *host, int port, const char *bind_host, const char *expected)
{
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_connection *client;
    assert_int_equal(dial(loop, host, port, bind_host, record, &client), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(record->reason, EM_OK);
    assert_int_equal(record->completed, 1);
    em_address local;
    char text[EM_ADDRESS_TEXT_BYTES];
    assert_int_equal(em_connection_get_local_address(client, &local), EM_OK);
    em_address_to_text(&local, text, sizeof text);
    *strrchr(text, ':') = '\0';
    assert_string_equal(text, expected);
}

static void expect_unbind(em_loop *loop, const char *host, int port, const char *bind_host, em_status reason)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    assert_int_equal(dial(loop, host, port, bind_host, record, NULL), EM_OK);
    assert_int_equal(record->post_init, 1);
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, reason);
}

static void localhost_takes_the_family_of_the_peer(void **state)
{
    static const char *const names[] = {"localhost", "LocalHost", "localhost.", "foo.localhost"};
    int six = serve_on(*state, "::1");
    int four = serve_on(*state, "127.0.0.1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect_local(*state, "::1", six, names[i], "[::1]");
        expect_local(*state, "127.0.0.1", four, names[i], "127.0.0.1");
    }
}

static void localhost_needs_no_lookup(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client;
    int port = system_serve(*state, &system_recorder, system_new_record(SYSTEM_NONE));
    assert_int_equal(dial(*state, "127.0.0.1", port, "localhost", record, &client), EM_OK);
    assert_int_equal(em_connection_get_state(client), EM_STATE_CONNECTING);
}

static void a_name_of_the_local_end_is_looked_up(void **state)
{
    int port = serve_on(*state, "127.0.0.1");
    expect_local(*state, "127.0.0.1", port, "four.test", "127.0.0.3");
    expect_local(*state, "localhost", port, "four.test", "127.0.0.3");
    expect_local(*state, "four.test", serve_on(*state, "127.0.0.3"), "four.test", "127.0.0.3");
}

static void addresses_of_the_peer_that_do_not_fit_are_left_out(void **state)
{
    int port = serve_on(*state, "::1");
    expect_local(*state, "localhost", port, "six.test", "[::1]");
    expect_local(*state, "localhost", port, "::1", "[::1]");
    expect_unbind(*state, "localhost", port, "127.0.0.1", EM_CONNECTION_REFUSED); /* the server is on ::1 */
}

static void an_empty_local_end_is_any_address_of_this_machine(void **state)
{
    expect_local(*state, "127.0.0.1", serve_on(*state, "127.0.0.1"), "", "127.0.0.1");
    expect_local(*state, "::1", serve_on(*state, "::1"), "", "[::1]");
}

static void a_local_port_alone_is_enough(void **state)
{
    static const char *const hosts[] = {NULL, ""};
    int port = serve_on(*state, "127.0.0.1");
    for (unsigned i = 0; i < 2; i++) {
        system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
        em_connect_options options = {.size = sizeof options, .user = record, .bind_host = hosts[i]};
        em_connection *client;
        em_status status;
        do {
            options.bind_port = system_closed_port(); /* of 127.0.0.1; on other addresses somebody may have it */
            status = em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &options, &client);
        } while (status == EM_ADDRESS_IN_USE);
        assert_int_equal(status, EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        em_address local;
        assert_int_equal(em_connection_get_local_address(client, &local), EM_OK);
        assert_int_equal(em_address_get_port(&local), options.bind_port);
    }
}

static void a_local_end_that_fits_no_address_is_of_a_wrong_family(void **state)
{
    em_connection *client;
    assert_int_equal(dial(*state, "127.0.0.1", 80, "::1", NULL, &client), EM_ADDRESS_FAMILY);
    assert_null(client);
    assert_int_equal(dial(*state, "::1", 80, "127.0.0.1", NULL, NULL), EM_ADDRESS_FAMILY);
    expect_unbind(*state, "127.0.0.1", 80, "six.test", EM_ADDRESS_FAMILY);
    expect_unbind(*state, "six.test", 80, "four.test", EM_ADDRESS_FAMILY);
    expect_unbind(*state, "six.test", 80, "127.0.0.1", EM_ADDRESS_FAMILY);
    expect_unbind(*state, "four.test", 80, "::1", EM_ADDRESS_FAMILY);
}

static void a_local_name_that_does_not_resolve_ends_the_connection(void **state)
{
    expect_unbind(*state, "127.0.0.1", 80, "unknown.test", EM_ADDRESS_NOT_AVAILABLE);
    expect_unbind(*state, "unknown.test", 80, "127.0.0.1", EM_NAME_NOT_FOUND);
}

static void what_is_wrong_with_a_local_name_at_once_fails_at_once(void **state)
{
    assert_int_equal(dial(*state, "127.0.0.1", 80, "host.invalid", NULL, NULL), EM_ADDRESS_NOT_AVAILABLE);
    static const char *const malformed[] = {"a b", "a..b", "[::1]", "1.2", "::1::", "127.0.0.1:80"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(dial(*state, "127.0.0.1", 80, malformed[i], NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(dial(*state, "a b", 80, "four.test", NULL, NULL), EM_INVALID_ADDRESS);
    em_connect_options options = {.size = sizeof options, .bind_host = "four.test", .bind_port = 65536};
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 80, &system_recorder, &options, NULL), EM_INVALID_PORT);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

/* The option is set while the local end is looked up. Nobody reads, so close(2) would wait. */
static void lingering_that_is_set_early_does_not_block_the_loop(void **state)
{
    static const char data[1 << 20];
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    struct linger very_long = {.l_onoff = 1, .l_linger = 1000};
    em_connection *client;
    int port;
    int listener = system_listen(1, &port);
    assert_int_equal(dial(*state, "127.0.0.1", port, "four.test", record, &client), EM_OK);
    assert_int_equal(em_connection_set_socket_option(client, SOL_SOCKET, SO_LINGER, &very_long, sizeof very_long),
                     EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
    for (unsigned i = 0; i < 16; i++)
        assert_true(em_connection_send(client, data, sizeof data) >= 0);
    system_turn(*state);
    assert_int_equal(em_connection_close(client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->unbind, 1);
    close(listener);
}

/* Whatever the peer's addresses will be. */
static void a_local_address_that_cannot_be_had_fails_at_once_also_for_a_name(void **state)
{
    static const char *const hosts[] = {"localhost", "four.test", "slow.test"};
    int port;
    int listener = system_listen(1, &port);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        em_connect_options options = {.size = sizeof options, .bind_host = "127.0.0.1", .bind_port = port};
        em_connection *client;
        assert_int_equal(dial(*state, hosts[i], 80, "192.0.2.99", NULL, &client), EM_ADDRESS_NOT_AVAILABLE);
        assert_null(client);
        assert_int_equal(em_loop_connect(*state, hosts[i], 80, &system_recorder, &options, NULL), EM_ADDRESS_IN_USE);
    }
    assert_int_equal(system_stats(*state).connections_open, 0);
    close(listener);
}

/* One of both is enough: the peer may have an address of its family. */
static void a_local_port_that_one_family_has_is_enough_for_a_name(void **state)
{
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options, .user = record};
    int port = serve_on(*state, "127.0.0.3");
    em_status status;
    do {
        options.bind_port = serve_on(*state, "::1"); /* of IPv4, somebody else may have it */
        status = em_loop_connect(*state, "four.test", port, &system_recorder, &options, NULL);
    } while (status == EM_ADDRESS_IN_USE);
    assert_int_equal(status, EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
}

static void a_local_name_does_not_block_the_loop_and_counts_to_the_deadline(void **state)
{
    set_open(false);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connect_options options = {
        .size = sizeof options, .user = record, .bind_host = "slow.test", .connect_timeout_ns = 50 * EM_MILLISECONDS};
    em_connection *client;
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 80, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_connection_get_state(client), EM_STATE_RESOLVING);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->reason, EM_RESOLVE_TIMEOUT);
    set_open(true);
}

static void closing_while_both_ends_are_resolved_ends_normally(void **state)
{
    set_open(false);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client;
    assert_int_equal(dial(*state, "slow.test", 80, "slow.local.test", record, &client), EM_OK);
    assert_int_equal(em_connection_close(client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->reason, EM_OK);
    set_open(true);
}

static void the_end_of_one_lookup_gives_up_the_other(void **state)
{
    set_open(false);
    expect_unbind(*state, "slow.test", 80, "unknown.test", EM_ADDRESS_NOT_AVAILABLE);
    expect_unbind(*state, "unknown.test", 80, "slow.test", EM_NAME_NOT_FOUND);
    set_open(true);
}

static void names_that_were_given_up_hold_up_no_others(void **state)
{
    set_open(false);
    system_record *slow = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = slow, .connect_timeout_ns = 50 * EM_MILLISECONDS};
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(em_loop_connect(*state, "slow.test", 80, &system_recorder, &options, NULL), EM_OK);
    while (slow->unbind < MANY)
        system_turn(*state);
    assert_int_equal(slow->reason, EM_RESOLVE_TIMEOUT);
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    assert_int_equal(dial(*state, "four.test", serve_on(*state, "127.0.0.3"), NULL, record, NULL), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
    set_open(true);
}

static void a_loop_can_be_destroyed_while_lookups_hang(void **state)
{
    set_open(false);
    system_record *record = system_new_record(SYSTEM_NONE);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(dial(*state, "slow.test", 80, i % 2 ? "slow.local.test" : NULL, record, NULL), EM_OK);
    system_turn(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->unbind, MANY);
    set_open(true);
}

int main(void)
{
    setenv("EM_RESOLVER", "system", 1); /* asks the getaddrinfo of this program */
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(localhost_takes_the_family_of_the_peer),
        SYSTEM_TEST(localhost_needs_no_lookup),
        SYSTEM_TEST(a_name_of_the_local_end_is_looked_up),
        SYSTEM_TEST(addresses_of_the_peer_that_do_not_fit_are_left_out),
        SYSTEM_TEST(an_empty_local_end_is_any_address_of_this_machine),
        SYSTEM_TEST(a_local_port_alone_is_enough),
        SYSTEM_TEST(a_local_end_that_fits_no_address_is_of_a_wrong_family),
        SYSTEM_TEST(a_local_name_that_does_not_resolve_ends_the_connection),
        SYSTEM_TEST(what_is_wrong_with_a_local_name_at_once_fails_at_once),
        SYSTEM_TEST(lingering_that_is_set_early_does_not_block_the_loop),
        SYSTEM_TEST(a_local_address_that_cannot_be_had_fails_at_once_also_for_a_name),
        SYSTEM_TEST(a_local_port_that_one_family_has_is_enough_for_a_name),
        SYSTEM_TEST(a_local_name_does_not_block_the_loop_and_counts_to_the_deadline),
        SYSTEM_TEST(closing_while_both_ends_are_resolved_ends_normally),
        SYSTEM_TEST(the_end_of_one_lookup_gives_up_the_other),
        SYSTEM_TEST(names_that_were_given_up_hold_up_no_others),
        SYSTEM_TEST(a_loop_can_be_destroyed_while_lookups_hang),
    };
    return SYSTEM_RUN(tests);
}
