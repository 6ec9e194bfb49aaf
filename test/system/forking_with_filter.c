/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * fork(2) with live connections that have a filter: a child puts nothing on the wire and calls nothing of the filter
 * but `destroy`, whatever it does, and the parent's connections go on.
 */
#include <string.h>
#include <unistd.h>

#include "net/gate_private.h"
#include "support/filtered_connections.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/test_filter.h"

typedef struct fixture {
    em_loop *loop;
    em_connection *connection;
    test_filter_record record;
    int client;
    unsigned calls; /* of receive_data */
    bool forks;
} fixture;

static void post_init(em_connection *connection)
{
    fixture *set = em_connection_get_user(connection);
    const test_filter_options options = {.plain_bytes = 1};
    test_filter *filter = test_filter_create(&options, &set->record);
    set->connection = connection;
    assert_int_equal(emi_gate_open(connection, &filter->filter, 0), EM_OK);
}

static void leave(void *user)
{
    fixture *set = user;
    set->record.forbid_calls = true;
    em_connection_send_text(set->connection, "from the child");
    em_connection_close_after_writing(set->connection);
    em_connection_close(set->connection);
    system_child_check(em_loop_run_once(set->loop, 0) == EM_FORKED, "the loop is the parent's");
}

static void fork_and_leave(fixture *set)
{
    pid_t child = fork();
    if (child == 0) {
        leave(set);
        _exit(0);
    }
    assert_int_equal(system_wait(child), 0);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    fixture *set = em_connection_get_user(connection);
    set->calls++;
    if (set->forks && set->calls == 1)
        fork_and_leave(set);
    em_connection_send(connection, data, length);
}

static const em_handler echo = {.post_init = post_init, .receive_data = receive_data};

static fixture *fixture_create(em_loop *loop)
{
    if (connections_are_filtered())
        system_skip("it has a filter of its own");
    fixture *set = system_memory(sizeof *set);
    set->loop = loop;
    set->client = system_connect(system_serve(loop, &echo, set));
    while (!set->connection)
        system_turn(loop);
    return set;
}

static void expect_echo(fixture *set, const char *text)
{
    byte_buffer wire = {.data = NULL}, plain = {.data = NULL};
    bool ended = false;
    char piece[64];
    test_filter_write(&wire, text, strlen(text));
    system_write(set->client, bytes_at(&wire), bytes_length(&wire));
    bytes_take(&wire, NULL, SIZE_MAX);
    while (bytes_length(&plain) < strlen(text)) {
        system_await(set->loop, set->client);
        ssize_t length = read(set->client, piece, sizeof piece);
        assert_true(length > 0);
        bytes_append(&wire, piece, (size_t)length);
        test_filter_read(&wire, &plain, &ended);
    }
    assert_true(bytes_equal_text(&plain, text) && !ended);
    bytes_free(&wire);
    bytes_free(&plain);
}

static void a_forked_child_sends_nothing(void **state)
{
    fixture *set = fixture_create(*state);
    expect_echo(set, "before");
    fork_and_leave(set);
    assert_true(system_is_silent(set->client));
    expect_echo(set, "after");
    close(set->client);
}

static void destroy(void *user)
{
    fixture *set = user;
    set->record.forbid_calls = true;
    system_child_check(em_loop_destroy(set->loop) == EM_OK, "the loop is destroyed");
    system_child_check(set->record.destroyed == 1, "and the filter with it");
}

static void a_child_that_destroys_the_loop_destroys_the_filter_only(void **state)
{
    fixture *set = fixture_create(*state);
    expect_echo(set, "before");
    assert_int_equal(system_wait(system_fork(destroy, set)), 0);
    assert_true(system_is_silent(set->client));
    expect_echo(set, "after");
    close(set->client);
}

/* The filter still holds bytes when the child is made. */
static void a_fork_within_receive_data_loses_nothing_in_the_parent(void **state)
{
    fixture *set = fixture_create(*state);
    set->forks = true;
    expect_echo(set, "one by one");
    assert_int_equal(set->calls, strlen("one by one"));
    close(set->client);
}

static void take_over(void *user)
{
    fixture *set = user;
    system_child_check(em_loop_take_over(set->loop) == EM_OK, "the child takes the loop over");
    while (set->calls < strlen("to the child"))
        em_loop_run_once(set->loop, EM_SECONDS);
}

static void a_child_that_takes_over_the_loop_continues_with_the_filter(void **state)
{
    fixture *set = fixture_create(*state);
    byte_buffer wire = {.data = NULL};
    test_filter_write(&wire, "to the child", strlen("to the child"));
    em_loop_hand_over(set->loop);
    pid_t child = system_fork(take_over, set);
    system_write(set->client, bytes_at(&wire), bytes_length(&wire));
    bytes_free(&wire);
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(set->calls, 0);
    close(set->client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_forked_child_sends_nothing),
        SYSTEM_TEST(a_child_that_destroys_the_loop_destroys_the_filter_only),
        SYSTEM_TEST(a_fork_within_receive_data_loses_nothing_in_the_parent),
        SYSTEM_TEST(a_child_that_takes_over_the_loop_continues_with_the_filter),
    };
    return SYSTEM_RUN(tests);
}
