/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A forked child that lives on holds copies of all sockets, and by close(2) alone no peer would hear of anything.
 * However a connection ends, its peer sees the same as without the child.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 8, ANSWER_BYTES = 8 * 1024 * 1024, HEARING_MILLISECONDS = 5000 };

#define DRAIN_TIMEOUT_NS (200 * EM_MILLISECONDS)

/* A child that does nothing but hold its copies, until the parent lets it go. */
typedef struct holder {
    pid_t child;
    int ends[2]; /* of a pipe */
    const int *clients;
    unsigned client_count;
} holder;

static void hold(void *user)
{
    holder *held = user;
    char none;
    close(held->ends[1]);
    for (unsigned i = 0; i < held->client_count; i++)
        close(held->clients[i]);
    system_child_check(read(held->ends[0], &none, 1) == 0, "the parent lets it go");
}

static holder fork_holder(const int *clients, unsigned client_count)
{
    holder held = {.clients = clients, .client_count = client_count};
    assert_int_equal(pipe(held.ends), 0);
    held.child = system_fork(hold, &held);
    return held;
}

static void let_go(const holder *held)
{
    close(held->ends[1]);
    assert_int_equal(system_wait(held->child), 0);
    close(held->ends[0]);
}

/* The first one that receives data closes all others. */
static struct {
    em_connection *all[CLIENTS];
    unsigned count;
    unsigned first;
    unsigned calls;
    unsigned unbinds;
} receivers;

static void enter(em_connection *connection)
{
    receivers.all[receivers.count++] = connection;
}

static void close_others(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    if (receivers.calls++ > 0)
        return;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (receivers.all[i] == connection)
            receivers.first = i;
        else
            assert_int_equal(em_connection_close(receivers.all[i]), EM_OK);
    }
}

static void leave(em_connection *connection, em_status reason)
{
    (void)connection;
    (void)reason;
    receivers.unbinds++;
}

static void fill_room(em_loop *loop, int clients[CLIENTS])
{
    static const em_handler handler = {.post_init = enter, .receive_data = close_others, .unbind = leave};
    int port = system_serve(loop, &handler, NULL);
    memset(&receivers, 0, sizeof receivers);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = system_connect(port);
        while (receivers.count <= i)
            system_turn(loop);
    }
}

static void await_input(const em_connection *connection)
{
    struct pollfd ready = {.fd = em_connection_get_descriptor(connection), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, HEARING_MILLISECONDS), 1);
}

/* An end or a reset: it had sent something that nobody reads. */
static void expect_gone(int client)
{
    char none;
    struct pollfd ready = {.fd = client, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, HEARING_MILLISECONDS), 1);
    assert_true(recv(client, &none, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

static void a_peer_closed_by_another_callback_sees_the_end_although_a_child_has_a_copy(void **state)
{
    int clients[CLIENTS];
    fill_room(*state, clients);
    holder held = fork_holder(clients, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "hello", 5);
    for (unsigned i = 0; i < CLIENTS; i++)
        await_input(receivers.all[i]);
    while (receivers.unbinds < CLIENTS - 1)
        system_turn(*state);
    assert_int_equal(receivers.calls, 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (i != receivers.first)
            expect_gone(clients[i]);
    }
    assert_true(system_is_silent(clients[receivers.first]));
    let_go(&held);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* The rest of a message that a peer does not take. */
static void give_up(em_loop *loop, system_record *served)
{
    static const char answer[ANSWER_BYTES];
    assert_int_equal(em_connection_set_drain_timeout_ns(served->connection, DRAIN_TIMEOUT_NS), EM_OK);
    assert_int_equal(em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL),
                     EM_UNDER_PRESSURE);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    while (!served->unbind)
        system_turn(loop);
    assert_int_equal(served->reason, EM_WRITE_TIMEOUT);
}

static void expect_part_and_reset(int client)
{
    static char part[65536];
    size_t total = 0;
    ssize_t length;
    while ((length = system_receive(client, part, sizeof part)) > 0)
        total += (size_t)length;
    assert_int_equal(length, -1); /* a part must not look like the whole */
    assert_int_equal(errno, ECONNRESET);
    assert_in_range(total, 0, ANSWER_BYTES - 1);
}

static void a_peer_that_is_given_up_sees_a_reset(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    give_up(*state, served);
    expect_part_and_reset(client);
    close(client);
}

static void a_peer_that_is_given_up_sees_a_reset_although_a_child_has_a_copy(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    holder held = fork_holder(&client, 1);
    give_up(*state, served);
    expect_part_and_reset(client);
    let_go(&held);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_peer_that_is_given_up_sees_a_reset),
        SYSTEM_TEST(a_peer_that_is_given_up_sees_a_reset_although_a_child_has_a_copy),
        SYSTEM_TEST(a_peer_closed_by_another_callback_sees_the_end_although_a_child_has_a_copy),
    };
    return SYSTEM_RUN(tests);
}
