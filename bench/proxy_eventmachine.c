/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The proxy on our library. */
#include "echo_support.h"

#include <eventmachine.h>

static int server_port;
static const em_proxy_options both_ways = {.size = sizeof both_ways, .at_end = EM_PROXY_CLOSE_WRITE};
static const em_handler relayed = {0};

static void post_init(em_connection *client)
{
    em_connection *server;

    if (em_loop_connect(em_connection_get_loop(client), "127.0.0.1", server_port, &relayed, NULL, &server) != EM_OK ||
        em_connection_start_proxy(client, server, &both_ways) != EM_OK ||
        em_connection_start_proxy(server, client, &both_ways) != EM_OK)
        em_connection_close(client);
}

static const em_handler accepted = {.post_init = post_init};

int main(int argc, char **argv)
{
    int port = echo_prepare_with(argc, argv, 3, "PORT SERVER_PORT");
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);

    server_port = atoi(argv[2]);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", port, &accepted, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
