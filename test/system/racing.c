/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Racing the addresses of a name (RFC 8305) over real sockets, in a network namespace with addresses that never answer.
 * This program has a getaddrinfo(3) of its own, which knows the names of the table below.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "support/network_namespace.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MANY = 1000, MOST = 8 };

#define HERE4 "192.0.2.1"
#define HERE6 "2001:db8::1"

static bool has_namespace;

static const struct {
    const char *name;
    const char *addresses[MOST];
} names[] = {
    {"broken6.test", {"2001:db8::9", HERE4}},
    {"broken4.test", {"192.0.2.9", HERE6}},
    {"fine.test", {HERE6, HERE4}},
    {"only4.test", {HERE4}},
    {"unreachable6.test", {"2001:db9::9", HERE4}},
    {"eight.test",
     {"192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14", "192.0.2.15", "192.0.2.16", "192.0.2.17", HERE4}},
    {"silent.test", {"192.0.2.9", "2001:db8::9", "192.0.2.10"}},
};

/* A socket address and its place in the list, in one piece of memory. */
typedef struct result {
    struct addrinfo info;
    em_address address;
} result;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)hints;
    *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (unsigned n = MOST; n-- > 0 && strcmp(name, names[i].name) == 0;) {
            result *made = names[i].addresses[n] ? calloc(1, sizeof *made) : NULL;
            if (!made || em_address_from_text(names[i].addresses[n], atoi(service), &made->address) != EM_OK)
                continue;
            made->info.ai_addr = (struct sockaddr *)(void *)made->address.storage.bytes;
            made->info.ai_addrlen = made->address.length;
            made->info.ai_next = *found;
            *found = &made->info;
        }
    }
    return *found ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(EMI_CONTAINER(list, result, info));
        list = next;
    }
}

static void need_namespace(void)
{
    if (!has_namespace)
        system_skip("no network namespace can be made here");
}

/* Servers on the same port of both addresses of this machine. */
static int serve_both(em_loop *loop)
{
    em_server_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    assert_int_equal(em_loop_start_server(loop, HERE4, 0, &system_echo, &options, &server), EM_OK);
    int port = system_port_of(server);
    assert_int_equal(em_loop_start_server(loop, HERE6, port, &system_echo, &options, NULL), EM_OK);
    return port;
}

static em_connection *dial(em_loop *loop, const char *name, int port, system_record *record)
{
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client;
    assert_int_equal(em_loop_connect(loop, name, port, &system_recorder, &options, &client), EM_OK);
    return client;
}

static void expect_peer(em_connection *client, const char *expected)
{
    em_address peer;
    char text[EM_ADDRESS_TEXT_BYTES];
    assert_int_equal(em_connection_get_peer_address(client, &peer), EM_OK);
    em_address_to_text(&peer, text, sizeof text);
    *strrchr(text, ':') = '\0';
    assert_non_null(strstr(text, expected));
}

/* Returns how long it took until the connection was established, by the loop's own time. */
static uint64_t time_to_connect(em_loop *loop, const char *name, int port, const char *expected)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    uint64_t begun_ns = system_now_ns();
    em_connection *client = dial(loop, name, port, record);
    while (record->completed + record->unbind == 0)
        system_turn(loop);
    assert_int_equal(record->completed, 1);
    uint64_t took_ns = em_loop_get_time_ns(loop) - begun_ns;
    expect_peer(client, expected);
    em_connection_close(client);
    while (record->unbind == 0)
        system_turn(loop);
    return took_ns;
}

/* A loop of its own for each try: this one would remember the address that worked. */
static uint64_t measure_broken_ipv6(em_loop *loop)
{
    (void)loop;
    em_loop *fresh = system_create_loop((em_loop_options){.size = 0});
    uint64_t took_ns = time_to_connect(fresh, "broken6.test", serve_both(fresh), HERE4);
    assert_true(took_ns >= 250 * EM_MILLISECONDS);
    assert_int_equal(em_loop_destroy(fresh), EM_OK);
    return took_ns;
}

static void broken_ipv6_delays_a_connection_by_less_than_300_ms(void **state)
{
    need_namespace();
    system_expect_at_best(300 * EM_MILLISECONDS, measure_broken_ipv6, *state);
}

static uint64_t measure_broken_ipv4(em_loop *loop)
{
    return time_to_connect(loop, "broken4.test", serve_both(loop), HERE6);
}

static void broken_ipv4_delays_nothing(void **state)
{
    need_namespace();
    system_expect_at_best(100 * EM_MILLISECONDS, measure_broken_ipv4, *state);
}

/* The first address is of IPv4 and silent. Each try has a loop of its own, as above. */
static uint64_t measure_preferred_ipv4(em_loop *loop)
{
    (void)loop;
    em_loop *fresh = system_create_loop((em_loop_options){.size = 0});
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options, .user = record, .preferred_family = EM_ADDRESS_IPV4};
    em_connection *client;
    int port = serve_both(fresh);
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(em_loop_connect(fresh, "broken4.test", port, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_loop_run(fresh), EM_OK);
    assert_int_equal(record->completed, 1);
    uint64_t took_ns = em_loop_get_time_ns(fresh) - begun_ns;
    assert_true(took_ns >= 250 * EM_MILLISECONDS);
    expect_peer(client, HERE6);
    assert_int_equal(em_loop_destroy(fresh), EM_OK);
    return took_ns;
}

static void broken_ipv4_that_is_preferred_delays_a_connection_by_less_than_300_ms(void **state)
{
    need_namespace();
    system_expect_at_best(300 * EM_MILLISECONDS, measure_preferred_ipv4, *state);
}

static int known_port;

static uint64_t measure_known_address(em_loop *loop)
{
    return time_to_connect(loop, "broken6.test", known_port, HERE4);
}

static void a_broken_address_delays_only_the_first_connection(void **state)
{
    need_namespace();
    known_port = serve_both(*state);
    assert_true(time_to_connect(*state, "broken6.test", known_port, HERE4) >= 250 * EM_MILLISECONDS);
    system_expect_at_best(100 * EM_MILLISECONDS, measure_known_address, *state);
}

static void a_remembered_address_comes_before_the_preferred_family(void **state)
{
    need_namespace();
    known_port = serve_both(*state);
    time_to_connect(*state, "broken6.test", known_port, HERE4);
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options,
                                  .user = record,
                                  .preferred_family = EM_ADDRESS_IPV6,
                                  .attempt_delay_ns = EM_FOREVER}; /* no second attempt */
    em_connection *client;
    assert_int_equal(em_loop_connect(*state, "broken6.test", known_port, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
    expect_peer(client, HERE4);
}

static uint64_t measure_address_without_route(em_loop *loop)
{
    return time_to_connect(loop, "unreachable6.test", serve_both(loop), HERE4);
}

static void an_address_without_a_route_delays_nothing(void **state)
{
    need_namespace();
    system_expect_at_best(100 * EM_MILLISECONDS, measure_address_without_route, *state);
}

static void seven_silent_addresses_do_not_hide_the_eighth(void **state)
{
    need_namespace();
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options, .user = record, .attempt_delay_ns = 100 * EM_MILLISECONDS};
    em_connection *client;
    int port = serve_both(*state);
    assert_int_equal(em_loop_connect(*state, "eight.test", port, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_connection_send_text(client, "through"), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
    expect_peer(client, HERE4);
    while (record->bytes < 7)
        system_turn(*state);
    assert_string_equal(record->text, "through");
}

/* Both servers are in this process: each connection that reaches one is counted. */
static void with_a_fast_first_address_exactly_one_connection_is_made(void **state)
{
    need_namespace();
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    em_server_options options = {.size = sizeof options, .user = served};
    em_server *server;
    assert_int_equal(em_loop_start_server(*state, HERE4, 0, &system_echo, &options, &server), EM_OK);
    int port = system_port_of(server);
    assert_int_equal(em_loop_start_server(*state, HERE6, port, &system_echo, &options, NULL), EM_OK);
    em_connection *client = dial(*state, "fine.test", port, record);
    assert_int_equal(em_loop_run(*state), EM_OK);
    expect_peer(client, HERE6);
    system_run_for(*state, 500 * EM_MILLISECONDS);
    assert_int_equal(served->post_init, 1);
}

static void the_options_and_the_local_end_apply_to_the_winner(void **state)
{
    need_namespace();
    system_record *record = system_new_record(SYSTEM_COMPLETED | SYSTEM_UNBIND);
    em_stream_options stream = {.size = sizeof stream, .keepalive = EM_ON, .receive_buffer_bytes = 20000};
    em_connect_options options = {
        .size = sizeof options, .user = record, .stream = &stream, .bind_host = HERE4, .attempt_delay_ns = EM_SECONDS};
    em_connection *client;
    int port = serve_both(*state);
    assert_int_equal(em_loop_connect(*state, "fine.test", port, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
    expect_peer(client, HERE4); /* IPv6 has no local address */
    int value = 0;
    size_t bytes = sizeof value;
    assert_int_equal(em_connection_get_socket_option(client, SOL_SOCKET, SO_KEEPALIVE, &value, &bytes), EM_OK);
    assert_true(value != 0);
    bytes = sizeof value;
    assert_int_equal(em_connection_get_socket_option(client, SOL_SOCKET, SO_RCVBUF, &value, &bytes), EM_OK);
    assert_int_equal(value, 40000);
}

static char reason_text[512];

static void ask(em_connection *connection, em_status status)
{
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(connection, &reason), EM_OK);
    assert_int_equal(status, EM_CONNECT_TIMEOUT);
    snprintf(reason_text, sizeof reason_text, "%s", reason.text);
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler asking = {.unbind = ask};

static void the_deadline_names_all_addresses_that_were_silent(void **state)
{
    need_namespace();
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = EM_SECONDS};
    assert_int_equal(em_loop_connect(*state, "silent.test", 80, &asking, &options, NULL), EM_OK);
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_true(system_now_ns() - begun_ns >= EM_SECONDS);
    assert_string_equal(reason_text, "connect to silent.test ([2001:db8::9]:80, 192.0.2.9:80, 192.0.2.10:80): timed "
                                     "out while connecting");
}

/* With one port to choose from, the system always chooses that of the peer. */
static void a_race_that_meets_itself_is_refused(void **state)
{
    need_namespace();
    if (!run_command("echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range"))
        system_skip("the range of local ports cannot be changed here");
    system_record *record = system_new_record(SYSTEM_UNBIND | SYSTEM_COMPLETED);
    dial(*state, "only4.test", 40000, record);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_true(run_command("echo 32768 60999 > /proc/sys/net/ipv4/ip_local_port_range"));
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
}

static void a_thousand_races_leave_no_descriptor_behind(void **state)
{
    need_namespace();
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    unsigned many = limit.rlim_max > 6UL * MANY ? MANY : (unsigned)limit.rlim_max / 6;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = serve_both(*state);
    unsigned before = system_descriptors();
    em_connection **clients = system_memory(many * sizeof *clients);
    for (unsigned i = 0; i < many; i++)
        clients[i] = dial(*state, i % 2 ? "silent.test" : "broken6.test", port, record);
    while (record->completed < many / 2)
        system_turn(*state);
    assert_true(system_descriptors() > before + many);
    for (unsigned i = 0; i < many; i++)
        assert_int_equal(em_connection_close(clients[i]), EM_OK);
    while (record->unbind < many || system_stats(*state).connections_open > 0)
        system_turn(*state);
    assert_int_equal(system_descriptors(), before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void forbid_descriptors(struct rlimit *before)
{
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

/* Two races whose first address is silent. While the first one lasts, there are no descriptors. */
static void an_address_is_tried_when_there_is_a_descriptor_for_it(void **state)
{
    need_namespace();
    struct rlimit limit;
    int port = serve_both(*state);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options short_lived = {.size = sizeof short_lived, .connect_timeout_ns = 600 * EM_MILLISECONDS};
    em_connection *client = dial(*state, "broken6.test", port, record), *other;
    assert_int_equal(em_loop_connect(*state, "broken6.test", port, &asking, &short_lived, &other), EM_OK);
    while (em_connection_get_state(client) < EM_STATE_CONNECTING ||
           em_connection_get_state(other) < EM_STATE_CONNECTING)
        system_turn(*state);
    forbid_descriptors(&limit);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(strstr(reason_text, "timed out while connecting; further addresses: Too many open files"));
    assert_int_equal(record->completed + record->unbind, 0);
    while (record->completed + record->unbind == 0)
        system_turn(*state);
    assert_int_equal(record->completed, 1);
    expect_peer(client, HERE4);
}

/* Before a result of the lookup, with one attempt, with several. */
static void closing_is_safe_at_any_time_of_a_race(void **state)
{
    need_namespace();
    unsigned before = system_descriptors();
    for (unsigned stage = 0; stage < 3; stage++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *client = dial(*state, "silent.test", 80, record);
        while (em_connection_get_state(client) < EM_STATE_CONNECTING && stage > 0)
            system_turn(*state);
        if (stage > 1)
            system_run_for(*state, 600 * EM_MILLISECONDS);
        assert_int_equal(em_connection_close(client), EM_OK);
        while (record->unbind == 0)
            system_turn(*state);
        assert_int_equal(record->reason, EM_OK);
    }
    system_run_for(*state, 500 * EM_MILLISECONDS);
    assert_true(system_descriptors() <= before + 4); /* those of the pool of threads */
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void a_loop_may_be_destroyed_at_any_time_of_a_race(void **state)
{
    need_namespace();
    for (unsigned stage = 0; stage < 3; stage++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        em_loop *loop = system_create_loop((em_loop_options){.size = 0});
        em_connection *client = dial(loop, "silent.test", 80, record);
        while (em_connection_get_state(client) < EM_STATE_CONNECTING && stage > 0)
            system_turn(loop);
        if (stage > 1)
            system_run_for(loop, 600 * EM_MILLISECONDS);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        assert_int_equal(record->unbind, 1);
    }
    (void)state;
}

typedef struct plan {
    em_loop *loop;
    system_record *record;
    em_connection *client;
    bool takes_over;
} plan;

static void go_on_in_child(void *user)
{
    const plan *made = user;
    if (made->takes_over) {
        system_child_check(em_loop_take_over(made->loop) == EM_OK, "the child takes the loop over");
        while (made->record->completed == 0 && made->record->unbind == 0)
            system_child_check(em_loop_run_once(made->loop, 10 * EM_MILLISECONDS) == EM_OK, "it turns");
        system_child_check(made->record->completed == 1, "and connects");
    }
    system_child_check(em_loop_destroy(made->loop) == EM_OK, "and ends");
    system_child_check(made->record->unbind == 1, "with one unbind");
}

/* The child takes the race over, or drops its copies of it. */
static void a_race_goes_on_in_a_child_that_takes_the_loop_over(void **state)
{
    need_namespace();
    em_loop *serving = *state;
    int port = serve_both(serving);
    for (unsigned i = 0; i < 4; i++) {
        plan made = {.record = system_new_record(SYSTEM_NONE), .takes_over = i % 2 == 0};
        made.loop = system_create_loop((em_loop_options){.size = 0});
        em_address addresses[3];
        em_connect_options options = {.size = sizeof options, .user = made.record};
        static const char *const texts[] = {"192.0.2.9", "2001:db8::9", HERE4};
        for (unsigned n = 0; n < 3; n++)
            assert_int_equal(em_address_from_text(texts[n], port, &addresses[n]), EM_OK);
        assert_int_equal(em_loop_connect_addresses(made.loop, addresses, 3, &system_recorder, &options, &made.client),
                         EM_OK);
        if (i > 1)
            system_run_for(made.loop, 300 * EM_MILLISECONDS);
        pid_t child = system_fork(go_on_in_child, &made);
        if (made.takes_over)
            assert_int_equal(em_loop_hand_over(made.loop), EM_OK);
        assert_int_equal(em_loop_destroy(made.loop), EM_OK);
        assert_int_equal(system_wait(child), 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(broken_ipv6_delays_a_connection_by_less_than_300_ms),
        SYSTEM_TEST(broken_ipv4_delays_nothing),
        SYSTEM_TEST(broken_ipv4_that_is_preferred_delays_a_connection_by_less_than_300_ms),
        SYSTEM_TEST(a_broken_address_delays_only_the_first_connection),
        SYSTEM_TEST(a_remembered_address_comes_before_the_preferred_family),
        SYSTEM_TEST(an_address_without_a_route_delays_nothing),
        SYSTEM_TEST(seven_silent_addresses_do_not_hide_the_eighth),
        SYSTEM_TEST(with_a_fast_first_address_exactly_one_connection_is_made),
        SYSTEM_TEST(the_options_and_the_local_end_apply_to_the_winner),
        SYSTEM_TEST(the_deadline_names_all_addresses_that_were_silent),
        SYSTEM_TEST(a_race_that_meets_itself_is_refused),
        SYSTEM_TEST(a_thousand_races_leave_no_descriptor_behind),
        SYSTEM_TEST(an_address_is_tried_when_there_is_a_descriptor_for_it),
        SYSTEM_TEST(closing_is_safe_at_any_time_of_a_race),
        SYSTEM_TEST(a_loop_may_be_destroyed_at_any_time_of_a_race),
        SYSTEM_TEST(a_race_goes_on_in_a_child_that_takes_the_loop_over),
    };
    setenv("EM_RESOLVER", "system", 1); /* asks the getaddrinfo of this program */
    has_namespace = network_namespace_enter();
    return SYSTEM_RUN(tests);
}
