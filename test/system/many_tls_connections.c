/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Very many handshakes and messages leave nothing behind, and a server's certificate is replaced while clients come and
 * go. With TEST_LONG in the environment there are ten times as many handshakes and five times as many messages.
 */
#include "base/features.h"
#include "support/counted_memory.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/tls_pair.h"

enum {
    AT_ONCE = 20,
    HANDSHAKES = 1000,
    MESSAGES = 20000,
    MOST_MESSAGE_BYTES = 2000,
    RELOADS = 50,
    HANDSHAKES_PER_RELOAD = 10,
    SPARE_BYTES = 64 * 1024,
    LONG_SECONDS = 3600
};

/* Clients that come one after another, some at a time. Each sends messages and closes when the last one is back. */
typedef struct load {
    system_tls_pair *pair;
    int port;
    unsigned to_come;
    unsigned open;             /* clients and their server's side */
    unsigned ready;            /* handshakes done, on the client's side */
    unsigned messages;         /* that came back, of all clients */
    unsigned messages_of_each; /* after so many a client closes */
    em_status worst;           /* reason of a connection that failed */
    const char *name;          /* the server's certificate must be for this; NULL: any */
} load;

typedef struct load_client {
    load *all;
    unsigned messages;
    size_t expected; /* bytes of the message on its way */
    size_t received;
} load_client;

static unsigned times(unsigned factor)
{
    return getenv("TEST_LONG") ? factor : 1;
}

/* The server's side */

static void post_init(em_connection *connection)
{
    load *all = em_connection_get_user(connection);
    all->open++;
    assert_int_equal(em_connection_start_tls(connection, &all->pair->server.tls), EM_OK);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    assert_true(em_connection_send(connection, data, length) >= 0);
}

static void note_end(load *all, em_status reason)
{
    all->open--;
    if (reason != EM_OK)
        all->worst = reason;
}

static void unbind(em_connection *connection, em_status reason)
{
    note_end(em_connection_get_user(connection), reason);
}

static const em_handler server = {.post_init = post_init, .receive_data = echo, .unbind = unbind};

/* The clients' side */

static void send_message(em_connection *connection, load_client *mine)
{
    static const char message[MOST_MESSAGE_BYTES];
    mine->received = 0;
    mine->expected = 1 + mine->all->messages * 37 % MOST_MESSAGE_BYTES;
    assert_true(em_connection_send(connection, message, mine->expected) >= 0);
}

static void post_init_of_client(em_connection *connection)
{
    load_client *mine = em_connection_get_user(connection);
    mine->all->open++;
    assert_int_equal(em_connection_start_tls(connection, &mine->all->pair->client.tls), EM_OK);
    send_message(connection, mine);
}

static void check_name(em_connection *connection, const char *expected)
{
    unsigned char der[4096];
    size_t length = sizeof der;
    assert_int_equal(em_connection_get_peer_certificate(connection, 0, EM_TLS_DER, der, &length), EM_OK);
    char *name = certificate_name(der, length);
    assert_string_equal(name, expected);
    free(name);
}

static void handshake_completed(em_connection *connection)
{
    load_client *mine = em_connection_get_user(connection);
    mine->all->ready++;
    if (mine->all->name)
        check_name(connection, mine->all->name);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    load_client *mine = em_connection_get_user(connection);
    (void)data;
    mine->received += length;
    assert_true(mine->received <= mine->expected);
    if (mine->received < mine->expected)
        return;
    mine->all->messages++;
    if (++mine->messages < mine->all->messages_of_each)
        send_message(connection, mine);
    else
        em_connection_close(connection);
}

static void dial_next(load *all);

static void unbind_client(em_connection *connection, em_status reason)
{
    load_client *mine = em_connection_get_user(connection);
    load *all = mine->all;
    free(mine);
    note_end(all, reason);
    dial_next(all);
}

static const em_handler client = {.post_init = post_init_of_client,
                                  .receive_data = receive_data,
                                  .ssl_handshake_completed = handshake_completed,
                                  .unbind = unbind_client};

/* The next one, if there is one. */
static void dial_next(load *all)
{
    if (all->to_come == 0)
        return;
    load_client *next = calloc(1, sizeof *next);
    assert_non_null(next);
    next->all = all;
    all->to_come--;
    system_dial(all->pair->loop, all->port, &client, next);
}

/* So many come and go. Expects that all of them got all. */
static void serve(load *all, unsigned clients, unsigned messages_of_each)
{
    unsigned ready = all->ready + clients;
    unsigned messages = all->messages + clients * messages_of_each;
    all->to_come = clients;
    all->messages_of_each = messages_of_each;
    for (unsigned i = 0; i < AT_ONCE; i++)
        dial_next(all);
    while (all->open > 0 || all->to_come > 0)
        system_turn(all->pair->loop);
    assert_int_equal(all->worst, EM_OK);
    assert_int_equal(all->ready, ready);
    assert_int_equal(all->messages, messages);
}

static load *new_load(em_loop *loop)
{
    if (getenv("TEST_LONG"))
        alarm(LONG_SECONDS);
    load *all = system_memory(sizeof *all);
    all->pair = system_tls_new_pair(loop);
    all->port = system_serve(loop, &server, all);
    return all;
}

static void expect_no_growth(counted_memory before, unsigned actions)
{
    counted_memory after = counted_memory_get();
    if (after.allocations - before.allocations > (long)actions / 10 || after.bytes - before.bytes > SPARE_BYTES)
        fail_msg("%ld allocations more, %ld bytes more after %u", after.allocations - before.allocations,
                 after.bytes - before.bytes, actions);
}

static void handshakes_leave_nothing(em_switch tickets)
{
    em_loop *loop = system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
    load *all = new_load(loop);
    unsigned count = HANDSHAKES * times(10);
    system_tls_set_client(all->pair, (em_tls_context_options){.session_tickets = tickets, .session_limit = AT_ONCE});
    serve(all, 10 * AT_ONCE, 1);
    counted_memory before = counted_memory_get();
    serve(all, count, 1);
    expect_no_growth(before, count);
    system_tls_free(all->pair);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

static void a_thousand_handshakes_leave_nothing(void **state)
{
    (void)state;
    handshakes_leave_nothing(EM_OFF);
}

static void a_thousand_resumed_handshakes_leave_nothing(void **state)
{
    (void)state;
    handshakes_leave_nothing(EM_ON);
}

static void many_messages_leave_nothing(void **state)
{
    (void)state;
    em_loop *loop = system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
    load *all = new_load(loop);
    unsigned of_each = MESSAGES / AT_ONCE * times(5);
    serve(all, AT_ONCE, of_each / 10);
    counted_memory before = counted_memory_get();
    serve(all, AT_ONCE, of_each);
    expect_no_growth(before, AT_ONCE);
    system_tls_free(all->pair);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

/* Reloading */

static const char *const names[] = {"first", "second"};

static void write_certificate(const char *path, const char *name)
{
    const certificate_recipe recipe = {.common_name = name, .alternative_names = "DNS:example.com"};
    test_certificate made = certificate_make(&recipe, &tls_test_credentials()->authority);
    char *pem = tls_pem_of(&made);
    text_write(path, pem);
    free(pem);
    certificate_free(&made);
}

/* One that was there at first, and is there at the end. */
static void expect_echo(const system_tls_pair *pair, size_t length)
{
    em_connection_send_text(pair->client.connection, "x");
    system_tls_await_bytes(pair, &pair->client, length);
}

static void a_certificate_is_replaced_under_load_without_an_error(void **state)
{
    load *all = new_load(*state);
    system_tls_pair *pair = all->pair;
    char *path = text_to_file("reloaded.pem", "");
    const em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_file = path};
    write_certificate(path, names[0]);
    system_tls_set_server(pair, (em_tls_context_options){.certificate = &certificate});
    system_tls_set_client(pair, (em_tls_context_options){.session_tickets = EM_OFF});
    system_tls_begin(pair, &system_tls_handler);
    expect_echo(pair, 1);
    for (unsigned i = 0; i < RELOADS; i++) {
        all->name = names[i % 2];
        write_certificate(path, all->name);
        assert_int_equal(em_tls_context_reload(pair->server.tls.context), EM_OK);
        serve(all, HANDSHAKES_PER_RELOAD, 2);
        text_write(path, "no certificate");
        assert_int_equal(em_tls_context_reload(pair->server.tls.context), EM_TLS_BAD_CERTIFICATE);
        serve(all, HANDSHAKES_PER_RELOAD, 2);
    }
    expect_echo(pair, 2);
    system_tls_finish(pair);
    remove(path);
    free(path);
}

/* While handshakes are under way, so that each may get either certificate. */
static void a_certificate_is_replaced_within_handshakes_without_an_error(void **state)
{
    load *all = new_load(*state);
    system_tls_pair *pair = all->pair;
    char *path = text_to_file("reloaded.pem", "");
    const em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_file = path};
    write_certificate(path, names[0]);
    system_tls_set_server(pair, (em_tls_context_options){.certificate = &certificate});
    all->to_come = RELOADS * HANDSHAKES_PER_RELOAD;
    all->messages_of_each = 2;
    for (unsigned i = 0; i < AT_ONCE; i++)
        dial_next(all);
    for (unsigned i = 0; all->open > 0 || all->to_come > 0; i++) {
        if (i % 4 == 0)
            write_certificate(path, names[i / 4 % 2]);
        assert_int_equal(em_tls_context_reload(pair->server.tls.context), EM_OK);
        assert_int_equal(em_loop_run_once(pair->loop, 0), EM_OK);
    }
    assert_int_equal(all->worst, EM_OK);
    assert_int_equal(all->ready, RELOADS * HANDSHAKES_PER_RELOAD);
    system_tls_free(pair);
    remove(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_thousand_handshakes_leave_nothing),
        SYSTEM_TEST(a_thousand_resumed_handshakes_leave_nothing),
        SYSTEM_TEST(many_messages_leave_nothing),
        SYSTEM_TEST(a_certificate_is_replaced_under_load_without_an_error),
        SYSTEM_TEST(a_certificate_is_replaced_within_handshakes_without_an_error),
    };
    counted_memory_count_openssl();
    return SYSTEM_RUN(tests);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
