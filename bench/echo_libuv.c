/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server on libuv. What arrives is written at once if the kernel takes it (uv_try_write), and the buffer
 * returns to a pool. Only the rest is queued (uv_write), and keeps its buffer until it is written.
 */
#include "echo_support.h"

#include <uv.h>

/* A buffer of the pool. The request is used only when part of the buffer has to wait. */
struct chunk {
    uv_write_t request;
    struct chunk *next;
    char bytes[ECHO_BUFFER_BYTES];
};

static struct chunk *pool;

static void give_back(struct chunk *chunk)
{
    chunk->next = pool;
    pool = chunk;
}

static struct chunk *chunk_of(char *bytes)
{
    return (struct chunk *)(void *)(bytes - offsetof(struct chunk, bytes));
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct chunk *chunk = pool;

    (void)handle;
    (void)suggested;
    if (chunk)
        pool = chunk->next;
    else
        chunk = malloc(sizeof *chunk);
    if (!chunk)
        echo_fail("malloc");
    *buffer = uv_buf_init(chunk->bytes, sizeof chunk->bytes);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    give_back(request->data);
}

static void write_rest(uv_stream_t *stream, struct chunk *chunk, size_t offset, size_t length)
{
    uv_buf_t rest = uv_buf_init(chunk->bytes + offset, (unsigned)(length - offset));

    chunk->request.data = chunk;
    if (uv_write(&chunk->request, stream, &rest, 1, on_written) != 0)
        give_back(chunk);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct chunk *chunk = buffer->base ? chunk_of(buffer->base) : NULL;
    int written = 0;

    if (length > 0) {
        uv_buf_t data = uv_buf_init(buffer->base, (unsigned)length);

        written = uv_try_write(stream, &data, 1);
        if (written == UV_EAGAIN)
            written = 0;
        if (written >= 0 && written < length) {
            write_rest(stream, chunk, (size_t)written, (size_t)length);
            return;
        }
    }
    if (chunk)
        give_back(chunk);
    if (length < 0 || written < 0)
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
    if (uv_accept(server, (uv_stream_t *)client) != 0) {
        uv_close((uv_handle_t *)client, on_closed);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, on_allocate, on_read);
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
        fprintf(stderr, "echo_libuv: %s\n", uv_strerror(status));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
