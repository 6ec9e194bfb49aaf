/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connecting by name. Names are looked up by threads of the library's own, while the loop goes on.
 */
#include <string.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* RFC 6761 reserves .test; no name server knows such a name, if there is a name server at all. */
#define UNKNOWN_NAME "no-such-host.eventmachine.test"

enum { MANY = 30 };

static em_connection *dial_name(em_loop *loop, const char *name, int port, system_record *record, uint64_t timeout_ns)
{
    em_connect_options options = {.size = sizeof options, .user = record, .connect_timeout_ns = timeout_ns};
    em_connection *client;
    assert_int_equal(em_loop_connect(loop, name, port, &system_recorder, &options, &client), EM_OK);
    return client;
}

static void localhost_is_found(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_DATA | SYSTEM_UNBIND);
    int port = system_serve(*state, &system_echo, served);
    em_connection *client = dial_name(*state, "localhost", port, record, 0);
    assert_int_equal(em_connection_get_state(client), EM_STATE_RESOLVING);
    assert_int_equal(em_connection_get_descriptor(client), -1);
    assert_int_equal(em_connection_send_text(client, "by name"), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(record->text, "by name");
    em_address peer;
    assert_int_equal(em_connection_get_peer_address(client, &peer), EM_OK);
    assert_int_equal(em_address_get_port(&peer), port);
}

static void a_server_may_be_given_a_name(void **state)
{
    em_server *server;
    assert_int_equal(em_loop_start_server(*state, "localhost", 0, &system_recorder, NULL, &server), EM_OK);
    assert_true(system_port_of(server) > 0);
}

/* RFC 6761, section 6.3, whatever the hosts file and the name server say. */
static void all_names_of_localhost_mean_this_machine(void **state)
{
    static const char *const names[] = {"localhost.", "any.localhost", "ANY.LOCALHOST."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(em_loop_start_server(*state, names[i], 0, &system_recorder, NULL, NULL), EM_OK);
}

static void a_name_under_invalid_fails_at_once(void **state)
{
    static const char *const names[] = {"host.invalid", "host.INVALID", "invalid", "a.b.invalid."};
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(em_loop_connect(*state, names[i], 80, &system_recorder, &options, NULL), EM_NAME_NOT_FOUND);
    system_turn(*state);
    assert_int_equal(record->post_init + record->unbind, 0);
}

static void a_name_too_long_fails_at_once(void **state)
{
    char name[400];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(em_loop_connect(*state, name, 80, &system_recorder, NULL, NULL), EM_INVALID_ADDRESS);
}

static void count(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    ++*(unsigned *)user;
}

static void an_unknown_name_ends_in_one_unbind_while_timers_go_on(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    unsigned *fired = system_memory(sizeof *fired);
    assert_int_equal(em_loop_add_periodic_timer(*state, 10 * EM_MILLISECONDS, count, fired, NULL, NULL), EM_OK);
    uint64_t started_ns = system_now_ns();
    dial_name(*state, UNKNOWN_NAME, 80, record, 400 * EM_MILLISECONDS);
    assert_in_range(system_now_ns() - started_ns, 0, 3 * EM_SECONDS);
    assert_int_equal(record->post_init, 1);
    assert_int_equal(em_loop_run(*state), EM_OK);
    uint64_t took_ns = system_now_ns() - started_ns;
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->completed, 0);
    if (record->reason != EM_NAME_NOT_FOUND && record->reason != EM_RESOLVER_FAILED)
        assert_int_equal(record->reason, EM_RESOLVE_TIMEOUT);
    assert_in_range(took_ns, 0, 15 * EM_SECONDS);
    if (took_ns > 100 * EM_MILLISECONDS)
        assert_true(*fired >= 2); /* once is as often as a loop that was blocked meanwhile would manage */
}

static void more_names_than_threads_are_all_resolved(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    for (unsigned i = 0; i < MANY; i++)
        dial_name(*state, "localhost", port, record, 0);
    while (record->completed + record->unbind < MANY || served->post_init < MANY)
        system_turn(*state);
    assert_int_equal(record->completed, MANY);
}

static void closing_while_a_name_is_resolved_ends_normally(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = dial_name(*state, UNKNOWN_NAME, 80, record, 0);
    assert_int_equal(em_connection_close(client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_OK);
}

static void a_loop_can_be_destroyed_while_names_are_resolved(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    for (unsigned i = 0; i < MANY; i++)
        dial_name(*state, i % 2 ? UNKNOWN_NAME : "localhost", 80, record, 0);
    system_turn(*state);
    uint64_t started_ns = system_now_ns();
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_in_range(system_now_ns() - started_ns, 0, EM_SECONDS); /* waits for no name server */
    assert_int_equal(record->post_init, MANY);
    assert_int_equal(record->unbind, MANY);
}

static void all_addresses_of_a_name_are_tried_before_it_is_refused(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    dial_name(*state, "localhost", system_closed_port(), record, 0);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
}

/* A lookup may be under way in a thread of its own when the program ends; what it holds in the C library is no leak.
 */
const char *__lsan_default_suppressions(void); // NOLINT(bugprone-reserved-identifier)
const char *__lsan_default_suppressions(void)  // NOLINT(bugprone-reserved-identifier)
{
    return "leak:__res_context_send\n";
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(localhost_is_found),
        SYSTEM_TEST(a_server_may_be_given_a_name),
        SYSTEM_TEST(all_names_of_localhost_mean_this_machine),
        SYSTEM_TEST(a_name_under_invalid_fails_at_once),
        SYSTEM_TEST(a_name_too_long_fails_at_once),
        SYSTEM_TEST(an_unknown_name_ends_in_one_unbind_while_timers_go_on),
        SYSTEM_TEST(more_names_than_threads_are_all_resolved),
        SYSTEM_TEST(closing_while_a_name_is_resolved_ends_normally),
        SYSTEM_TEST(a_loop_can_be_destroyed_while_names_are_resolved),
        SYSTEM_TEST(all_addresses_of_a_name_are_tried_before_it_is_refused),
    };
    system_share_descriptors(); /* with the system's resolver, which may wait for a name server for long */
    return SYSTEM_RUN(tests);
}
