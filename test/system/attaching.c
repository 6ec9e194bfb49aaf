/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets that others have opened become connections, and connections give their sockets back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static void make_pair(int ends[2])
{
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
}

/* Both ends of a TCP connection that the library knows nothing of. */
static void make_tcp_pair(int ends[2])
{
    int port;
    int listener = system_listen(1, &port);
    ends[0] = system_connect(port);
    ends[1] = system_accept(listener);
    close(listener);
}

typedef void (*pair_maker)(int ends[2]);

static const pair_maker makers[] = {make_pair, make_tcp_pair};
enum { MAKERS = sizeof makers / sizeof *makers };

static em_connection *attach(em_loop *loop, int descriptor, const em_handler *handler, system_record *record)
{
    em_attach_options options = {.size = sizeof options, .user = record};
    em_connection *connection;
    assert_int_equal(em_loop_attach(loop, descriptor, handler, &options, &connection), EM_OK);
    assert_int_equal(record->post_init, 1);
    assert_ptr_equal(record->connection, connection);
    return connection;
}

static void an_attached_socket_receives_sends_and_ends(void **state)
{
    for (unsigned i = 0; i < MAKERS; i++) {
        int ends[2];
        char reply[5];
        makers[i](ends);
        system_record *record = system_new_record(SYSTEM_NONE);
        system_write(ends[1], "early", 5); /* before the loop knows it */
        em_connection *connection = attach(*state, ends[0], &system_recorder, record);
        assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
        assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
        em_connection_send_text(connection, "reply");
        assert_int_equal(system_read(*state, ends[1], reply, 5), 5);
        system_write(ends[1], " and late", 9);
        while (record->bytes < 14)
            system_turn(*state);
        assert_string_equal(record->text, "early and late");
        assert_int_equal(record->completed, 0);
        close(ends[1]);
        while (!record->unbind)
            system_turn(*state);
        assert_int_equal(record->reason, EM_OK);
        assert_int_equal(record->peer_had_ended, 1);
    }
}

static void an_attached_tcp_socket_knows_its_peer(void **state)
{
    int ends[2];
    char text[EM_ADDRESS_TEXT_BYTES];
    em_address address;
    make_tcp_pair(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, ends[0], &system_recorder, record);
    assert_int_equal(em_connection_get_peer_address(connection, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    assert_memory_equal(text, "127.0.0.1", 9);
    close(ends[1]);
}

static void expect_refused(em_loop *loop, int descriptor, em_status expected)
{
    em_connection *connection;
    int flags = fcntl(descriptor, F_GETFL);
    int descriptor_flags = fcntl(descriptor, F_GETFD);
    assert_int_equal(em_loop_attach(loop, descriptor, &system_recorder, NULL, &connection), expected);
    assert_null(connection);
    assert_int_equal(fcntl(descriptor, F_GETFL), flags);
    assert_int_equal(fcntl(descriptor, F_GETFD), descriptor_flags);
}

static void what_is_no_connected_stream_socket_is_refused_and_untouched(void **state)
{
    int port;
    int listener = system_listen(1, &port);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    expect_refused(*state, listener, EM_INVALID_ARGUMENT);
    expect_refused(*state, datagram, EM_INVALID_ARGUMENT);
    expect_refused(*state, unconnected, EM_NOT_CONNECTED);
    close(unconnected);
    expect_refused(*state, unconnected, EM_BAD_DESCRIPTOR);
    close(datagram);
    close(listener);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void a_socket_whose_peer_has_reset_it_is_refused(void **state)
{
    int ends[2];
    make_tcp_pair(ends);
    system_reset(ends[1]);
    expect_refused(*state, ends[0], EM_NOT_CONNECTED);
    close(ends[0]);
}

/* Both directions have ended then, which poll(2) reports for ever. */
static void an_attached_socket_that_has_sent_its_end_receives_and_ends_in_the_normal_way(void **state)
{
    for (unsigned i = 0; i < MAKERS; i++) {
        int ends[2];
        makers[i](ends);
        shutdown(ends[0], SHUT_WR);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach(*state, ends[0], &system_open_recorder, record);
        assert_int_equal(em_connection_send_text(connection, "too late"), EM_CLOSED);
        system_write(ends[1], "reply", 5);
        while (record->bytes < 5)
            system_turn(*state);
        shutdown(ends[1], SHUT_WR);
        while (!record->unbind)
            system_turn(*state);
        assert_int_equal(record->end, 1);
        assert_int_equal(record->reason, EM_OK);
        close(ends[1]);
    }
}

static void the_end_stays_sent_when_a_socket_is_given_back_and_attached_again(void **state)
{
    int ends[2], descriptor;
    make_tcp_pair(ends);
    system_record *first = system_new_record(SYSTEM_NONE);
    system_record *second = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, ends[0], &system_open_recorder, first);
    assert_int_equal(em_connection_close_write(connection), EM_OK);
    assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
    connection = attach(*state, descriptor, &system_open_recorder, second);
    assert_int_equal(em_connection_send_text(connection, "too late"), EM_CLOSED);
    close(ends[1]);
    while (!second->unbind)
        system_turn(*state);
    assert_int_equal(second->reason, EM_OK);
}

static void a_descriptor_is_attached_once(void **state)
{
    int ends[2];
    make_pair(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    attach(*state, ends[0], &system_recorder, record);
    expect_refused(*state, ends[0], EM_FILE_EXISTS);
    system_write(ends[1], "still received", 14);
    while (record->bytes < 14)
        system_turn(*state);
    close(ends[1]);
}

static void a_connection_paused_in_post_init_receives_nothing(void **state)
{
    static em_handler handler;
    int ends[2];
    handler = system_recorder;
    make_pair(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    system_write(ends[1], "x", 1);
    em_connection *connection = attach(*state, ends[0], &handler, record);
    assert_int_equal(em_connection_pause(connection), EM_OK);
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(record->bytes, 0);
    em_connection_resume(connection);
    while (record->bytes < 1)
        system_turn(*state);
    close(ends[1]);
}

static void a_detached_socket_goes_on_in_other_hands(void **state)
{
    for (unsigned i = 0; i < MAKERS; i++) {
        int ends[2], descriptor;
        char text[8];
        makers[i](ends);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach(*state, ends[0], &system_recorder, record);
        system_write(ends[1], "first", 5);
        while (record->bytes < 5)
            system_turn(*state);
        assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
        assert_int_equal(descriptor, ends[0]);
        system_write(ends[1], "second", 6); /* not for the loop any more */
        while (!record->unbind)
            system_turn(*state);
        assert_int_equal(record->reason, EM_OK);
        assert_int_equal(system_read(*state, descriptor, text, 6), 6);
        assert_memory_equal(text, "second", 6);
        system_write(descriptor, "back", 4);
        assert_int_equal(system_receive(ends[1], text, sizeof text), 4);
        assert_int_equal(record->bytes, 5);
        close(descriptor);
        close(ends[1]);
    }
}

static void a_socket_wanders_from_loop_to_loop_and_loses_nothing(void **state)
{
    enum { ROUNDS = 20 };
    em_loop *loops[] = {*state, system_create_loop((em_loop_options){.size = 0})};
    int ends[2];
    make_tcp_pair(ends);
    int descriptor = ends[0];
    for (unsigned round = 0; round < ROUNDS; round++) {
        em_loop *loop = loops[round % 2];
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach(loop, descriptor, &system_recorder, record);
        system_write(ends[1], "12345", 5);
        while (record->bytes < 5)
            system_turn(loop);
        assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
        assert_int_equal(record->bytes, 5);
        system_turn(loops[(round + 1) % 2]); /* unbind comes while another loop has the socket */
    }
    close(descriptor);
    close(ends[1]);
    assert_int_equal(em_loop_destroy(loops[1]), EM_OK);
}

/* The caller closes it, and its number is the next socket's, before the loop has turned. */
static void the_number_of_a_detached_descriptor_may_be_used_again_at_once(void **state)
{
    int old[2], new[2], descriptor;
    make_tcp_pair(old);
    system_record *first = system_new_record(SYSTEM_NONE);
    system_record *second = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, old[0], &system_recorder, first);
    make_pair(new);
    system_write(old[1], "for the old one", 15);
    assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
    assert_int_equal(dup2(new[0], descriptor), descriptor);
    close(new[0]);
    attach(*state, descriptor, &system_recorder, second);
    system_write(new[1], "new", 3);
    while (second->bytes < 3 || !first->unbind)
        system_turn(*state);
    assert_string_equal(second->text, "new");
    assert_int_equal(first->bytes, 0);
    assert_int_equal(second->unbind, 0);
    close(old[1]);
    close(new[1]);
}

static void what_waits_to_be_sent_is_dropped_and_nothing_is_closed(void **state)
{
    enum { MUCH_BYTES = 16 * 1024 * 1024 };
    static const char much[MUCH_BYTES];
    int ends[2], descriptor;
    make_tcp_pair(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, ends[0], &system_recorder, record);
    assert_int_equal(em_connection_send(connection, much, sizeof much), EM_UNDER_PRESSURE);
    size_t waiting = em_connection_get_outbound_bytes(connection);
    assert_true(waiting > 0);
    assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
    while (!record->unbind)
        system_turn(*state);
    system_turn(*state);
    assert_int_equal(system_stats(*state).outbox_bytes, 0);
    shutdown(descriptor, SHUT_WR);
    assert_int_equal(system_read_to_end(*state, ends[1]), sizeof much - waiting);
    close(descriptor);
    close(ends[1]);
}

/* Several clients at once, so that a backend with batches has read for all of them before the first callback. */
enum { CLIENTS = 8 };

typedef struct client_group {
    em_connection *all[CLIENTS];
    int detached[CLIENTS];
    unsigned count;
    unsigned unbinds;
    unsigned delivered[CLIENTS];
    bool is_first;
} client_group;

static unsigned place_of(const client_group *group, const em_connection *connection)
{
    for (unsigned i = 0; i < group->count; i++)
        if (group->all[i] == connection)
            return i;
    return CLIENTS;
}

static void join(em_connection *connection)
{
    client_group *group = em_connection_get_user(connection);
    group->all[group->count++] = connection;
}

static void detach_all_others(em_connection *connection, const void *data, size_t length)
{
    client_group *group = em_connection_get_user(connection);
    (void)data;
    group->delivered[place_of(group, connection)] += (unsigned)length;
    if (!group->is_first)
        return;
    group->is_first = false;
    for (unsigned i = 0; i < CLIENTS; i++)
        if (group->all[i] != connection)
            assert_int_equal(em_connection_detach(group->all[i], &group->detached[i]), EM_OK);
}

static void count_unbind(em_connection *connection, em_status reason)
{
    client_group *group = em_connection_get_user(connection);
    assert_int_equal(reason, EM_OK);
    group->unbinds++;
}

static void one_callback_detaches_all_other_connections_of_the_batch(void **state)
{
    static const em_handler handler = {.post_init = join, .receive_data = detach_all_others, .unbind = count_unbind};
    client_group *group = system_memory(sizeof *group);
    int clients[CLIENTS];
    int port = system_serve(*state, &handler, group);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (group->count < CLIENTS)
        system_turn(*state);
    group->is_first = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "12345", 5);
    while (group->unbinds < CLIENTS - 1)
        system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char text[8];
        ssize_t left = group->detached[i] > 0 ? read(group->detached[i], text, sizeof text) : 0;
        assert_int_equal(group->delivered[i] + (left > 0 ? left : 0), 5);
        if (group->detached[i] > 0)
            close(group->detached[i]);
        close(clients[i]);
    }
}

/* Sends a little on all, which a backend with batches sends at once, and wants to be told when it has left. */
static void send_on_all(em_connection *connection, const void *data, size_t length)
{
    client_group *group = em_connection_get_user(connection);
    (void)data;
    (void)length;
    for (unsigned i = 0; i < CLIENTS; i++) {
        em_connection_set_water_marks(group->all[i], 1, 2);
        assert_int_equal(em_connection_send(group->all[i], "12345", 5), EM_UNDER_PRESSURE);
    }
    group->is_first = true;
}

static void note_what_waits_and_detach_all_others(em_connection *connection)
{
    client_group *group = em_connection_get_user(connection);
    for (unsigned i = 0; i < CLIENTS && group->is_first; i++) {
        group->delivered[i] = 5 - (unsigned)em_connection_get_outbound_bytes(group->all[i]);
        if (group->all[i] != connection)
            assert_int_equal(em_connection_detach(group->all[i], &group->detached[i]), EM_OK);
    }
    group->is_first = false;
}

static void what_waits_to_be_sent_is_known_exactly_when_a_socket_is_given_back_in_drained(void **state)
{
    static const em_handler handler = {.post_init = join,
                                       .receive_data = send_on_all,
                                       .drained = note_what_waits_and_detach_all_others,
                                       .unbind = count_unbind};
    client_group *group = system_memory(sizeof *group);
    int clients[CLIENTS];
    int port = system_serve(*state, &handler, group);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (group->count < CLIENTS)
        system_turn(*state);
    system_write(clients[0], "x", 1);
    while (group->unbinds < CLIENTS - 1)
        system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char text[8];
        if (group->detached[i] == 0) {
            assert_int_equal(system_read(*state, clients[i], text, 5), 5);
        } else {
            close(group->detached[i]);
            assert_int_equal(system_read_to_end(*state, clients[i]), group->delivered[i]);
        }
        close(clients[i]);
    }
}

static void pause_all(em_connection *connection, const void *data, size_t length)
{
    client_group *group = em_connection_get_user(connection);
    (void)data;
    group->delivered[place_of(group, connection)] += (unsigned)length;
    for (unsigned i = 0; i < CLIENTS; i++)
        em_connection_pause(group->all[i]);
}

static void what_was_read_before_a_pause_is_delivered_when_the_socket_is_given_back(void **state)
{
    static const em_handler handler = {.post_init = join, .receive_data = pause_all, .unbind = count_unbind};
    client_group *group = system_memory(sizeof *group);
    int clients[CLIENTS];
    int port = system_serve(*state, &handler, group);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (group->count < CLIENTS)
        system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "12345", 5);
    unsigned delivered = 0;
    while (delivered == 0) {
        system_turn(*state);
        for (unsigned i = 0; i < CLIENTS; i++)
            delivered += group->delivered[i];
    }
    system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char text[8];
        int descriptor;
        assert_int_equal(em_connection_detach(group->all[i], &descriptor), EM_OK);
        ssize_t left = read(descriptor, text, sizeof text);
        assert_int_equal(group->delivered[i] + (left > 0 ? left : 0), 5);
        close(descriptor);
        close(clients[i]);
    }
    while (group->unbinds < CLIENTS)
        system_turn(*state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(an_attached_socket_receives_sends_and_ends),
        SYSTEM_TEST(an_attached_tcp_socket_knows_its_peer),
        SYSTEM_TEST(what_is_no_connected_stream_socket_is_refused_and_untouched),
        SYSTEM_TEST(a_socket_whose_peer_has_reset_it_is_refused),
        SYSTEM_TEST(an_attached_socket_that_has_sent_its_end_receives_and_ends_in_the_normal_way),
        SYSTEM_TEST(the_end_stays_sent_when_a_socket_is_given_back_and_attached_again),
        SYSTEM_TEST(a_descriptor_is_attached_once),
        SYSTEM_TEST(a_connection_paused_in_post_init_receives_nothing),
        SYSTEM_TEST(a_detached_socket_goes_on_in_other_hands),
        SYSTEM_TEST(a_socket_wanders_from_loop_to_loop_and_loses_nothing),
        SYSTEM_TEST(the_number_of_a_detached_descriptor_may_be_used_again_at_once),
        SYSTEM_TEST(what_waits_to_be_sent_is_dropped_and_nothing_is_closed),
        SYSTEM_TEST(one_callback_detaches_all_other_connections_of_the_batch),
        SYSTEM_TEST(what_waits_to_be_sent_is_known_exactly_when_a_socket_is_given_back_in_drained),
        SYSTEM_TEST(what_was_read_before_a_pause_is_delivered_when_the_socket_is_given_back),
    };
    return SYSTEM_RUN(tests);
}
