/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The sink on libuv. One buffer is enough, because nothing in it is kept. */
#include "echo_support.h"

#include <uv.h>

static char buffer[ECHO_BUFFER_BYTES];

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *result)
{
    (void)handle;
    (void)suggested;
    *result = uv_buf_init(buffer, sizeof buffer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *data)
{
    (void)data;
    if (length < 0)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *server, int status)
{
    uv_tcp_t *client;

    if (status < 0)
        return;
    client = malloc(sizeof *client);
    if (!client)
        echo_fail("malloc");
    uv_tcp_init(server->loop, client);
    if (uv_accept(server, (uv_stream_t *)client) == 0)
        uv_read_start((uv_stream_t *)client, on_allocate, on_read);
    else
        uv_close((uv_handle_t *)client, on_closed);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = echo_address(echo_prepare(argc, argv));
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    int status;

    uv_tcp_init(loop, &server);
    status = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&server, ECHO_BACKLOG, on_connection);
    if (status != 0) {
        fprintf(stderr, "sink_libuv: %s\n", uv_strerror(status));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
