/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An echo server with TLS. It reads its certificate and key again when it gets SIGHUP, and drops no connection for it.
 * Try it: tls_echo 8443 server.pem server.key, and in another terminal: openssl s_client -connect localhost:8443
 */
#include <eventmachine.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static em_loop *loop;

static void post_init(em_connection *connection)
{
    const em_tls_options tls = {.size = sizeof tls, .context = em_connection_get_user(connection)};
    if (em_connection_start_tls(connection, &tls) != EM_OK)
        em_connection_close(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

/* A client that was refused, or that has sent something else than TLS, is worth a line. */
static void unbind(em_connection *connection, em_status reason)
{
    em_reason details = {.size = sizeof details};
    if (reason != EM_OK && em_connection_get_reason(connection, &details) == EM_OK)
        fprintf(stderr, "%s\n", details.text);
}

static const em_handler echo = {.post_init = post_init, .receive_data = receive_data, .unbind = unbind};

static void hang_up(int signal_number)
{
    (void)signal_number;
    em_loop_stop(loop); /* NOLINT(bugprone-signal-handler): signal handlers may call it */
}

static em_status serve(em_tls_context *context, int port)
{
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = context};
    em_status status = em_loop_start_server(loop, "127.0.0.1", port, &echo, &options, &server);
    if (status != EM_OK)
        return status;
    signal(SIGHUP, hang_up);
    printf("listening on 127.0.0.1:%d\n", em_server_get_port(server));
    fflush(stdout);
    /* The loop stops for SIGHUP only. If the new files are no good, the server goes on with the old certificate. */
    while ((status = em_loop_run(loop)) == EM_OK)
        if (em_status_report(em_tls_context_reload(context)) == 0)
            fprintf(stderr, "reloaded\n");
    return status;
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: tls_echo PORT CERTIFICATE KEY\n");
        return 2;
    }
    const em_tls_certificate_options certificate = {
        .size = sizeof certificate, .certificate_file = arguments[2], .private_key_file = arguments[3]};
    const em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    em_tls_context *context;
    em_status status = em_tls_context_create(&options, &context);
    if (status == EM_OK)
        status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = serve(context, (int)strtol(arguments[1], NULL, 10));
    em_loop_destroy(loop);
    em_tls_context_release(context);
    return em_status_report(status);
}
