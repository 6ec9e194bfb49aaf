/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Each program of examples/c, run as a child process and talked to. Those with TLS are in example_programs_tls.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/example_program.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { ECHO_PORT = 8081 };

static bool is_taken(int port)
{
    em_loop *loop = system_create_loop((em_loop_options){.size = 0});
    static const em_handler nobody;
    em_status status = em_loop_start_server(loop, "127.0.0.1", port, &nobody, NULL, NULL);
    em_loop_destroy(loop);
    return status != EM_OK;
}

/* The echo server has its port in its text, so it may take a moment, and there is nothing else to wait for. */
static int connect_when_ready(em_loop *loop, int port)
{
    for (;;) {
        em_connection *connection;
        static const em_handler nobody;
        em_address peer;
        assert_int_equal(em_loop_connect(loop, "127.0.0.1", port, &nobody, NULL, &connection), EM_OK);
        em_signature signature = em_connection_get_signature(connection);
        while (em_loop_find_connection(loop, signature) && em_connection_get_state(connection) != EM_STATE_OPEN)
            system_turn(loop);
        if (em_loop_find_connection(loop, signature) && em_connection_get_peer_address(connection, &peer) == EM_OK)
            break;
    }
    return system_connect(port);
}

static void echo_says_what_it_was_sent(void **state)
{
    if (is_taken(ECHO_PORT))
        system_skip("somebody else listens on port 8081");
    example_program echo = example_start("echo", NULL, NULL, NULL);
    int client = connect_when_ready(*state, ECHO_PORT);
    example_send(client, "hello");
    example_expect(client, ">>>you sent: hello");
    example_send(client, "quit");
    example_expect(client, ">>>you sent: quit");
    char byte;
    assert_int_equal(system_receive(client, &byte, 1), 0);
    close(client);
    example_end(&echo);
}

static void udp_echo_sends_datagrams_back_and_ends_when_it_is_told_to(void **state)
{
    (void)state;
    char data[64];
    example_program echo = example_start("udp_echo", NULL, NULL, NULL);
    em_address address;
    assert_int_equal(em_address_from_text("127.0.0.1", example_get_port(&echo), &address), EM_OK);
    int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)(const void *)address.storage.bytes, address.length), 0);
    assert_int_equal(send(client, "hello", 5, 0), 5);
    assert_int_equal(recv(client, data, sizeof data, 0), 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(send(client, "quit", 4, 0), 4);
    assert_int_equal(recv(client, data, sizeof data, 0), 4);
    close(client);
    assert_int_equal(example_finish(&echo), 0);
}

static void client_prints_the_answer(void **state)
{
    (void)state;
    int port;
    char text[16];
    int listener = system_listen(4, &port);
    snprintf(text, sizeof text, "%d", port);
    example_program client = example_start("client", "localhost", text, "hello");
    int served = system_accept(listener);
    example_expect(served, "hello\n");
    example_send(served, "and good day to you\n");
    close(served);
    example_expect(client.output, "and good day to you\n");
    assert_int_equal(example_finish(&client), 0);
    close(listener);
}

static void client_says_why_it_failed(void **state)
{
    (void)state;
    char text[16];
    snprintf(text, sizeof text, "%d", system_closed_port());
    example_program client = example_start("client", "127.0.0.1", text, "hello");
    example_expect(client.output, "eventmachine: connection refused (EM_CONNECTION_REFUSED)\n");
    assert_int_equal(example_finish(&client), 1);
}

static void race_prints_the_address_that_was_connected(void **state)
{
    (void)state;
    int port;
    char text[16], expected[64];
    int listener = system_listen(4, &port);
    snprintf(text, sizeof text, "%d", port);
    snprintf(expected, sizeof expected, "connected to 127.0.0.1:%d\n", port);
    example_program race = example_start("race", text, "127.0.0.99", "127.0.0.1");
    example_expect(race.output, expected);
    assert_int_equal(example_finish(&race), 0);
    close(listener);
}

static void race_lists_the_addresses_that_failed(void **state)
{
    (void)state;
    int port = system_closed_port();
    char text[16], expected[160];
    snprintf(text, sizeof text, "%d", port);
    snprintf(expected, sizeof expected, "connect to 127.0.0.1:%d, 127.0.0.99:%d: Connection refused\n", port, port);
    example_program race = example_start("race", text, "127.0.0.1", "127.0.0.99");
    example_expect(race.output, expected);
    assert_int_equal(example_finish(&race), 1);
}

static void timers_tick_are_put_off_and_end(void **state)
{
    (void)state;
    example_program timers = example_start("timers", NULL, NULL, NULL);
    example_expect(timers.output, "the loop runs\ntick 1\ntick 2\na little longer\ntick 3\ntick 4\nboiled\n");
    assert_int_equal(example_finish(&timers), 0);
}

static void run_programs_prints_what_commands_print_and_how_they_end(void **state)
{
    (void)state;
    example_program first = example_start("run_programs", "echo text; exit 3", NULL, NULL);
    example_expect(first.output, "[echo text; exit 3] text\n[echo text; exit 3] has exited with 3\n");
    assert_int_equal(example_finish(&first), 0);
    example_program second = example_start("run_programs", "kill -15 $$", NULL, NULL);
    example_expect(second.output, "[kill -15 $$] was ended by signal 15\n");
    assert_int_equal(example_finish(&second), 0);
}

/* Whether there are mail servers depends on the machine. */
static void resolve_prints_addresses(void **state)
{
    (void)state;
    example_program resolve = example_start("resolve", "127.0.0.1", NULL, NULL);
    example_expect(resolve.output, "address 127.0.0.1:80\n");
    example_finish(&resolve);
    resolve = example_start("resolve", "host.invalid", NULL, NULL);
    assert_int_equal(example_finish(&resolve), 1);
}

static void public_only_connects_to_no_address_of_this_network(void **state)
{
    static const char *const hosts[] = {
        "localhost",       "127.0.0.1",    "10.255.0.1",      "172.31.255.255",   "100.127.0.1",
        "169.254.169.254", "0.0.0.0",      "255.255.255.255", "::ffff:127.0.0.1", "::1",
        "fd00::1",         "2002:7f00:1::"};
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        example_program program = example_start("public_only", hosts[i], NULL, NULL);
        example_expect(program.output, "eventmachine: permission denied (EM_PERMISSION_DENIED)\n");
        assert_int_equal(example_finish(&program), 1);
    }
}

/* Below those that the system chooses for clients. */
static int quiet_port(void)
{
    int port = 20000 + getpid() % 10000;
    while (is_taken(port))
        port++;
    return port;
}

static void capitals_copies_its_input_until_it_ends(void **state)
{
    (void)state;
    char text[16];
    example_program capitals = example_start("capitals", NULL, NULL, NULL);
    assert_int_equal(write(capitals.input, "hello", 5), 5);
    example_expect(capitals.output, "HELLO");
    assert_int_equal(write(capitals.input, " world", 6), 6);
    close(capitals.input);
    capitals.input = -1;
    example_expect(capitals.output, " WORLD");
    assert_true(example_has_output(capitals.output, EXAMPLE_PATIENCE_MILLISECONDS));
    assert_int_equal(read(capitals.output, text, sizeof text), 0);
    assert_int_equal(example_finish(&capitals), 0);
}

static void expect_reply(int port, const char *request, const char *reply)
{
    int client = system_connect(port);
    example_send(client, request);
    example_expect(client, reply);
    char byte;
    assert_int_equal(system_receive(client, &byte, 1), 0);
    close(client);
}

static void file_server_sends_files_and_ranges_of_them(void **state)
{
    char text[16], directory[] = "/tmp/eventmachine_files_XXXXXX", path[64];
    int port = quiet_port();
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/name", directory);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(file, "0123456789", 10), 10);
    close(file);
    snprintf(text, sizeof text, "%d", port);
    example_program server = example_start("file_server", directory, text, NULL);
    close(connect_when_ready(*state, port));
    expect_reply(port, "GET /name HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    expect_reply(port, "GET /name HTTP/1.0\r\nRange: bytes=3-5\r\n\r\n",
                 "HTTP/1.0 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 3-5/10\r\n\r\n345");
    expect_reply(port, "GET /name HTTP/1.0\r\nRange: bytes=8-\r\n\r\n",
                 "HTTP/1.0 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 8-9/10\r\n\r\n89");
    expect_reply(port, "GET /name HTTP/1.0\r\nRange: bytes=10-\r\n\r\n",
                 "HTTP/1.0 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
    expect_reply(port, "GET /../name HTTP/1.0\r\n\r\n", "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    example_end(&server);
    unlink(path);
    rmdir(directory);
}

static example_program start_chat(em_loop *loop, int *port)
{
    char text[16];
    *port = quiet_port();
    snprintf(text, sizeof text, "%d", *port);
    example_program chat = example_start("chat", text, NULL, NULL);
    close(connect_when_ready(loop, *port));
    return chat;
}

static void proxy_relays_both_ways_and_half_closes(void **state)
{
    int port, server_port;
    char text[16], server_text[16];
    int listener = system_listen(4, &server_port);
    port = quiet_port();
    snprintf(text, sizeof text, "%d", port);
    snprintf(server_text, sizeof server_text, "%d", server_port);
    example_program proxy = example_start("proxy", text, "127.0.0.1", server_text);
    close(connect_when_ready(*state, port));
    close(system_accept(listener));
    close(system_accept(listener));
    int client = system_connect(port);
    int served = system_accept(listener);
    example_send(client, "request");
    shutdown(client, SHUT_WR);
    example_expect(served, "request");
    char byte;
    assert_int_equal(system_receive(served, &byte, 1), 0);
    example_send(served, "reply");
    close(served);
    example_expect(client, "reply");
    assert_int_equal(system_receive(client, &byte, 1), 0);
    close(client);
    close(listener);
    example_end(&proxy);
}

static int enter(int port, const char *name)
{
    int member = system_connect(port);
    example_expect(member, "Your name?\n");
    example_send(member, name);
    example_send(member, "\n");
    return member;
}

static void chat_tells_the_others(void **state)
{
    int port;
    example_program chat = start_chat(*state, &port);
    int ann = enter(port, "ann");
    int ben = enter(port, "ben");
    example_expect(ann, "ben has come\n");
    int eve = enter(port, "eve");
    example_expect(ann, "eve has come\n");
    example_expect(ben, "eve has come\n");
    example_send(ann, "good morn");
    example_send(ann, "ing\nhow are you?\n");
    example_expect(ben, "ann: good morning\nann: how are you?\n");
    example_expect(eve, "ann: good morning\nann: how are you?\n");
    close(ben);
    example_expect(ann, "ben has left\n");
    close(ann);
    close(eve);
    example_end(&chat);
}

/* Reads what is there, and returns whether the text was in it. */
static bool hears(int member, const char *text)
{
    static char received[65536];
    if (!example_has_output(member, 0))
        return false;
    ssize_t length = system_receive(member, received, sizeof received - 1);
    assert_true(length > 0);
    received[length] = '\0';
    return strstr(received, text);
}

static void chat_disconnects_who_does_not_read_and_goes_on_for_the_others(void **state)
{
    int port;
    char line[399];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    example_program chat = start_chat(*state, &port);
    int deaf = enter(port, "deaf");
    int ann = enter(port, "ann");
    example_expect(deaf, "ann has come\n");
    /* Ann hears nothing while she speaks, but that somebody was too slow. */
    while (!hears(ann, "deaf was too slow\n"))
        system_write(ann, line, sizeof line);
    int ben = enter(port, "ben");
    example_expect(ann, "ben has come\n");
    example_send(ben, "hello\n");
    example_expect(ann, "ben: hello\n");
    close(deaf);
    close(ann);
    close(ben);
    example_end(&chat);
}

/* Enters as often as there are places, and then once more. */
static void chat_has_a_limited_number_of_places(void **state)
{
    int port;
    char byte;
    example_program chat = start_chat(*state, &port);
    int members[128];
    members[0] = enter(port, "ann");
    unsigned count = 1;
    for (;; count++) {
        assert_true(count < 128);
        members[count] = system_connect(port);
        assert_true(example_has_output(members[count], EXAMPLE_PATIENCE_MILLISECONDS));
        if (recv(members[count], &byte, 1, MSG_PEEK) == 0)
            break;
        example_expect(members[count], "Your name?\n");
    }
    assert_in_range(count, 90, 100);
    example_send(members[1], "ben\n");
    example_expect(members[0], "ben has come\n");
    close(members[1]);
    example_expect(members[0], "ben has left\n");
    members[1] = enter(port, "eve");
    example_expect(members[0], "eve has come\n");
    for (unsigned i = 0; i <= count; i++)
        close(members[i]);
    example_end(&chat);
}

static void several_loops_serve_one_port_until_the_input_ends(void **state)
{
    (void)state;
    example_program loops = example_start("several_loops", "0", NULL, NULL);
    int port = example_get_port(&loops);
    for (unsigned i = 0; i < 16; i++) {
        int client = system_connect(port);
        example_send(client, "hello");
        example_expect(client, ": hello");
        close(client);
    }
    assert_int_equal(example_finish(&loops), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(echo_says_what_it_was_sent),
        SYSTEM_TEST(udp_echo_sends_datagrams_back_and_ends_when_it_is_told_to),
        SYSTEM_TEST(client_prints_the_answer),
        SYSTEM_TEST(client_says_why_it_failed),
        SYSTEM_TEST(file_server_sends_files_and_ranges_of_them),
        SYSTEM_TEST(race_prints_the_address_that_was_connected),
        SYSTEM_TEST(race_lists_the_addresses_that_failed),
        SYSTEM_TEST(timers_tick_are_put_off_and_end),
        SYSTEM_TEST(proxy_relays_both_ways_and_half_closes),
        SYSTEM_TEST(capitals_copies_its_input_until_it_ends),
        SYSTEM_TEST(run_programs_prints_what_commands_print_and_how_they_end),
        SYSTEM_TEST(resolve_prints_addresses),
        SYSTEM_TEST(public_only_connects_to_no_address_of_this_network),
        SYSTEM_TEST(chat_tells_the_others),
        SYSTEM_TEST(chat_disconnects_who_does_not_read_and_goes_on_for_the_others),
        SYSTEM_TEST(chat_has_a_limited_number_of_places),
        SYSTEM_TEST(several_loops_serve_one_port_until_the_input_ends),
    };
    return SYSTEM_RUN(tests);
}
