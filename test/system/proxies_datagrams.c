/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies from and to datagram sockets, over real sockets and pipes.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/datagram_record.h"
#include "support/system_test.h"

enum { LARGE_BYTES = 200000, LARGEST_DATAGRAM_BYTES = 65507, FEW_BYTES = 3000, MANY = 200 };

/* A connection, and the descriptor at its other end. */
typedef struct stream {
    em_connection *connection; /* NULL after unbind */
    int peer;
    size_t received;
    char text[64];
    unsigned completed, told;
} stream;

/* A datagram socket that reports its proxies. */
typedef struct relaying {
    em_datagram_socket *socket; /* NULL after unbind */
    int peer;
    unsigned received, completed, told;
    char text[64];
} relaying;

static void keep(char text[64], const void *data, size_t length)
{
    size_t kept = length < 63 ? length : 63;
    memcpy(text, data, kept);
    text[kept] = '\0';
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    stream *all = em_connection_get_user(connection);
    all->received += length;
    keep(all->text, data, length);
}

static void completed(em_connection *connection)
{
    ((stream *)em_connection_get_user(connection))->completed++;
}

static void told(em_connection *connection)
{
    ((stream *)em_connection_get_user(connection))->told++;
}

static void unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    ((stream *)em_connection_get_user(connection))->connection = NULL;
}

static const em_handler stream_handler = {
    .receive_data = receive_data, .proxy_completed = completed, .proxy_target_unbound = told, .unbind = unbind};

static stream *attach(em_loop *loop, int descriptor, int peer)
{
    stream *all = system_memory(sizeof *all);
    const em_attach_options options = {.size = sizeof options, .user = all};
    all->peer = peer;
    assert_int_equal(em_loop_attach(loop, descriptor, &stream_handler, &options, &all->connection), EM_OK);
    return all;
}

static stream *open_stream(em_loop *loop)
{
    int sockets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    return attach(loop, sockets[0], sockets[1]);
}

static void relaying_received(em_datagram_socket *socket, const em_datagram *datagram)
{
    relaying *all = em_datagram_socket_get_user(socket);
    all->received++;
    keep(all->text, datagram->data, datagram->length);
}

static void relaying_completed(em_datagram_socket *socket)
{
    ((relaying *)em_datagram_socket_get_user(socket))->completed++;
}

static void relaying_told(em_datagram_socket *socket)
{
    ((relaying *)em_datagram_socket_get_user(socket))->told++;
}

static void relaying_unbound(em_datagram_socket *socket, em_status reason)
{
    (void)reason;
    ((relaying *)em_datagram_socket_get_user(socket))->socket = NULL;
}

static const em_datagram_handler relaying_handler = {.receive_datagram = relaying_received,
                                                     .proxy_completed = relaying_completed,
                                                     .proxy_target_unbound = relaying_told,
                                                     .unbind = relaying_unbound};

/* One end of a pair of datagram sockets of the Unix domain, which loses nothing; both have a fixed peer. */
static relaying *open_relaying(em_loop *loop)
{
    int sockets[2];
    relaying *all = system_memory(sizeof *all);
    const em_datagram_options options = {.size = sizeof options, .user = all};
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets), 0);
    all->peer = sockets[1];
    assert_int_equal(em_loop_attach_datagram_socket(loop, sockets[0], &relaying_handler, &options, &all->socket),
                     EM_OK);
    return all;
}

static em_signature number_of(const stream *all)
{
    return em_connection_get_signature(all->connection);
}

static em_signature socket_number(const relaying *all)
{
    return em_datagram_socket_get_signature(all->socket);
}

static void start(em_loop *loop, em_signature from, em_signature to, const em_proxy_options *options)
{
    assert_int_equal(em_loop_start_proxy(loop, from, to, options), EM_OK);
}

/* Turns until so many bytes, or one datagram, have arrived there. */
static size_t take(em_loop *loop, int descriptor, char *text, size_t capacity)
{
    for (;;) {
        ssize_t length = recv(descriptor, text, capacity, MSG_DONTWAIT);
        if (length >= 0)
            return (size_t)length;
        system_turn(loop);
    }
}

static void expect_text(em_loop *loop, int descriptor, const char *expected)
{
    char text[64];
    size_t length = take(loop, descriptor, text, sizeof text - 1);
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static void put(int descriptor, const void *data, size_t length)
{
    assert_int_equal(write(descriptor, data, length), length);
}

static void finish(em_loop *loop, stream *first, relaying *second)
{
    if (first->connection)
        em_connection_close(first->connection);
    if (second->socket)
        em_datagram_socket_close(second->socket);
    while (first->connection || second->socket)
        system_turn(loop);
    close(first->peer);
    close(second->peer);
}

static void datagrams_and_a_stream_are_relayed_both_ways(void **state)
{
    em_loop *loop = *state;
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, number_of(near), socket_number(far), NULL);
    start(loop, socket_number(far), number_of(near), NULL);
    put(near->peer, "question", 8);
    expect_text(loop, far->peer, "question");
    put(far->peer, "answer", 6);
    expect_text(loop, near->peer, "answer");
    assert_int_equal(em_loop_get_proxied_bytes(loop, number_of(near)), 8);
    assert_int_equal(em_loop_get_proxied_bytes(loop, socket_number(far)), 6);
    assert_null(em_connection_get_proxy_target(near->connection));
    assert_int_equal(near->received + far->received, 0);
    finish(loop, near, far);
}

static void pipes_are_relayed_from_and_to_datagram_sockets(void **state)
{
    em_loop *loop = *state;
    int in[2], out[2];
    char text[16];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    relaying *middle = open_relaying(loop);
    stream *first = attach(loop, in[0], in[1]);
    stream *last = attach(loop, out[1], out[0]);
    start(loop, number_of(first), socket_number(middle), NULL);
    start(loop, socket_number(middle), number_of(last), NULL);
    put(first->peer, "through a pipe", 14);
    expect_text(loop, middle->peer, "through a pipe");
    put(middle->peer, "into another", 12);
    while (em_loop_get_proxied_bytes(loop, socket_number(middle)) < 12 ||
           em_connection_get_outbound_bytes(last->connection) > 0)
        system_turn(loop);
    assert_int_equal(read(last->peer, text, sizeof text), 12);
    em_connection_close(last->connection);
    while (last->connection)
        system_turn(loop);
    close(last->peer);
    assert_int_equal(middle->told, 1);
    finish(loop, first, middle);
}

static void between_datagram_sockets_each_datagram_stays_one(void **state)
{
    em_loop *loop = *state;
    relaying *from = open_relaying(loop), *to = open_relaying(loop);
    stream *unused = open_stream(loop);
    start(loop, socket_number(from), socket_number(to), NULL);
    put(from->peer, "one", 3);
    assert_int_equal(send(from->peer, "", 0, 0), 0);
    put(from->peer, "three", 5);
    expect_text(loop, to->peer, "one");
    expect_text(loop, to->peer, "");
    expect_text(loop, to->peer, "three");
    assert_int_equal(em_loop_stop_proxy(loop, socket_number(from)), EM_OK);
    assert_int_equal(em_loop_stop_proxy(loop, socket_number(from)), EM_INVALID_STATE);
    put(from->peer, "four", 4);
    while (from->received == 0)
        system_turn(loop);
    assert_string_equal(from->text, "four");
    em_datagram_socket_close(to->socket);
    while (to->socket)
        system_turn(loop);
    close(to->peer);
    finish(loop, unused, from);
}

static void without_a_fixed_peer_the_sender_received_last_gets_the_bytes(void **state)
{
    em_loop *loop = *state;
    char text[16];
    stream *near = open_stream(loop);
    datagram_record *middle = datagram_open(loop, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(loop, "127.0.0.1", NULL);
    em_address address = datagram_address(middle);
    em_address nobody;
    assert_int_equal(em_datagram_socket_get_sender(middle->socket, &nobody, NULL), EM_NOT_FOUND);
    start(loop, number_of(near), em_datagram_socket_get_signature(middle->socket), NULL);
    put(near->peer, "waits", 5);
    for (unsigned turns = 0; turns < 10; turns++)
        system_turn(loop);
    assert_int_equal(em_loop_get_proxied_bytes(loop, number_of(near)), 0);
    datagram_send_text(client, &address, "here I am");
    while (client->received == 0)
        system_turn(loop);
    assert_int_equal(middle->received, 1);
    assert_string_equal(client->texts[0], "waits");
    em_address sender, client_address = datagram_address(client);
    assert_int_equal(em_datagram_socket_get_sender(middle->socket, &sender, NULL), EM_OK);
    assert_int_equal(em_address_get_port(&sender), em_address_get_port(&client_address));
    assert_int_equal(em_datagram_socket_get_sender(middle->socket, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_get_sender(client->socket, &sender, NULL), EM_OK);
    assert_int_equal(recv(near->peer, text, sizeof text, MSG_DONTWAIT), -1);
    em_connection_close(near->connection);
    while (near->connection)
        system_turn(loop);
    close(near->peer);
}

/* The rest of a piece follows in the next datagram. */
static void bulk_is_divided_into_datagrams_that_the_network_takes(void **state)
{
    em_loop *loop = *state;
    static char bulk[LARGE_BYTES], taken[LARGE_BYTES];
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = FEW_BYTES};
    size_t written = 0, read = 0;
    for (size_t i = 0; i < sizeof bulk; i++)
        bulk[i] = (char)(i * 31 >> 3);
    start(loop, number_of(near), socket_number(far), &bounded);
    while (read < sizeof bulk) {
        ssize_t length = send(near->peer, bulk + written, sizeof bulk - written, MSG_DONTWAIT);
        written += length > 0 ? (size_t)length : 0;
        system_turn(loop);
        assert_true(em_datagram_socket_get_outbound_bytes(far->socket) <= FEW_BYTES + LARGEST_DATAGRAM_BYTES);
        length = recv(far->peer, taken + read, sizeof taken - read, MSG_DONTWAIT);
        assert_true(length <= LARGEST_DATAGRAM_BYTES);
        read += length > 0 ? (size_t)length : 0;
    }
    assert_memory_equal(bulk, taken, sizeof bulk);
    finish(loop, near, far);
}

/* Those that were read in one batch with the one that filled the target are not lost, either. */
static void a_slow_target_holds_a_datagram_socket_back_and_nothing_is_lost(void **state)
{
    em_loop *loop = *state;
    static char one[FEW_BYTES], taken[FEW_BYTES];
    const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = 1};
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    size_t sent = 0, read = 0, most = 0;
    em_connection_set_outbox_limit_bytes(near->connection, FEW_BYTES / 2);
    start(loop, socket_number(far), number_of(near), &bounded);
    while (read < (size_t)MANY * FEW_BYTES) {
        memset(one, (int)sent, sizeof one);
        while (sent < MANY && send(far->peer, one, sizeof one, MSG_DONTWAIT) > 0)
            memset(one, (int)++sent, sizeof one);
        system_turn(loop);
        size_t queued = em_connection_get_outbound_bytes(near->connection);
        most = queued > most ? queued : most;
        if (sent < MANY && queued == 0)
            continue; /* fills the stream's socket first */
        ssize_t length = recv(near->peer, taken, sizeof taken, MSG_DONTWAIT);
        for (ssize_t i = 0; i < length; i++, read++)
            assert_int_equal((unsigned char)taken[i], (unsigned char)(read / FEW_BYTES));
    }
    assert_true(most > 0 && most <= FEW_BYTES / 2);
    assert_int_equal(far->received, 0);
    finish(loop, near, far);
}

static void after_its_length_the_rest_of_the_datagram_is_received(void **state)
{
    em_loop *loop = *state;
    const em_proxy_options five = {.size = sizeof five, .length_bytes = 5};
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, socket_number(far), number_of(near), &five);
    put(far->peer, "helloworld", 10);
    expect_text(loop, near->peer, "hello");
    while (far->received == 0)
        system_turn(loop);
    assert_int_equal(far->completed, 1);
    assert_string_equal(far->text, "world");
    start(loop, number_of(near), socket_number(far), &five);
    put(near->peer, "lengthy", 7);
    expect_text(loop, far->peer, "lengt");
    while (near->received < 2)
        system_turn(loop);
    assert_int_equal(near->completed, 1);
    assert_string_equal(near->text, "hy");
    finish(loop, near, far);
}

static void a_pause_of_the_program_is_independent_of_the_proxy(void **state)
{
    em_loop *loop = *state;
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, socket_number(far), number_of(near), NULL);
    assert_int_equal(em_datagram_socket_pause(far->socket), EM_OK);
    put(far->peer, "later", 5);
    for (unsigned turns = 0; turns < 10; turns++)
        system_turn(loop);
    assert_int_equal(em_loop_get_proxied_bytes(loop, socket_number(far)), 0);
    assert_int_equal(em_datagram_socket_resume(far->socket), EM_OK);
    expect_text(loop, near->peer, "later");
    finish(loop, near, far);
}

static void when_the_target_ends_the_datagram_socket_is_told_and_receives_again(void **state)
{
    em_loop *loop = *state;
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, socket_number(far), number_of(near), NULL);
    em_connection_close(near->connection);
    while (far->told == 0)
        system_turn(loop);
    put(far->peer, "again", 5);
    while (far->received == 0)
        system_turn(loop);
    assert_string_equal(far->text, "again");
    finish(loop, near, far);
}

static void the_end_of_a_stream_closes_the_datagram_socket_as_the_option_says(void **state)
{
    em_loop *loop = *state;
    for (em_proxy_end at_end = EM_PROXY_CLOSE_WRITE; at_end <= EM_PROXY_CLOSE_AFTER_WRITING; at_end++) {
        const em_proxy_options options = {.size = sizeof options, .at_end = at_end};
        stream *near = open_stream(loop);
        relaying *far = open_relaying(loop);
        start(loop, number_of(near), socket_number(far), &options);
        put(near->peer, "last", 4);
        shutdown(near->peer, SHUT_WR);
        while (near->connection || far->socket)
            system_turn(loop);
        expect_text(loop, far->peer, "last");
        finish(loop, near, far);
    }
}

static void a_half_closed_stream_still_gets_the_answers(void **state)
{
    em_loop *loop = *state;
    const em_proxy_options options = {.size = sizeof options, .at_end = EM_PROXY_CLOSE_WRITE};
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, number_of(near), socket_number(far), &options);
    start(loop, socket_number(far), number_of(near), &options);
    put(near->peer, "question", 8);
    shutdown(near->peer, SHUT_WR);
    expect_text(loop, far->peer, "question");
    for (unsigned turns = 0; turns < 10; turns++)
        system_turn(loop);
    put(far->peer, "answer", 6);
    expect_text(loop, near->peer, "answer");
    em_connection_close(near->connection);
    while (near->connection || far->socket)
        system_turn(loop);
    finish(loop, near, far);
}

static void what_carries_no_bytes_is_refused(void **state)
{
    em_loop *loop = *state;
    stream *near = open_stream(loop), *other = open_stream(loop);
    relaying *far = open_relaying(loop);
    em_server *server;
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, &stream_handler, NULL, &server), EM_OK);
    em_signature none = em_server_get_signature(server);
    assert_int_equal(em_loop_start_proxy(loop, number_of(near), none, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_proxy(loop, none, number_of(near), NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_stop_proxy(loop, none), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_proxy(NULL, number_of(near), none, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_proxy(loop, number_of(near), 0, NULL), EM_NOT_FOUND);
    assert_int_equal(em_loop_start_proxy(loop, 0, number_of(near), NULL), EM_CLOSED);
    assert_int_equal(em_loop_stop_proxy(loop, 0), EM_CLOSED);
    assert_int_equal(em_loop_stop_proxy(NULL, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_get_proxied_bytes(loop, none) + em_loop_get_proxied_bytes(NULL, 0), 0);
    assert_int_equal(em_loop_start_proxy(loop, socket_number(far), socket_number(far), NULL), EM_INVALID_ARGUMENT);
    start(loop, number_of(near), socket_number(far), NULL);
    assert_int_equal(em_loop_start_proxy(loop, number_of(other), socket_number(far), NULL), EM_INVALID_STATE);
    em_connection_close(other->connection);
    while (other->connection)
        system_turn(loop);
    close(other->peer);
    finish(loop, near, far);
}

static void a_detached_datagram_socket_has_no_proxy(void **state)
{
    em_loop *loop = *state;
    int descriptor;
    stream *near = open_stream(loop);
    relaying *far = open_relaying(loop);
    start(loop, socket_number(far), number_of(near), NULL);
    assert_int_equal(em_datagram_socket_detach(far->socket, &descriptor), EM_OK);
    while (far->socket)
        system_turn(loop);
    put(far->peer, "mine", 4);
    expect_text(loop, descriptor, "mine");
    close(descriptor);
    finish(loop, near, far);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(datagrams_and_a_stream_are_relayed_both_ways),
        SYSTEM_TEST(pipes_are_relayed_from_and_to_datagram_sockets),
        SYSTEM_TEST(between_datagram_sockets_each_datagram_stays_one),
        SYSTEM_TEST(without_a_fixed_peer_the_sender_received_last_gets_the_bytes),
        SYSTEM_TEST(bulk_is_divided_into_datagrams_that_the_network_takes),
        SYSTEM_TEST(a_slow_target_holds_a_datagram_socket_back_and_nothing_is_lost),
        SYSTEM_TEST(after_its_length_the_rest_of_the_datagram_is_received),
        SYSTEM_TEST(a_pause_of_the_program_is_independent_of_the_proxy),
        SYSTEM_TEST(when_the_target_ends_the_datagram_socket_is_told_and_receives_again),
        SYSTEM_TEST(the_end_of_a_stream_closes_the_datagram_socket_as_the_option_says),
        SYSTEM_TEST(a_half_closed_stream_still_gets_the_answers),
        SYSTEM_TEST(what_carries_no_bytes_is_refused),
        SYSTEM_TEST(a_detached_datagram_socket_has_no_proxy),
    };
    return SYSTEM_RUN(tests);
}
