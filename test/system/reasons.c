/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The detail of unbind's reason over real sockets. This program has a getaddrinfo(3) of its own: "slow.test" hangs
 * until the test ends, "here.test" is 127.0.0.1, other names are unknown.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_answered;
static unsigned hanging;

/* A socket address and its place in the list, in one piece of memory. */
typedef struct result {
    struct addrinfo info;
    em_address address;
} result;

static void hang(void)
{
    pthread_mutex_lock(&mutex);
    hanging++;
    while (!is_answered)
        pthread_cond_wait(&changed, &mutex);
    hanging--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void answer_slow_names(void)
{
    pthread_mutex_lock(&mutex);
    is_answered = true;
    pthread_cond_broadcast(&changed);
    while (hanging > 0)
        pthread_cond_wait(&changed, &mutex);
    is_answered = false;
    pthread_mutex_unlock(&mutex);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)hints;
    if (strcmp(name, "slow.test") == 0)
        hang();
    result *made = strcmp(name, "here.test") == 0 ? calloc(1, sizeof *made) : NULL;
    if (!made || em_address_from_text("127.0.0.1", atoi(service), &made->address) != EM_OK)
        return EAI_NONAME;
    made->info.ai_addr = (struct sockaddr *)(void *)made->address.storage.bytes;
    made->info.ai_addrlen = made->address.length;
    *found = &made->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(EMI_CONTAINER(found, result, info));
}

/* What unbind found. */
typedef struct detail {
    em_connection *connection;
    em_status status;
    int system_error;
    char text[256];
    unsigned unbinds;
} detail;

static void remember(em_connection *connection)
{
    detail *own = em_connection_get_user(connection);
    own->connection = connection;
}

static void ask(em_connection *connection, em_status status)
{
    detail *own = em_connection_get_user(connection);
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(connection, &reason), EM_OK);
    assert_int_equal(reason.status, status);
    own->status = status;
    own->system_error = reason.system_error;
    snprintf(own->text, sizeof own->text, "%s", reason.text);
    own->unbinds++;
}

static const em_handler asking = {.post_init = remember, .unbind = ask};

static void expect(em_loop *loop, const detail *own, em_status status, int system_error, const char *text)
{
    while (!own->unbinds)
        system_turn(loop);
    assert_int_equal(own->status, status);
    assert_int_equal(own->system_error, system_error);
    assert_string_equal(own->text, text);
}

static detail *dial(em_loop *loop, const char *host, int port, em_connect_options options)
{
    options.size = sizeof options;
    options.user = system_memory(sizeof(detail));
    assert_int_equal(em_loop_connect(loop, host, port, &asking, &options, NULL), EM_OK);
    return options.user;
}

static const em_connect_options plain = {.size = sizeof plain};
static const em_connect_options impatient = {.size = sizeof impatient, .connect_timeout_ns = 30 * EM_MILLISECONDS};

static void a_refusal_names_the_name_and_the_address(void **state)
{
    int port = system_closed_port();
    char expected[2][128];
    snprintf(expected[0], sizeof expected[0], "connect to 127.0.0.1:%d: Connection refused", port);
    snprintf(expected[1], sizeof expected[1], "connect to here.test (127.0.0.1:%d): Connection refused", port);
    expect(*state, dial(*state, "127.0.0.1", port, plain), EM_CONNECTION_REFUSED, ECONNREFUSED, expected[0]);
    expect(*state, dial(*state, "here.test", port, plain), EM_CONNECTION_REFUSED, ECONNREFUSED, expected[1]);
}

static void a_name_that_does_not_resolve_is_named(void **state)
{
    expect(*state, dial(*state, "unknown.test", 80, plain), EM_NAME_NOT_FOUND, 0,
           "resolve unknown.test: host name not found");
    expect(*state, dial(*state, "slow.test", 80, impatient), EM_RESOLVE_TIMEOUT, 0,
           "resolve slow.test: timed out while resolving the name");
    answer_slow_names();
}

static void an_unavailable_local_end_is_distinguished_from_the_peer(void **state)
{
    em_connect_options options = {.size = sizeof options, .bind_host = "unknown.test"};
    expect(*state, dial(*state, "here.test", 80, options), EM_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL,
           "find a local address to reach here.test: Cannot assign requested address");
}

static void a_connect_timeout_names_the_address(void **state)
{
    int fillers[SYSTEM_MOST_FILLERS];
    int port;
    int listener = system_listen(0, &port);
    unsigned filled = system_fill_queue(port, fillers);
    char expected[128];
    snprintf(expected, sizeof expected, "connect to 127.0.0.1:%d: timed out while connecting", port);
    if (filled > 0)
        expect(*state, dial(*state, "127.0.0.1", port, impatient), EM_CONNECT_TIMEOUT, 0, expected);
    for (unsigned i = 0; i < filled; i++)
        close(fillers[i]);
    close(listener);
    if (filled == 0)
        system_skip("the system's queues never fill");
}

/* A connection that the loop has accepted from a bare client. */
static int accept_one(em_loop *loop, detail *own, em_stream_options stream, char *name)
{
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = own, .stream = &stream};
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    stream.size = sizeof stream;
    int client = system_connect(system_serve_with(loop, &asking, options, &server));
    while (!own->connection)
        system_turn(loop);
    assert_int_equal(em_connection_get_peer_address(own->connection, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    sprintf(name, "connection with %s: ", text);
    return client;
}

static void each_end_of_an_established_connection_names_the_peer(void **state)
{
    enum { BY_PEER, AT_THIS_END, RESET, INACTIVE, STUCK, CASES };
    static const struct {
        em_stream_options options;
        em_status status;
        int system_error;
        const char *text;
    } cases[CASES] = {
        [BY_PEER] = {{.size = 0}, EM_OK, 0, "closed by the peer"},
        [AT_THIS_END] = {{.size = 0}, EM_OK, 0, "closed at this end"},
        [RESET] = {{.size = 0}, EM_CONNECTION_RESET, ECONNRESET, "Connection reset by peer"},
        [INACTIVE] = {{.inactivity_timeout_ns = EM_MILLISECONDS},
                      EM_INACTIVITY_TIMEOUT,
                      0,
                      "timed out because of inactivity"},
        [STUCK] = {{.write_timeout_ns = 20 * EM_MILLISECONDS},
                   EM_WRITE_TIMEOUT,
                   0,
                   "timed out because the peer does not receive"},
    };
    static const char much[32 * 1024 * 1024];
    for (unsigned i = 0; i < CASES; i++) {
        char expected[512];
        detail *own = system_memory(sizeof *own);
        int client = accept_one(*state, own, cases[i].options, expected);
        strcat(expected, cases[i].text);
        if (i == BY_PEER)
            shutdown(client, SHUT_WR);
        if (i == AT_THIS_END)
            em_connection_close(own->connection);
        if (i == STUCK)
            em_connection_send_borrowed(own->connection, much, sizeof much, NULL, NULL);
        if (i == RESET)
            system_reset(client);
        expect(*state, own, cases[i].status, cases[i].system_error, expected);
        if (i != RESET)
            close(client);
    }
}

static void a_call_that_fails_has_the_systems_error_number(void **state)
{
    em_status status = em_loop_connect_unix_domain(*state, "/nowhere/at/all/em.sock", &asking, &plain, NULL);
    assert_int_equal(status, EM_NO_SUCH_FILE);
    assert_int_equal(em_status_get_system_error(status), ENOENT);
    assert_int_equal(em_status_get_system_error(EM_OK), 0);
    assert_int_equal(em_status_get_system_error(EM_CLOSED), 0);
    assert_int_equal(em_status_get_system_error((em_status)-9999), 0);
    assert_int_equal(em_status_get_system_error(EM_CONNECTION_REFUSED), ECONNREFUSED);
}

int main(void)
{
    setenv("EM_RESOLVER", "system", 1); /* asks the getaddrinfo of this program */
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_refusal_names_the_name_and_the_address),
        SYSTEM_TEST(a_name_that_does_not_resolve_is_named),
        SYSTEM_TEST(an_unavailable_local_end_is_distinguished_from_the_peer),
        SYSTEM_TEST(a_connect_timeout_names_the_address),
        SYSTEM_TEST(each_end_of_an_established_connection_names_the_peer),
        SYSTEM_TEST(a_call_that_fails_has_the_systems_error_number),
    };
    return SYSTEM_RUN(tests);
}
