/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* Relays connections to another server, both ways, half-closes included. Try it: proxy 8083 www.example.org 80 */
#include <eventmachine.h>
#include <stdlib.h>

static struct {
    const char *host;
    int port;
} server;

static const em_proxy_options both_ways = {.size = sizeof both_ways, .at_end = EM_PROXY_CLOSE_WRITE};
static const em_handler relayed = {0};

static void post_init(em_connection *client)
{
    em_connection *upstream;
    em_loop *loop = em_connection_get_loop(client);
    em_status status = em_loop_connect(loop, server.host, server.port, &relayed, NULL, &upstream);
    if (status == EM_OK)
        status = em_connection_start_proxy(client, upstream, &both_ways);
    if (status == EM_OK)
        status = em_connection_start_proxy(upstream, client, &both_ways);
    if (status != EM_OK) {
        em_connection_close(upstream);
        em_connection_close(client);
    }
}

static const em_handler accepted = {.post_init = post_init};

int main(int count, char **arguments)
{
    em_loop *loop;
    if (count < 4)
        return 2;
    server.host = arguments[2];
    server.port = atoi(arguments[3]);
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "0.0.0.0", atoi(arguments[1]), &accepted, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
