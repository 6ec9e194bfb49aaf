/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Very many connections, one after the other or thousands at once, over TCP and Unix sockets: each sends something and
 * expects it back, and ends in one of four ways. None may be lost: each end is reported on both sides with the right
 * reason. CONNECTIONS per seed; 40 seeds are 10^5.
 *
 * Ports: an end by a reset leaves none taken, and the others spread over a thousand loopback addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz/support/fuzz.h"
#include "fuzz/support/fuzz_stream.h"
#include "support/bytes.h"
#include "support/failing_allocator.h"

enum { CONNECTIONS = 2500, LARGEST = 2000, SPARE_DESCRIPTORS = 50, ADDRESSES = 1000 };

typedef enum ending {
    CLIENT_CLOSES,
    CLIENT_RESETS,
    SERVER_CLOSES,      /* when it has sent everything back */
    BOTH_FINISH_WRITING /* the client first */
} ending;

typedef struct call {
    em_connection *connection; /* NULL: not made yet, or ended */
    uint32_t number;
    ending ending;
    size_t length;
    fuzz_stream back; /* what the client got */
    bool is_over;
} call;

/* The accepted end of a call. */
typedef struct reply {
    fuzz_stream asked;
    bool is_over;
} reply;

static struct {
    uint64_t random;
    em_loop *loop;
    failing_allocator memory;
    bool is_local;
    int port;
    char path[64];
    unsigned at_once;
    unsigned begun, over, replies, replied;
    call calls[CONNECTIONS];
} many;

static void begin_call(void);

static void stop_if_over(void)
{
    if (many.over == CONNECTIONS && many.replied == CONNECTIONS)
        em_loop_stop(many.loop);
}

/* The server */

static void greet(em_connection *connection)
{
    reply *made = calloc(1, sizeof *made);
    FUZZ_CHECK(made != NULL);
    em_connection_set_user(connection, made);
    many.replies++;
}

static call *call_of(const reply *replying)
{
    FUZZ_CHECK(fuzz_stream_is_known(&replying->asked) && replying->asked.sender < CONNECTIONS);
    return &many.calls[replying->asked.sender];
}

static void send_back(em_connection *connection, const void *data, size_t length)
{
    reply *replying = em_connection_get_user(connection);
    FUZZ_CHECK(!replying->is_over && fuzz_stream_accept(&replying->asked, data, length));
    FUZZ_CHECK(em_connection_send(connection, data, length) == EM_OK);
    fuzz_count.bytes += length;
    if (!fuzz_stream_is_known(&replying->asked))
        return;
    const call *caller = call_of(replying);
    if (caller->ending == SERVER_CLOSES && replying->asked.bytes == caller->length)
        FUZZ_CHECK(em_connection_close_after_writing(connection) == EM_OK);
}

static void hear_end(em_connection *connection)
{
    const reply *replying = em_connection_get_user(connection);
    FUZZ_CHECK(many.is_local || call_of(replying)->ending != CLIENT_RESETS);
    FUZZ_CHECK(em_connection_close_after_writing(connection) == EM_OK);
}

static void end_reply(em_connection *connection, em_status reason)
{
    reply *replying = em_connection_get_user(connection);
    const call *caller = call_of(replying);
    FUZZ_CHECK(replying->asked.bytes == caller->length);
    /* Unix sockets know no reset. */
    em_status expected = caller->ending == CLIENT_RESETS && !many.is_local ? EM_CONNECTION_RESET : EM_OK;
    if (reason != expected)
        fuzz_fail("reply %u ended with %s", caller->number, em_status_get_name(reason));
    free(replying);
    many.replied++;
    fuzz_count.complete++;
    stop_if_over();
}

/* Clients */

static void ask(em_connection *connection)
{
    const call *own = em_connection_get_user(connection);
    unsigned char data[LARGEST];
    fuzz_stream_fill(own->number, data, own->length, 0);
    FUZZ_CHECK(em_connection_send(connection, data, own->length) == EM_OK);
    if (own->ending == BOTH_FINISH_WRITING)
        FUZZ_CHECK(em_connection_close_write(connection) == EM_OK);
}

static void take_back(em_connection *connection, const void *data, size_t length)
{
    call *own = em_connection_get_user(connection);
    FUZZ_CHECK(!own->is_over && fuzz_stream_accept(&own->back, data, length));
    FUZZ_CHECK(own->back.bytes <= own->length);
    if (own->back.bytes == own->length && (own->ending == CLIENT_CLOSES || own->ending == CLIENT_RESETS))
        FUZZ_CHECK(em_connection_close(connection) == EM_OK);
}

static void end_call(em_connection *connection, em_status reason)
{
    call *own = em_connection_get_user(connection);
    FUZZ_CHECK(!own->is_over && own->connection == connection);
    if (reason != EM_OK || own->back.bytes != own->length)
        fuzz_fail("call %u ended with %s after %lu of %zu bytes", own->number, em_status_get_name(reason),
                  (unsigned long)own->back.bytes, own->length);
    FUZZ_CHECK(own->back.sender == own->number);
    own->is_over = true;
    many.over++;
    fuzz_count.complete++;
    if (many.begun < CONNECTIONS)
        begin_call();
    stop_if_over();
}

static const em_handler server_handler = {
    .post_init = greet,
    .receive_data = send_back,
    .receive_end = hear_end,
    .unbind = end_reply,
};

static const em_handler client_handler = {
    .connection_completed = ask,
    .receive_data = take_back,
    .unbind = end_call,
};

static ending pick_ending(void)
{
    return random_below(&many.random, 2) == 0 ? CLIENT_RESETS : (ending)random_below(&many.random, 4);
}

static em_status connect_call(call *begun)
{
    em_stream_options stream = {.size = sizeof stream};
    stream.linger = begun->ending == CLIENT_RESETS ? EM_ON : EM_DEFAULT;
    em_connect_options options = {.size = sizeof options, .user = begun, .stream = &stream};
    if (many.is_local)
        return em_loop_connect_unix_domain(many.loop, many.path, &client_handler, &options, &begun->connection);
    char host[32];
    unsigned number = ((unsigned)getpid() * 31 + begun->number) % ADDRESSES;
    snprintf(host, sizeof host, "127.77.%u.%u", number / 250, 1 + number % 250);
    return em_loop_connect(many.loop, host, many.port, &client_handler, &options, &begun->connection);
}

static void begin_call(void)
{
    call *begun = &many.calls[many.begun];
    *begun = (call){.number = many.begun, .ending = pick_ending()};
    begun->length = FUZZ_STREAM_HEADER_BYTES + random_below(&many.random, LARGEST - FUZZ_STREAM_HEADER_BYTES);
    many.begun++;
    fuzz_count.connections += 2;
    em_status status = connect_call(begun);
    if (status != EM_OK)
        fuzz_fail("call %u: %s", begun->number, em_status_get_name(status));
}

/* The run */

/* Each call takes two descriptors. */
static unsigned most_at_once(void)
{
    struct rlimit limit;
    FUZZ_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    FUZZ_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t most = (limit.rlim_cur - SPARE_DESCRIPTORS) / 2;
    return most < CONNECTIONS ? (unsigned)most : CONNECTIONS;
}

static void listen_for_calls(void)
{
    em_server *server;
    if (many.is_local) {
        snprintf(many.path, sizeof many.path, "@em-fuzz-many-%ld", (long)getpid());
        FUZZ_CHECK(em_loop_start_unix_domain_server(many.loop, many.path, &server_handler, NULL, &server) == EM_OK);
        return;
    }
    FUZZ_CHECK(em_loop_start_server(many.loop, "", 0, &server_handler, NULL, &server) == EM_OK);
    many.port = em_server_get_port(server);
    FUZZ_CHECK(many.port > 0);
}

static void open_loop(const fuzz_run *run)
{
    failing_allocator_init(&many.memory);
    em_loop_options options = {.size = sizeof options, .backend = run->backend, .allocator = &many.memory.allocator};
    FUZZ_CHECK(em_loop_create(&options, &many.loop) == EM_OK);
    listen_for_calls();
}

static void check_stats(void)
{
    em_loop_stats stats;
    FUZZ_CHECK(em_loop_get_stats(many.loop, &stats, sizeof stats) == EM_OK);
    FUZZ_CHECK(stats.connections_opened == CONNECTIONS && stats.connections_accepted == CONNECTIONS);
    FUZZ_CHECK(stats.connections_closed == (uint64_t)CONNECTIONS * 2);
    FUZZ_CHECK(stats.connections_shed == 0 && stats.outbox_bytes == 0 && stats.servers_open == 1);
    FUZZ_CHECK(stats.bytes_received == stats.bytes_sent);
}

static void run(const fuzz_run *run)
{
    static const unsigned at_once[] = {CONNECTIONS, 60, 1};
    memset(&many, 0, sizeof many);
    many.random = run->seed;
    many.is_local = run->seed / 3 % 3 == 1;
    unsigned most = most_at_once();
    many.at_once = at_once[run->seed % 3] < most ? at_once[run->seed % 3] : most;
    open_loop(run);
    while (many.begun < many.at_once)
        begin_call();
    FUZZ_CHECK(em_loop_run(many.loop) == EM_OK);
    check_stats();
    FUZZ_CHECK(em_loop_destroy(many.loop) == EM_OK);
    FUZZ_CHECK(many.memory.live == 0 && many.replies == CONNECTIONS);
}

static void describe(void)
{
    fprintf(stderr, "%s sockets, %u at once: %u calls begun, %u over; %u accepted, %u over\n",
            many.is_local ? "Unix" : "TCP", many.at_once, many.begun, many.over, many.replies, many.replied);
    for (unsigned i = 0, shown = 0; i < many.begun && shown < 10; i++) {
        const call *each = &many.calls[i];
        if (each->is_over)
            continue;
        fprintf(stderr, "  call %u, ending %d: %lu of %zu bytes back\n", i, (int)each->ending,
                (unsigned long)each->back.bytes, each->length);
        shown++;
    }
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {
        .name = "many_connections", .seeds = 4, .seconds_per_run = 120, .run = run, .describe = describe};
    return fuzz_main(argc, argv, &program);
}
