/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo mode: every connection keeps its number of messages in flight, and sends the next as soon as one is back.
 * What arrives is compared with what was sent, byte by byte.
 */
#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, LONGEST_WAIT_MS = 100, DRAIN_SECONDS = 10 };

struct peer {
    struct load_stream stream;
    uint64_t start;     /* where in the pattern this connection begins */
    uint64_t sent;      /* bytes */
    uint64_t received;  /* bytes */
    uint64_t completed; /* messages */
    uint64_t *sent_at;  /* one time for each message in flight, by its number modulo the pipeline's depth */
};

struct echo {
    const struct load_options *options;
    struct peer *peers;
    int epoll;
    uint64_t messages;
    uint64_t now_ns;
    bool draining; /* nothing more is sent, what was sent is to come back */
};

struct reading {
    uint64_t messages, time_ns, cpu_ns;
};

static unsigned char buffer[LOAD_CHUNK_BYTES];

static void flush(const struct echo *echo, struct peer *peer)
{
    uint64_t wanted = (peer->completed + echo->options->pipeline) * echo->options->size_bytes;

    while (peer->sent < wanted) {
        size_t length = wanted - peer->sent < LOAD_CHUNK_BYTES ? (size_t)(wanted - peer->sent) : LOAD_CHUNK_BYTES;
        ssize_t n = load_stream_send(&peer->stream, load_pattern_at(peer->start + peer->sent), length);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            load_fail("sending");
        peer->sent += (uint64_t)n;
    }
}

static void complete(struct echo *echo, struct peer *peer)
{
    const struct load_options *options = echo->options;
    uint64_t whole = peer->received / options->size_bytes;

    for (; peer->completed < whole; peer->completed++) {
        uint64_t *sent_at = &peer->sent_at[peer->completed % options->pipeline];

        if (!echo->draining)
            load_histogram_add(echo->now_ns - *sent_at);
        *sent_at = echo->now_ns;
        echo->messages++;
    }
}

static void receive(struct echo *echo, struct peer *peer)
{
    ssize_t n;

    do {
        n = load_stream_receive(&peer->stream, buffer);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            load_fail("receiving");
        errno = 0;
        if (n == 0)
            load_fail("the server closed a connection");
        if (peer->received + (uint64_t)n > peer->sent)
            load_fail("the server sent more than it was sent");
        if (memcmp(buffer, load_pattern_at(peer->start + peer->received), (size_t)n) != 0)
            load_fail("the server sent other bytes than it was sent");
        peer->received += (uint64_t)n;
    } while (!peer->stream.is_drained);
    echo->now_ns = load_now_ns();
    complete(echo, peer);
    if (!echo->draining)
        flush(echo, peer);
}

static void open_peers(struct echo *echo)
{
    const struct load_options *options = echo->options;

    echo->peers = load_allocate(options->connections, sizeof *echo->peers);
    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options->connections; i++) {
        struct peer *peer = &echo->peers[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};

        load_stream_open(&peer->stream, options, i);
        peer->start = (uint64_t)i * 61;
        peer->sent_at = load_allocate(options->pipeline, sizeof *peer->sent_at);
        if (epoll_ctl(echo->epoll, EPOLL_CTL_ADD, peer->stream.fd, &event) != 0)
            load_fail("registering with epoll");
    }
}

static void start(struct echo *echo)
{
    for (unsigned i = 0; i < echo->options->connections; i++) {
        struct peer *peer = &echo->peers[i];
        uint64_t now_ns = load_now_ns();

        for (unsigned message = 0; message < echo->options->pipeline; message++)
            peer->sent_at[message] = now_ns;
        flush(echo, peer);
    }
}

static void turn(struct echo *echo)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(echo->epoll, events, EVENTS, LONGEST_WAIT_MS);

    if (n < 0 && errno != EINTR)
        load_fail("waiting");
    echo->now_ns = load_now_ns();
    for (int i = 0; i < n; i++)
        receive(echo, events[i].data.ptr);
}

static struct reading run(struct echo *echo, double seconds)
{
    uint64_t end_ns = load_now_ns() + (uint64_t)(seconds * 1e9);

    do
        turn(echo);
    while (echo->now_ns < end_ns);
    return (struct reading){echo->messages, load_now_ns(), load_server_cpu_ns(echo->options->server)};
}

static uint64_t outstanding(const struct echo *echo)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < echo->options->connections; i++)
        bytes += echo->peers[i].sent - echo->peers[i].received;
    return bytes;
}

/* Without this check, a server that loses a byte would only look a little slower. */
static void drain(struct echo *echo)
{
    uint64_t end_ns = load_now_ns() + (uint64_t)DRAIN_SECONDS * 1000000000;

    echo->draining = true;
    while (outstanding(echo) > 0) {
        turn(echo);
        errno = 0;
        if (echo->now_ns > end_ns)
            load_fail("the server did not send back everything");
    }
}

static int report(const struct echo *echo, struct reading before, struct reading after)
{
    const struct load_options *options = echo->options;
    uint64_t messages = after.messages - before.messages;
    double seconds = (double)(after.time_ns - before.time_ns) / 1e9;

    errno = 0;
    if (messages == 0)
        load_fail("not one message came back");
    printf("{\"mode\": \"echo\", \"connections\": %u, \"size\": %u, \"pipeline\": %u, \"messages\": %llu, "
           "\"messages_in_all\": %llu, \"seconds\": %.6f, \"messages_per_second\": %.1f, ",
           options->connections, options->size_bytes, options->pipeline, (unsigned long long)messages,
           (unsigned long long)echo->messages, seconds, (double)messages / seconds);
    if (options->server)
        printf("\"server_cpu_ns_per_message\": %.1f, ", (double)(after.cpu_ns - before.cpu_ns) / (double)messages);
    printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"p99_9_us\": %.2f}\n", load_histogram_percentile_us(50),
           load_histogram_percentile_us(99), load_histogram_percentile_us(99.9));
    return 0;
}

int load_echo(const struct load_options *options)
{
    struct echo echo = {.options = options};
    struct reading before, after;

    open_peers(&echo);
    start(&echo);
    before = run(&echo, options->warmup_seconds);
    load_histogram_clear();
    after = run(&echo, options->seconds);
    drain(&echo);
    for (unsigned i = 0; i < options->connections; i++)
        load_stream_reset(&echo.peers[i].stream);
    return report(&echo, before, after);
}
