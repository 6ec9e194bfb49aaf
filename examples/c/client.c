/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A client: sends one line and prints what is answered, until the other side closes or is silent for five seconds.
 * Try it, with the echo server running: client localhost 8081 quit
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct conversation {
    const char *line;
    em_status outcome;
} conversation;

static void connection_completed(em_connection *connection)
{
    conversation *mine = em_connection_get_user(connection);
    em_connection_send_text(connection, mine->line);
    em_connection_send_text(connection, "\n");
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    fwrite(data, 1, length, stdout);
}

static void unbind(em_connection *connection, em_status reason)
{
    conversation *mine = em_connection_get_user(connection);
    mine->outcome = reason;
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler client = {
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .unbind = unbind,
};

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: client HOST PORT LINE\n");
        return 2;
    }
    conversation mine = {.line = arguments[3]};
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * EM_SECONDS};
    em_connect_options options = {.size = sizeof options, .user = &mine, .stream = &stream};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_connect(loop, arguments[1], (int)strtol(arguments[2], NULL, 10), &client, &options, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status == EM_OK ? mine.outcome : status);
}
