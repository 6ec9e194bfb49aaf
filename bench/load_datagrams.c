/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The datagrams mode: every socket keeps its number of datagrams in flight, and sends as many as have come back. Their
 * bytes are compared with what was sent. Over the loopback interface none is lost as long as all of them fit into the
 * server's receive buffer, so the load stays below that, and a loss is a failure.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_IN_FLIGHT = 64, EVENTS = 64, LONGEST_WAIT_MS = 1000, LARGEST_BYTES = 2048, BUFFER_BYTES = 65536 };

struct peer {
    int fd;
    uint64_t sent;
    uint64_t received;
    uint64_t *sent_at; /* by number modulo the pipeline's depth */
};

struct run {
    const struct load_options *options;
    struct peer *peers;
    int epoll;
    uint64_t datagrams;
    uint64_t now_ns;
};

struct reading {
    uint64_t datagrams, time_ns, cpu_ns;
};

static unsigned char buffers[MOST_IN_FLIGHT][BUFFER_BYTES];

/* Each datagram is a piece of the pattern, which tells them apart. */
static const unsigned char *content(const struct load_options *options, uint64_t number)
{
    return load_pattern_at(number * options->size_bytes);
}

static void open_peer(const struct load_options *options, struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};

    inet_pton(AF_INET, options->host, &address.sin_addr);
    peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
        load_fail("opening a datagram socket");
    if (options->segments && setsockopt(peer->fd, IPPROTO_UDP, UDP_GRO, &(int){1}, sizeof(int)) != 0)
        load_fail("UDP_GRO");
    peer->sent_at = load_allocate(options->pipeline, sizeof *peer->sent_at);
}

/* As one message that the system cuts into datagrams. */
static void send_segments(const struct load_options *options, const struct peer *peer, unsigned count)
{
    struct iovec pieces[MOST_IN_FLIGHT];
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct msghdr message = {
        .msg_iov = pieces, .msg_iovlen = count, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    uint16_t size = (uint16_t)options->size_bytes;

    head->cmsg_level = IPPROTO_UDP;
    head->cmsg_type = UDP_SEGMENT;
    head->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(head), &size, sizeof size);
    for (unsigned i = 0; i < count; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)content(options, peer->sent + i), options->size_bytes};
    if (sendmsg(peer->fd, &message, 0) != (ssize_t)(count * options->size_bytes))
        load_fail("sending segments");
}

static void send_singly(const struct load_options *options, const struct peer *peer, unsigned count)
{
    struct iovec pieces[MOST_IN_FLIGHT];
    struct mmsghdr messages[MOST_IN_FLIGHT];

    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (struct iovec){(void *)(uintptr_t)content(options, peer->sent + i), options->size_bytes};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (sendmmsg(peer->fd, messages, count, 0) != (int)count)
        load_fail("sending datagrams");
}

static void send_some(struct run *run, struct peer *peer, unsigned count)
{
    const struct load_options *options = run->options;

    if (count == 0)
        return;
    if (options->segments)
        send_segments(options, peer, count);
    else
        send_singly(options, peer, count);
    for (unsigned i = 0; i < count; i++)
        peer->sent_at[peer->sent++ % options->pipeline] = run->now_ns;
}

static void check(struct run *run, struct peer *peer, const unsigned char *data, unsigned length)
{
    const struct load_options *options = run->options;

    errno = 0;
    if (length != options->size_bytes || peer->received == peer->sent ||
        memcmp(data, content(options, peer->received), length) != 0)
        load_fail("the server sent something else than it was sent, or a datagram was lost");
    load_histogram_add(run->now_ns - peer->sent_at[peer->received++ % options->pipeline]);
    run->datagrams++;
}

/* With segments a message consists of several datagrams, all of one size. */
static unsigned check_all(struct run *run, struct peer *peer, const unsigned char *data, unsigned length)
{
    unsigned size = run->options->size_bytes;
    unsigned count = 0;

    for (; run->options->segments && length > size; data += size, length -= size, count++)
        check(run, peer, data, size);
    check(run, peer, data, length);
    return count + 1;
}

static void receive(struct run *run, struct peer *peer)
{
    struct iovec pieces[MOST_IN_FLIGHT];
    struct mmsghdr messages[MOST_IN_FLIGHT];
    unsigned datagrams = 0;
    int count;

    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < MOST_IN_FLIGHT; i++) {
        pieces[i] = (struct iovec){buffers[i], BUFFER_BYTES};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    count = recvmmsg(peer->fd, messages, MOST_IN_FLIGHT, 0, NULL);
    if (count < 0 && errno != EAGAIN)
        load_fail("receiving datagrams");
    run->now_ns = load_now_ns();
    for (int i = 0; i < count; i++)
        datagrams += check_all(run, peer, buffers[i], messages[i].msg_len);
    send_some(run, peer, datagrams);
}

static void turn(struct run *run)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(run->epoll, events, EVENTS, LONGEST_WAIT_MS);

    errno = 0;
    if (n == 0)
        load_fail("a datagram was lost, or the server does not answer");
    for (int i = 0; i < n; i++)
        receive(run, events[i].data.ptr);
}

static struct reading run_for(struct run *run, double seconds)
{
    uint64_t end_ns = load_now_ns() + (uint64_t)(seconds * 1e9);

    do
        turn(run);
    while (run->now_ns < end_ns);
    return (struct reading){run->datagrams, load_now_ns(), load_server_cpu_ns(run->options->server)};
}

static int report(const struct load_options *options, struct reading before, struct reading after)
{
    uint64_t datagrams = after.datagrams - before.datagrams;
    double seconds = (double)(after.time_ns - before.time_ns) / 1e9;

    printf("{\"mode\": \"datagrams\", \"connections\": %u, \"size\": %u, \"pipeline\": %u, \"messages\": %llu, "
           "\"seconds\": %.6f, \"messages_per_second\": %.1f, ",
           options->connections, options->size_bytes, options->pipeline, (unsigned long long)datagrams, seconds,
           (double)datagrams / seconds);
    if (options->server)
        printf("\"server_cpu_ns_per_message\": %.1f, ", (double)(after.cpu_ns - before.cpu_ns) / (double)datagrams);
    printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"p99_9_us\": %.2f}\n", load_histogram_percentile_us(50),
           load_histogram_percentile_us(99), load_histogram_percentile_us(99.9));
    return 0;
}

int load_datagrams(const struct load_options *options)
{
    struct run run = {.options = options, .now_ns = load_now_ns()};
    struct reading before, after;

    errno = 0;
    if (options->pipeline > MOST_IN_FLIGHT || options->size_bytes > LARGEST_BYTES)
        load_fail("at most 64 datagrams of at most 2048 bytes for each socket");
    run.peers = load_allocate(options->connections, sizeof *run.peers);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options->connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &run.peers[i]};

        open_peer(options, &run.peers[i]);
        if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, run.peers[i].fd, &event) != 0)
            load_fail("registering with epoll");
    }
    for (unsigned i = 0; i < options->connections; i++)
        send_some(&run, &run.peers[i], options->pipeline);
    before = run_for(&run, options->warmup_seconds);
    load_histogram_clear();
    after = run_for(&run, options->seconds);
    return report(options, before, after);
}
