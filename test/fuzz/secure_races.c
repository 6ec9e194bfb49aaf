/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races that TLS decides: many clients at once, each to a few servers of every kind, good and bad, while system calls
 * and allocations fail and reads are cut. Each client has one end, only good servers get to see what it sends, and
 * without failures it is secured if one of its servers is good.
 */
#include "base/features.h"
#include "fuzz/support/fuzz.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/support/faults.h"
#include "support/bytes.h"
#include "support/tls_pair.h"

enum { SERVERS = 8, CLIENTS = 40, MOST_ADDRESSES = 6 };

typedef enum manner { GOOD, SILENT, WRONG_NAME, NOT_TLS, CLOSES, MANNERS } manner;

typedef struct client {
    bool has_good;
    bool is_opened, is_secured, is_over;
    em_connection *connection;
    size_t received;
} client;

static struct {
    uint64_t random;
    const fuzz_run *run;
    em_loop *loop;
    failing_allocator memory;
    manner manners[SERVERS];
    em_address addresses[SERVERS];
    client clients[CLIENTS];
    unsigned over;
} races;

static em_tls_context *contexts[MANNERS];
static em_tls_context *client_context;

static bool fails(void)
{
    return races.run->memory || races.run->calls;
}

/* Servers. Their user pointer is their manner. */

static void give_up(em_connection *connection, em_status status)
{
    FUZZ_CHECK(status >= 0 || fails());
    if (status < 0)
        em_connection_close(connection);
}

static void greet(em_connection *connection)
{
    const manner *how = em_connection_get_user(connection);
    const em_tls_options tls = {.size = sizeof tls, .context = contexts[*how]};
    fuzz_count.connections++;
    if (contexts[*how])
        give_up(connection, em_connection_start_tls(connection, &tls));
    else if (*how == NOT_TLS)
        em_connection_send_text(connection, "+OK POP3 server ready\r\n");
}

static void serve(em_connection *connection, const void *data, size_t length)
{
    const manner *how = em_connection_get_user(connection);
    FUZZ_CHECK(*how != WRONG_NAME);
    if (*how == GOOD) {
        FUZZ_CHECK(length <= 4 && memcmp(data, "once", length) == 0);
        em_connection_send(connection, data, length);
    } else if (*how == CLOSES) {
        em_connection_close(connection);
    }
}

static const em_handler server_handler = {.post_init = greet, .receive_data = serve};

/* Clients */

static void completed(em_connection *connection)
{
    client *own = em_connection_get_user(connection);
    FUZZ_CHECK(!own->is_opened && !own->is_over && em_connection_get_state(connection) == EM_STATE_OPEN);
    own->is_opened = true;
}

static void secured(em_connection *connection)
{
    client *own = em_connection_get_user(connection);
    FUZZ_CHECK(own->is_opened && !own->is_secured && own->has_good);
    own->is_secured = true;
}

static void receive(em_connection *connection, const void *data, size_t length)
{
    client *own = em_connection_get_user(connection);
    FUZZ_CHECK(own->is_secured && own->received + length <= 4 && memcmp(data, &"once"[own->received], length) == 0);
    own->received += length;
    fuzz_count.bytes += length;
    if (own->received < 4)
        return;
    fuzz_count.complete++;
    em_connection_close(connection);
}

static void end(em_connection *connection, em_status reason)
{
    client *own = em_connection_get_user(connection);
    em_reason details = {.size = sizeof details};
    (void)reason;
    FUZZ_CHECK(!own->is_over && em_connection_get_reason(connection, &details) == EM_OK && details.text[0] != '\0');
    if (!fails() && own->has_good && own->received != 4)
        fuzz_fail("a client ended with %s", details.text);
    own->is_over = true;
    races.over++;
    if (races.over == CLIENTS)
        em_loop_stop(races.loop);
}

static const em_handler client_handler = {
    .connection_completed = completed,
    .ssl_handshake_completed = secured,
    .receive_data = receive,
    .unbind = end,
};

static void begin(client *own)
{
    const em_tls_options tls = {.size = sizeof tls, .context = client_context, .hostname = "example.com"};
    em_address addresses[MOST_ADDRESSES];
    size_t count = 1 + random_below(&races.random, MOST_ADDRESSES);
    for (size_t i = 0; i < count; i++) {
        unsigned number = (unsigned)random_below(&races.random, SERVERS);
        addresses[i] = races.addresses[number];
        own->has_good = own->has_good || races.manners[number] == GOOD;
    }
    bool is_unlimited = own->has_good && !fails();
    const em_connect_options options = {
        .size = sizeof options,
        .user = own,
        .tls = &tls,
        .attempt_delay_ns = 10 * EM_MILLISECONDS,
        .short_attempt_delay = EM_ON,
        .connect_timeout_ns = is_unlimited ? EM_FOREVER : 300 * EM_MILLISECONDS,
    };
    em_status status =
        em_loop_connect_addresses(races.loop, addresses, count, &client_handler, &options, &own->connection);
    FUZZ_CHECK(status == EM_OK || fails());
    if (status == EM_OK)
        status = em_connection_send_text(own->connection, "once");
    else
        races.over++;
    FUZZ_CHECK(status == EM_OK || fails());
    if (status != EM_OK && own->connection)
        em_connection_close(own->connection);
}

/* The run */

static void make_contexts(void)
{
    if (client_context)
        return;
    const certificate_recipe recipe = {.common_name = "other", .alternative_names = "DNS:other.example"};
    test_certificate other = certificate_make(&recipe, &tls_test_credentials()->authority);
    char *pem = tls_pem_of(&other);
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    contexts[WRONG_NAME] = tls_context_make(&options);
    contexts[GOOD] = tls_server_context();
    certificate_free(&other);
    free(pem);
    client_context = tls_client_context();
}

static void open_servers(void)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        em_server *server;
        races.manners[i] = i == 0 ? GOOD : (manner)random_below(&races.random, MANNERS);
        em_server_options options = {.size = sizeof options, .user = &races.manners[i]};
        FUZZ_CHECK(em_loop_start_server(races.loop, fuzz_host(), 0, &server_handler, &options, &server) == EM_OK);
        FUZZ_CHECK(em_address_from_text(fuzz_host(), em_server_get_port(server), &races.addresses[i]) == EM_OK);
    }
}

static void run(const fuzz_run *run)
{
    static faults made;
    memset(&races, 0, sizeof races);
    memset(&made, 0, sizeof made);
    races.random = run->seed;
    races.run = run;
    make_contexts();
    made.random = run->seed;
    faults_use(&made); /* none yet, but it takes note of what is watched */
    failing_allocator_init(&races.memory);
    em_loop_options options = {.size = sizeof options, .backend = run->backend, .allocator = &races.memory.allocator};
    FUZZ_CHECK(em_loop_create(&options, &races.loop) == EM_OK);
    open_servers();
    made.cuts = run->cuts;
    made.fail_every = run->calls ? 20 + random_below(&races.random, 200) : 0;
    failing_allocator_fail_every(&races.memory, run->memory ? 10 + random_below(&races.random, 200) : 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        begin(&races.clients[i]);
    while (races.over < CLIENTS)
        em_loop_run_once(races.loop, 20 * EM_MILLISECONDS);
    faults_use(NULL);
    failing_allocator_fail_every(&races.memory, 0);
    FUZZ_CHECK(em_loop_destroy(races.loop) == EM_OK);
    FUZZ_CHECK(races.memory.live == 0);
    fuzz_count.cuts += made.cut;
    fuzz_count.failed_calls += made.failed;
    fuzz_count.failed_allocations += races.memory.failures;
}

static void describe(void)
{
    fprintf(stderr, "cuts %d, memory %d, calls %d\n", races.run->cuts, races.run->memory, races.run->calls);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (!races.clients[i].is_over)
            fprintf(stderr, "  client %u: %s\n", i, races.clients[i].is_secured ? "secured" : "not secured");
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {
        .name = "secure_races", .seeds = 12, .seconds_per_run = 60, .run = run, .describe = describe};
    return fuzz_main(argc, argv, &program);
}

#else

#include <stdio.h>

int main(void)
{
    printf("skipped: built without OpenSSL\n");
    return 0;
}

#endif
