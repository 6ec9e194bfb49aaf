/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A client with TLS that verifies the server: sends one line and prints what is answered, until the server closes or is
 * silent for five seconds. If the host has several addresses, the first that is secured is used. Try it, with tls_echo
 * running: tls_client localhost 8443 hello authority.pem
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct conversation {
    const char *line;
    em_status outcome;
} conversation;

static void post_init(em_connection *connection)
{
    conversation *mine = em_connection_get_user(connection);
    /* Nothing of this leaves until the server has proved who it is. */
    em_connection_send_text(connection, mine->line);
    em_connection_send_text(connection, "\n");
    em_connection_close_write(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    fwrite(data, 1, length, stdout);
}

static void unbind(em_connection *connection, em_status reason)
{
    conversation *mine = em_connection_get_user(connection);
    em_reason details = {.size = sizeof details};
    if (reason != EM_OK && em_connection_get_reason(connection, &details) == EM_OK)
        fprintf(stderr, "tls_client: %s\n", details.text);
    if (reason != EM_OK)
        mine->outcome = reason;
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler client = {.post_init = post_init, .receive_data = receive_data, .unbind = unbind};

static em_status converse(em_loop *loop, conversation *mine, em_tls_context *context, const char *host,
                          const char *port)
{
    em_tls_options tls = {.size = sizeof tls, .context = context};
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * EM_SECONDS};
    em_connect_options options = {.size = sizeof options, .user = mine, .stream = &stream, .tls = &tls};
    em_status status = em_loop_connect(loop, host, (int)strtol(port, NULL, 10), &client, &options, NULL);
    return status == EM_OK ? em_loop_run(loop) : status;
}

int main(int count, char **arguments)
{
    if (count != 4 && count != 5) {
        fprintf(stderr, "usage: tls_client HOST PORT LINE [FILE OF AUTHORITIES]\n");
        return 2;
    }
    em_tls_context_options options = {.size = sizeof options, .ca_file = count == 5 ? arguments[4] : NULL};
    conversation mine = {.line = arguments[3]};
    em_tls_context *context;
    em_loop *loop = NULL;
    em_status status = em_tls_context_create(&options, &context);
    if (status == EM_OK)
        status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = converse(loop, &mine, context, arguments[1], arguments[2]);
    em_loop_destroy(loop);
    em_tls_context_release(context);
    return status != EM_OK ? em_status_report(status) : mine.outcome != EM_OK;
}
