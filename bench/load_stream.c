/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection of the load generator that is plain or, with --tls, speaks TLS. The modes that use it need not know
 * which. What concerns TLS alone is in load_tls.c.
 */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

void load_stream_start(struct load_stream *stream, const struct load_options *options, unsigned index)
{
    stream->fd = load_connect(options, index);
    if (options->tls)
        load_tls_start(stream, options);
}

void load_stream_open(struct load_stream *stream, const struct load_options *options, unsigned index)
{
    load_stream_start(stream, options, index);
    if (options->tls)
        load_tls_complete_handshake(stream);
}

void load_stream_wait(const struct load_stream *stream)
{
    struct pollfd readable = {.fd = stream->fd, .events = POLLIN};

    if (poll(&readable, 1, -1) < 0)
        load_fail("waiting");
}

ssize_t load_stream_send(struct load_stream *stream, const void *data, size_t length)
{
    return stream->tls ? load_tls_send(stream, data, length) : send(stream->fd, data, length, MSG_DONTWAIT);
}

ssize_t load_stream_receive(struct load_stream *stream, unsigned char *buffer)
{
    ssize_t n;

    if (stream->tls)
        return load_tls_receive(stream, buffer);
    n = recv(stream->fd, buffer, LOAD_CHUNK_BYTES, MSG_DONTWAIT);
    stream->is_drained = n < LOAD_CHUNK_BYTES;
    return n;
}

void load_stream_reset(struct load_stream *stream)
{
    if (stream->tls)
        load_tls_free(stream);
    load_reset(stream->fd);
}
