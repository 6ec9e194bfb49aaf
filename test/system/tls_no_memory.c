/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop with a TLS server and a TLS client runs out of memory at every single allocation: in the handshake, in
 * messages that are held over a pause, at the end. Whatever happens, each connection has exactly one unbind, and no
 * memory is lost. OpenSSL's own allocations fail in test/unit/tls/tls_memory_test.c.
 */
#include "base/features.h"
#include "support/failing_allocator.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

enum { MESSAGE_BYTES = 30000, MESSAGES = 3, MOST_ALLOCATIONS = 400 };

/* One end. A call that fails ends its connection, as programs do. */
typedef struct party {
    em_tls_options tls;
    bool is_client;
    unsigned made, unbound;
    size_t received;
    em_status reason;
    em_connection *connection;
} party;

static void close_if_failed(em_connection *connection, em_status status)
{
    if (status < 0) {
        assert_int_equal(status, EM_NO_MEMORY);
        em_connection_close(connection);
    }
}

static void post_init(em_connection *connection)
{
    party *mine = em_connection_get_user(connection);
    mine->made++;
    mine->connection = connection;
    close_if_failed(connection, em_connection_start_tls(connection, &mine->tls));
}

static void handshake_completed(em_connection *connection)
{
    static const char message[MESSAGE_BYTES];
    const party *mine = em_connection_get_user(connection);
    if (mine->is_client)
        close_if_failed(connection, em_connection_send(connection, message, sizeof message));
}

static void resume(em_loop *loop, void *user)
{
    party *mine = user;
    (void)loop;
    if (mine->connection)
        em_connection_resume_receiving(mine->connection);
}

/* Pauses after each piece, so that the rest is held. */
static void pause_for_a_turn(em_connection *connection, party *mine)
{
    em_connection_pause_receiving(connection);
    if (em_loop_next_tick(em_connection_get_loop(connection), resume, mine, NULL) != EM_OK)
        em_connection_resume_receiving(connection);
}

/* The server echoes. The client sends the next message when one is back, and closes after the last one. */
static void receive_data(em_connection *connection, const void *data, size_t length)
{
    static const char message[MESSAGE_BYTES];
    party *mine = em_connection_get_user(connection);
    mine->received += length;
    pause_for_a_turn(connection, mine);
    if (!mine->is_client)
        close_if_failed(connection, em_connection_send(connection, data, length));
    else if (mine->received == (size_t)MESSAGE_BYTES * MESSAGES)
        em_connection_close_after_writing(connection);
    else if (mine->received % MESSAGE_BYTES == 0)
        close_if_failed(connection, em_connection_send(connection, message, sizeof message));
}

static void unbind(em_connection *connection, em_status reason)
{
    party *mine = em_connection_get_user(connection);
    mine->unbound++;
    mine->reason = reason;
    mine->connection = NULL;
}

static const em_handler handler = {.post_init = post_init,
                                   .receive_data = receive_data,
                                   .ssl_handshake_completed = handshake_completed,
                                   .unbind = unbind};

/* Until the client has ended, and the server's side too if there is one. */
static void run_to_the_end(em_loop *loop, const party *client, const party *server)
{
    while (client->made != client->unbound || server->made != server->unbound)
        system_turn(loop);
}

/* Returns whether there were fewer allocations than n. */
static bool fail_nth(const system_tls_pair *pair, unsigned long n, em_switch all_later_ones)
{
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator.allocator});
    party client = {.is_client = true, .tls = pair->client.tls}, server = {.tls = pair->server.tls};
    int port = system_serve(loop, &handler, &server);
    const em_connect_options options = {.size = sizeof options, .user = &client};
    failing_allocator_fail(&allocator, n, all_later_ones);
    em_status status = em_loop_connect(loop, "127.0.0.1", port, &handler, &options, NULL);
    assert_true(status == EM_OK || (status == EM_NO_MEMORY && client.made == client.unbound));
    if (all_later_ones == EM_ON)
        for (unsigned i = 0; i < 20; i++)
            system_turn(loop);
    else
        run_to_the_end(loop, &client, &server);
    bool has_failed = atomic_load(&allocator.failures) > 0;
    failing_allocator_fail(&allocator, 0, EM_OFF);
    assert_true(has_failed || client.received == (size_t)MESSAGE_BYTES * MESSAGES);
    assert_true(has_failed || (client.reason == EM_OK && server.reason == EM_OK));
    run_to_the_end(loop, &client, &server);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    assert_int_equal(client.made, client.unbound);
    assert_int_equal(server.made, server.unbound);
    assert_int_equal(atomic_load(&allocator.live), 0);
    return !has_failed;
}

static void each_allocation_fails(em_loop *loop, em_switch all_later_ones)
{
    system_tls_pair *pair = system_tls_new_pair(loop);
    unsigned long n = 1;
    while (!fail_nth(pair, n, all_later_ones))
        assert_true(++n < MOST_ALLOCATIONS);
    assert_true(n > 10);
    system_tls_free(pair);
}

static void a_connection_survives_the_failure_of_each_allocation(void **state)
{
    each_allocation_fails(*state, EM_OFF);
}

static void a_connection_survives_the_end_of_memory_at_each_allocation(void **state)
{
    each_allocation_fails(*state, EM_ON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_connection_survives_the_failure_of_each_allocation),
        SYSTEM_TEST(a_connection_survives_the_end_of_memory_at_each_allocation),
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
