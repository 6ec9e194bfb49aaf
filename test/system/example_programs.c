/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Each program of examples/c, run as a child process and talked to. They lie beside the tests in the build folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/features.h"
#include "support/certificates.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/tls_pair.h"

enum { ECHO_PORT = 8081, PATIENCE_MILLISECONDS = 20000, MOST_ARGUMENTS = 4 };

typedef struct program {
    pid_t child;
    int input;  /* what it reads */
    int output; /* what it prints, errors included */
} program;

static void run_program(const char *name, const char *const *arguments, int input, int output)
{
    char self[PATH_MAX] = "";
    char path[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(path, sizeof path, "%s/../examples/c/%s", length > 0 ? dirname(self) : ".", name);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setenv("EM_BACKEND", system_backend(), 1);
    alarm(PATIENCE_MILLISECONDS / 1000);
    char *all[MOST_ARGUMENTS + 2] = {path};
    for (unsigned i = 0; i < MOST_ARGUMENTS && arguments[i]; i++)
        all[i + 1] = (char *)(uintptr_t)arguments[i];
    execv(path, all);
    perror(path);
    _exit(127);
}

/* arguments: MOST_ARGUMENTS at most, then NULL. */
static program start_with(const char *name, const char *const *arguments)
{
    int input[2];
    int output[2];
    assert_return_code(pipe2(input, O_CLOEXEC), errno);
    assert_return_code(pipe2(output, O_CLOEXEC), errno);
    pid_t child = fork();
    if (child == 0)
        run_program(name, arguments, input[0], output[1]);
    assert_true(child > 0);
    close(input[0]);
    close(output[1]);
    return (program){.child = child, .input = input[1], .output = output[0]};
}

static program start(const char *name, const char *first, const char *second, const char *third)
{
    const char *const arguments[] = {first, second, third, NULL};
    return start_with(name, arguments);
}

/* Whether there is something to read in time. What the loop of this test has in a ring may interrupt any wait. */
static bool is_readable(int fd, int milliseconds)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = poll(&ready, 1, milliseconds);
    while (count < 0 && errno == EINTR)
        count = poll(&ready, 1, milliseconds);
    return count == 1;
}

/* Reads until the text is there, or the end. */
static void expect(int fd, const char *text)
{
    char received[4096] = "";
    size_t length = 0;
    while (!strstr(received, text)) {
        assert_true(is_readable(fd, PATIENCE_MILLISECONDS));
        ssize_t more = read(fd, received + length, sizeof received - 1 - length);
        if (more <= 0)
            fail_msg("\"%s\" was expected, \"%s\" was received", text, received);
        length += (size_t)more;
        received[length] = '\0';
    }
}

/* What it says at first: the port that it listens on. */
static int port_of(program *started)
{
    char line[256];
    FILE *output = fdopen(dup(started->output), "r");
    assert_non_null(output);
    assert_non_null(fgets(line, sizeof line, output));
    fclose(output);
    assert_non_null(strstr(line, "listening on 127.0.0.1:"));
    return atoi(strrchr(line, ':') + 1);
}

/* Its exit status. */
static int finish(program *started)
{
    close(started->input);
    int status = system_wait(started->child);
    close(started->output);
    return status;
}

static void end(program *started)
{
    int status;
    assert_return_code(kill(started->child, SIGTERM), errno);
    assert_int_equal(waitpid(started->child, &status, 0), started->child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(started->input);
    close(started->output);
}

static void say(int fd, const char *text)
{
    system_write(fd, text, strlen(text));
}

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
    program echo = start("echo", NULL, NULL, NULL);
    int client = connect_when_ready(*state, ECHO_PORT);
    say(client, "hello");
    expect(client, ">>>you sent: hello");
    say(client, "quit");
    expect(client, ">>>you sent: quit");
    char byte;
    assert_int_equal(system_receive(client, &byte, 1), 0);
    close(client);
    end(&echo);
}

static void client_prints_the_answer(void **state)
{
    (void)state;
    int port;
    char text[16];
    int listener = system_listen(4, &port);
    snprintf(text, sizeof text, "%d", port);
    program client = start("client", "localhost", text, "hello");
    int served = system_accept(listener);
    expect(served, "hello\n");
    say(served, "and good day to you\n");
    close(served);
    expect(client.output, "and good day to you\n");
    assert_int_equal(finish(&client), 0);
    close(listener);
}

static void client_says_why_it_failed(void **state)
{
    (void)state;
    char text[16];
    snprintf(text, sizeof text, "%d", system_closed_port());
    program client = start("client", "127.0.0.1", text, "hello");
    expect(client.output, "eventmachine: connection refused (EM_CONNECTION_REFUSED)\n");
    assert_int_equal(finish(&client), 1);
}

static void timers_tick_are_put_off_and_end(void **state)
{
    (void)state;
    program timers = start("timers", NULL, NULL, NULL);
    expect(timers.output, "the loop runs\ntick 1\ntick 2\na little longer\ntick 3\ntick 4\nboiled\n");
    assert_int_equal(finish(&timers), 0);
}

/* Below those that the system chooses for clients. */
static int quiet_port(void)
{
    int port = 20000 + getpid() % 10000;
    while (is_taken(port))
        port++;
    return port;
}

static program start_chat(em_loop *loop, int *port)
{
    char text[16];
    *port = quiet_port();
    snprintf(text, sizeof text, "%d", *port);
    program chat = start("chat", text, NULL, NULL);
    close(connect_when_ready(loop, *port));
    return chat;
}

static int enter(int port, const char *name)
{
    int member = system_connect(port);
    expect(member, "Your name?\n");
    say(member, name);
    say(member, "\n");
    return member;
}

static void chat_tells_the_others(void **state)
{
    int port;
    program chat = start_chat(*state, &port);
    int ann = enter(port, "ann");
    int ben = enter(port, "ben");
    expect(ann, "ben has come\n");
    int eve = enter(port, "eve");
    expect(ann, "eve has come\n");
    expect(ben, "eve has come\n");
    say(ann, "good morn");
    say(ann, "ing\nhow are you?\n");
    expect(ben, "ann: good morning\nann: how are you?\n");
    expect(eve, "ann: good morning\nann: how are you?\n");
    close(ben);
    expect(ann, "ben has left\n");
    close(ann);
    close(eve);
    end(&chat);
}

/* Reads what is there, and returns whether the text was in it. */
static bool hears(int member, const char *text)
{
    static char received[65536];
    if (!is_readable(member, 0))
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
    program chat = start_chat(*state, &port);
    int deaf = enter(port, "deaf");
    int ann = enter(port, "ann");
    expect(deaf, "ann has come\n");
    /* Ann hears nothing while she speaks, but that somebody was too slow. */
    while (!hears(ann, "deaf was too slow\n"))
        system_write(ann, line, sizeof line);
    int ben = enter(port, "ben");
    expect(ann, "ben has come\n");
    say(ben, "hello\n");
    expect(ann, "ben: hello\n");
    close(deaf);
    close(ann);
    close(ben);
    end(&chat);
}

/* Enters as often as there are places, and then once more. */
static void chat_has_a_limited_number_of_places(void **state)
{
    int port;
    char byte;
    program chat = start_chat(*state, &port);
    int members[128];
    members[0] = enter(port, "ann");
    unsigned count = 1;
    for (;; count++) {
        assert_true(count < 128);
        members[count] = system_connect(port);
        assert_true(is_readable(members[count], PATIENCE_MILLISECONDS));
        if (recv(members[count], &byte, 1, MSG_PEEK) == 0)
            break;
        expect(members[count], "Your name?\n");
    }
    assert_in_range(count, 90, 100);
    say(members[1], "ben\n");
    expect(members[0], "ben has come\n");
    close(members[1]);
    expect(members[0], "ben has left\n");
    members[1] = enter(port, "eve");
    expect(members[0], "eve has come\n");
    for (unsigned i = 0; i <= count; i++)
        close(members[i]);
    end(&chat);
}

static void several_loops_serve_one_port_until_the_input_ends(void **state)
{
    (void)state;
    program loops = start("several_loops", "0", NULL, NULL);
    int port = port_of(&loops);
    for (unsigned i = 0; i < 16; i++) {
        int client = system_connect(port);
        say(client, "hello");
        expect(client, ": hello");
        close(client);
    }
    assert_int_equal(finish(&loops), 0);
}

/* TLS: files as a program has them, each for "localhost" from an authority of its own. */

#if EMI_HAVE_OPENSSL

typedef struct files {
    char *authority;
    char *certificate;
    char *key;
} files;

/* The same names every time, so that a second call replaces what the first one has written. */
static files make_files(void)
{
    const certificate_recipe issuer = {.common_name = "authority", .is_authority = true};
    const certificate_recipe subject = {.alternative_names = "DNS:localhost"};
    test_certificate authority = certificate_make(&issuer, NULL);
    test_certificate server = certificate_make(&subject, &authority);
    char *texts[] = {certificate_pem(&authority), certificate_pem(&server), certificate_key_pem(&server, NULL)};
    files made = {.authority = text_to_file("authority.pem", texts[0]),
                  .certificate = text_to_file("server.pem", texts[1]),
                  .key = text_to_file("server.key", texts[2])};
    for (unsigned i = 0; i < 3; i++)
        free(texts[i]);
    certificate_free(&server);
    certificate_free(&authority);
    return made;
}

static void free_files(files *made)
{
    char *const paths[] = {made->authority, made->certificate, made->key};
    for (unsigned i = 0; i < 3; i++) {
        remove(paths[i]);
        free(paths[i]);
    }
}

/* A verifying client says hello; it prints this and ends with that status. */
static void greet(const char *host, int port, const char *authority, const char *output, int status)
{
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    const char *const arguments[] = {host, text, "hello", authority, NULL};
    program client = start_with("tls_client", arguments);
    expect(client.output, output);
    assert_int_equal(finish(&client), status);
}

static void tls_client_talks_to_tls_echo_and_to_nobody_else(void **state)
{
    (void)state;
    files own = make_files();
    program echo = start("tls_echo", "0", own.certificate, own.key);
    int port = port_of(&echo);
    greet("localhost", port, own.authority, "hello\n", 0);
    greet("127.0.0.1", port, own.authority, "IP address mismatch (wanted: 127.0.0.1)", 1);
    expect(echo.output, "alert");
    greet("localhost", port, NULL, "unable to get local issuer certificate", 1);
    greet("localhost", port, "/nonexistent", "/nonexistent", 1);
    greet("localhost", system_closed_port(), own.authority, "Connection refused\n", 1);
    end(&echo);
    free_files(&own);
}

static void tls_echo_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_no_good(void **state)
{
    (void)state;
    files own = make_files();
    program echo = start("tls_echo", "0", own.certificate, own.key);
    int port = port_of(&echo);
    greet("localhost", port, own.authority, "hello\n", 0);
    files newer = make_files();
    greet("localhost", port, newer.authority, "tls_client: ", 1);
    assert_return_code(kill(echo.child, SIGHUP), errno);
    expect(echo.output, "reloaded\n");
    greet("localhost", port, newer.authority, "hello\n", 0);
    text_write(newer.certificate, "no certificate");
    assert_return_code(kill(echo.child, SIGHUP), errno);
    expect(echo.output, "(EM_TLS_BAD_CERTIFICATE)\n");
    greet("localhost", port, newer.authority, "hello\n", 0);
    end(&echo);
    free_files(&own);
    free_files(&newer);
}

static void tls_echo_keeps_its_connections_when_it_reloads(void **state)
{
    files own = make_files();
    program echo = start("tls_echo", "0", own.certificate, own.key);
    system_tls_pair *pair = system_tls_new_pair(*state);
    const em_tls_context_options options = {.size = sizeof options, .ca_file = own.authority};
    em_tls_context_release(pair->client.tls.context);
    pair->client.tls.context = tls_context_make(&options);
    pair->client.tls.hostname = "localhost";
    pair->client.greeting = "before";
    system_dial(*state, port_of(&echo), &system_tls_handler, &pair->client);
    system_tls_await_bytes(pair, &pair->client, strlen("before"));
    assert_return_code(kill(echo.child, SIGHUP), errno);
    expect(echo.output, "reloaded\n");
    em_connection_send_text(pair->client.connection, " and after");
    system_tls_await_bytes(pair, &pair->client, strlen("before and after"));
    assert_true(bytes_equal_text(&pair->client.received, "before and after"));
    em_connection_close(pair->client.connection);
    system_tls_expect_end(pair, &pair->client, EM_OK, "");
    system_tls_free(pair);
    end(&echo);
    free_files(&own);
}

static void tls_echo_says_what_is_wrong_with_its_files(void **state)
{
    (void)state;
    program echo = start("tls_echo", "0", "/nonexistent", "/nonexistent");
    expect(echo.output, "/nonexistent");
    assert_int_equal(finish(&echo), 1);
}

#else

static void without_openssl_the_tls_programs_say_so(void **state)
{
    (void)state;
    program echo = start("tls_echo", "0", "server.pem", "server.key");
    expect(echo.output, "eventmachine: built without OpenSSL: there is no TLS (EM_UNSUPPORTED)\n");
    assert_int_equal(finish(&echo), 1);
    program client = start("tls_client", "localhost", "8443", "hello");
    expect(client.output, "eventmachine: built without OpenSSL: there is no TLS (EM_UNSUPPORTED)\n");
    assert_int_equal(finish(&client), 1);
}

#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(echo_says_what_it_was_sent),
        SYSTEM_TEST(client_prints_the_answer),
        SYSTEM_TEST(client_says_why_it_failed),
        SYSTEM_TEST(timers_tick_are_put_off_and_end),
        SYSTEM_TEST(chat_tells_the_others),
        SYSTEM_TEST(chat_disconnects_who_does_not_read_and_goes_on_for_the_others),
        SYSTEM_TEST(chat_has_a_limited_number_of_places),
        SYSTEM_TEST(several_loops_serve_one_port_until_the_input_ends),
#if EMI_HAVE_OPENSSL
        SYSTEM_TEST(tls_client_talks_to_tls_echo_and_to_nobody_else),
        SYSTEM_TEST(tls_echo_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_no_good),
        SYSTEM_TEST(tls_echo_keeps_its_connections_when_it_reloads),
        SYSTEM_TEST(tls_echo_says_what_is_wrong_with_its_files),
#else
        SYSTEM_TEST(without_openssl_the_tls_programs_say_so),
#endif
    };
    return SYSTEM_RUN(tests);
}
