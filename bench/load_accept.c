/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The accept mode: a fixed number of connections at a time, each opened, used for one message and reset, again and
 * again. A reset leaves no port in TIME_WAIT, so the run may be as long as needed. With TLS, each is a handshake, which
 * the message shows to be complete on both sides.
 *
 * Servers do the work of many connections in waves. So the measured interval begins without a connection and ends when
 * all are served: no work in it is for a connection that is not counted.
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, LONGEST_WAIT_MS = 100 };

struct visit {
    struct load_stream stream;
    bool is_sent; /* the message */
    unsigned received;
};

struct accepting {
    const struct load_options *options;
    struct visit *visits;
    int epoll;
    unsigned open;
    bool draining; /* no more are opened */
    uint64_t accepted;
    uint64_t resumed; /* of them: TLS sessions */
};

struct reading {
    uint64_t accepted, resumed, time_ns, cpu_ns;
};

/* With TLS, not before the handshake is complete. */
static void send_message(const struct accepting *accepting, struct visit *visit)
{
    size_t length = accepting->options->size_bytes;
    ssize_t n;

    if (visit->is_sent)
        return;
    n = load_stream_send(&visit->stream, load_pattern_at(0), length);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n != (ssize_t)length)
        load_fail("sending");
    visit->is_sent = true;
}

static void begin(struct accepting *accepting, struct visit *visit)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = visit};

    accepting->open++;
    visit->is_sent = false;
    visit->received = 0;
    load_stream_start(&visit->stream, accepting->options, 0);
    send_message(accepting, visit);
    if (epoll_ctl(accepting->epoll, EPOLL_CTL_ADD, visit->stream.fd, &event) != 0)
        load_fail("registering with epoll");
}

static void receive(struct accepting *accepting, struct visit *visit)
{
    static unsigned char buffer[LOAD_CHUNK_BYTES];
    ssize_t n = load_stream_receive(&visit->stream, buffer);

    if (n < 0 && errno == EAGAIN) {
        send_message(accepting, visit);
        return;
    }
    if (n < 0)
        load_fail("receiving");
    errno = 0;
    if (n == 0)
        load_fail("the server closed a connection");
    if (memcmp(buffer, load_pattern_at(visit->received), (size_t)n) != 0)
        load_fail("the server sent other bytes than it was sent");
    visit->received += (unsigned)n;
    if (visit->received < accepting->options->size_bytes)
        return;
    accepting->accepted++;
    accepting->open--;
    accepting->resumed += visit->stream.tls && load_tls_is_resumed(&visit->stream);
    load_stream_reset(&visit->stream);
    if (!accepting->draining)
        begin(accepting, visit);
}

static void turn(struct accepting *accepting)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(accepting->epoll, events, EVENTS, LONGEST_WAIT_MS);

    if (n < 0 && errno != EINTR)
        load_fail("waiting");
    for (int i = 0; i < n; i++)
        receive(accepting, events[i].data.ptr);
}

static struct reading run(struct accepting *accepting, double seconds)
{
    uint64_t end_ns = load_now_ns() + (uint64_t)(seconds * 1e9);

    accepting->draining = false;
    for (unsigned i = 0; i < accepting->options->connections; i++)
        begin(accepting, &accepting->visits[i]);
    while (load_now_ns() < end_ns)
        turn(accepting);
    accepting->draining = true;
    while (accepting->open > 0)
        turn(accepting);
    return (struct reading){accepting->accepted, accepting->resumed, load_now_ns(),
                            load_server_cpu_ns(accepting->options->server)};
}

static int report(const struct load_options *options, struct reading before, struct reading after)
{
    uint64_t accepted = after.accepted - before.accepted;
    double seconds = (double)(after.time_ns - before.time_ns) / 1e9;

    printf("{\"mode\": \"accept\", \"connections\": %u, \"accepted\": %llu, \"seconds\": %.6f, "
           "\"accepts_per_second\": %.1f",
           options->connections, (unsigned long long)accepted, seconds, (double)accepted / seconds);
    if (options->tls)
        printf(", \"resumed_percent\": %.2f", 100.0 * (double)(after.resumed - before.resumed) / (double)accepted);
    if (options->server)
        printf(", \"server_cpu_ns_per_accept\": %.1f", (double)(after.cpu_ns - before.cpu_ns) / (double)accepted);
    printf("}\n");
    return 0;
}

int load_accept(const struct load_options *options)
{
    struct accepting accepting = {.options = options, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct reading before, after;

    errno = 0;
    if (options->size_bytes > LOAD_CHUNK_BYTES)
        load_fail("a message of the accept mode is at most 64 KiB");
    accepting.visits = load_allocate(options->connections, sizeof *accepting.visits);
    before = run(&accepting, options->warmup_seconds);
    after = run(&accepting, options->seconds);
    return report(options, before, after);
}
