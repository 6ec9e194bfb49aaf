/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several loops, each in its own thread, share one context for their servers and one for their clients, while another
 * thread reloads the certificate and changes the ticket keys.
 */
#include "base/features.h"
#include "support/certificates.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/deadline.h"
#include "support/tls_pair.h"

enum { LOOPS = 3, CONNECTIONS = 40 };

typedef struct worker {
    pthread_t thread;
    em_loop *loop;
    em_tls_context *client;
    em_tls_context *server;
    atomic_uint *running;
    int port;
    unsigned served; /* greetings that came back */
} worker;

/* cmocka's checks are not for other threads. */
static void must(bool holds, const char *what)
{
    if (!holds)
        stop_test("%s", what);
}

static void start(em_connection *connection, em_tls_context *context)
{
    const em_tls_options tls = {.size = sizeof tls, .context = context, .hostname = "example.com"};
    must(em_connection_start_tls(connection, &tls) == EM_OK, "TLS starts");
}

static void serve(em_connection *connection)
{
    const worker *mine = em_connection_get_user(connection);
    start(connection, mine->server);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static void end(em_connection *connection, em_status reason)
{
    (void)connection;
    must(reason == EM_OK, em_status_get_name(reason));
}

static const em_handler server = {.post_init = serve, .receive_data = echo, .unbind = end};

static void greet(em_connection *connection)
{
    const worker *mine = em_connection_get_user(connection);
    start(connection, mine->client);
    em_connection_send_text(connection, "hello");
}

static void receive_greeting(em_connection *connection, const void *data, size_t length)
{
    worker *mine = em_connection_get_user(connection);
    must(length == 5 && memcmp(data, "hello", 5) == 0, "the greeting comes back");
    mine->served++;
    em_connection_close(connection);
}

static void connect_next(worker *mine);

static void end_client(em_connection *connection, em_status reason)
{
    worker *mine = em_connection_get_user(connection);
    end(connection, reason);
    if (mine->served < CONNECTIONS)
        connect_next(mine);
    else
        em_loop_stop(mine->loop);
}

static const em_handler client = {.post_init = greet, .receive_data = receive_greeting, .unbind = end_client};

static void connect_next(worker *mine)
{
    const em_connect_options options = {.size = sizeof options, .user = mine};
    must(em_loop_connect(mine->loop, "127.0.0.1", mine->port, &client, &options, NULL) == EM_OK, "it connects");
}

static void *work(void *argument)
{
    worker *mine = argument;
    connect_next(mine);
    must(em_loop_run(mine->loop) == EM_OK, "the loop runs");
    atomic_fetch_sub(mine->running, 1);
    return NULL;
}

/* As long as threads are running. */
static void change_all_the_time(em_tls_context *context, const atomic_uint *running)
{
    static const em_tls_ticket_key keys[2] = {{.name = "one"}, {.name = "two"}};
    for (unsigned i = 0; atomic_load(running) > 0; i++) {
        assert_int_equal(em_tls_context_reload(context), EM_OK);
        assert_int_equal(em_tls_context_set_ticket_keys(context, keys + i % 2, 1), EM_OK);
    }
}

static void loops_in_threads_share_contexts_that_another_thread_changes(void **state)
{
    static worker workers[LOOPS];
    atomic_uint running;
    system_tls_pair *pair = system_tls_new_pair(*state);
    char *path = text_to_file("shared.pem", tls_test_credentials()->server_pem);
    const em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_file = path};
    system_tls_set_server(pair, (em_tls_context_options){.certificate = &certificate});
    atomic_init(&running, LOOPS);
    for (unsigned i = 0; i < LOOPS; i++) {
        workers[i] = (worker){.loop = system_create_loop((em_loop_options){.size = 0}),
                              .client = pair->client.tls.context,
                              .server = pair->server.tls.context,
                              .running = &running};
        workers[i].port = system_serve(workers[i].loop, &server, &workers[i]);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    change_all_the_time(pair->server.tls.context, &running);
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].served, CONNECTIONS);
        assert_int_equal(em_loop_destroy(workers[i].loop), EM_OK);
    }
    system_tls_free(pair);
    remove(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(loops_in_threads_share_contexts_that_another_thread_changes),
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
