/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The echo server with TLS on our library. */
#include "echo_support.h"

#include <eventmachine.h>

/* The same for all connections. */
static em_tls_options tls = {.size = sizeof tls};

static void post_init(em_connection *connection)
{
    if (em_connection_start_tls(connection, &tls) != EM_OK)
        em_connection_close(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static const em_handler echo = {.post_init = post_init, .receive_data = receive_data};

/* The same rules as in tls_epoll.c. */
static em_status open_context(char **files)
{
    const em_tls_certificate_options certificate = {
        .size = sizeof certificate,
        .certificate_file = files[0],
        .private_key_file = files[1],
    };
    const em_tls_context_options options = {
        .size = sizeof options,
        .certificate = &certificate,
        .min_version = EM_TLS_1_3,
        .cipher_suites = "TLS_AES_128_GCM_SHA256",
        .groups = "X25519",
    };
    return em_tls_context_create(&options, &tls.context);
}

int main(int argc, char **argv)
{
    int port = echo_prepare_tls(argc, argv);
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);

    if (status == EM_OK)
        status = open_context(argv + 2);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", port, &echo, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    em_tls_context_release(tls.context);
    return em_status_report(status);
}
