/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Peers that misbehave.
 */
#include "fuzz/support/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/sockets.h"

/* Above the numbers of the library's connections. */
#define FIRST_NUMBER UINT32_C(0x10000)

enum { LARGEST = 60000, MOST_BYTES = 400000 };

static unsigned pick(peers *all, unsigned limit)
{
    return (unsigned)random_below(&all->random, limit);
}

static bool one_in(peers *all, unsigned count)
{
    return random_below(&all->random, count) == 0;
}

/* Sockets */

static bool address_of(const endpoint *place, em_address *address)
{
    if (place->path[0])
        return em_address_from_path(place->path, address) == EM_OK;
    return place->port != 0 && em_address_from_text(fuzz_host(), place->port, address) == EM_OK;
}

static struct sockaddr *sockaddr_of(em_address *address)
{
    return (struct sockaddr *)(void *)address->storage.bytes;
}

static int open_socket(bool is_local)
{
    int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    FUZZ_CHECK(fd >= 0);
    return fd;
}

static void listen_somewhere(peers *opened)
{
    em_address address;
    endpoint *place = &opened->listening;
    if (opened->is_local)
        snprintf(place->path, sizeof place->path, "@em-fuzz-%ld-peers", (long)getpid());
    bool is_known =
        opened->is_local ? address_of(place, &address) : em_address_from_text(fuzz_host(), 0, &address) == 0;
    FUZZ_CHECK(is_known && bind(opened->listener, sockaddr_of(&address), address.length) == 0);
    FUZZ_CHECK(listen(opened->listener, 100) == 0);
    socklen_t length = sizeof address.storage.bytes;
    FUZZ_CHECK(getsockname(opened->listener, sockaddr_of(&address), &length) == 0);
    address.length = length;
    if (!opened->is_local)
        place->port = em_address_get_port(&address);
}

void peers_open(peers *opened, uint64_t seed, bool is_local)
{
    faults *before = faults_use(NULL);
    *opened = (peers){.random = ~seed, .is_local = is_local, .listener = open_socket(is_local)};
    listen_somewhere(opened);
    faults_use(before);
}

static void add(peers *all, int fd)
{
    peer *added = &all->list[all->count];
    *added = (peer){.number = FIRST_NUMBER + all->count++, .descriptor = fd, .is_local = all->is_local};
    /* Not for receiving: over the loopback interface, with its large segments, that makes TCP wait for timers. */
    int bytes = 1;
    if (one_in(all, 4))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    added->is_not_reading = one_in(all, 8);
}

static void connect_to(peers *all, const endpoint *server)
{
    em_address address;
    if (all->count == PEERS_MOST || !address_of(server, &address))
        return;
    int fd = open_socket(all->is_local);
    if (connect(fd, sockaddr_of(&address), address.length) == 0 || errno == EINPROGRESS)
        add(all, fd);
    else
        close(fd);
}

static bool accept_one(peers *all)
{
    int fd = accept4(all->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return false;
    if (all->count < PEERS_MOST)
        add(all, fd);
    else
        close_with_reset(fd);
    return true;
}

/* Moves */

static void send_piece(peers *all, peer *sending, size_t length)
{
    static unsigned char data[LARGEST];
    if (sending->has_finished || sending->sent > MOST_BYTES)
        return;
    fuzz_stream_fill(sending->number, data, length, sending->sent);
    sending->sent += send_now(sending->descriptor, data, length);
    (void)all;
}

static void send_pieces(peers *all, peer *sending)
{
    for (unsigned pieces = 1 + pick(all, 20); pieces > 0; pieces--)
        send_piece(all, sending, 1 + pick(all, 5));
}

/* A byte beside the stream, tcp(7). A second one would push the first into the stream. */
static void send_urgent(peer *sending)
{
    if (!sending->is_local && !sending->has_sent_urgent && fuzz_stream_is_known(&sending->arrived))
        sending->has_sent_urgent = send(sending->descriptor, "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1;
}

static void half_close(peer *closing)
{
    /* Before it is connected there is nothing to close, and the end would be lost. */
    if (shutdown(closing->descriptor, SHUT_WR) == 0)
        closing->has_finished = true;
}

static void leave(peers *all, peer *leaving)
{
    if (one_in(all, 2))
        close_with_reset(leaving->descriptor);
    else
        close(leaving->descriptor);
    leaving->descriptor = -1;
    leaving->has_left = true;
}

/* At most so many bytes; false when there is nothing more for now. */
static bool receive(peer *receiving, size_t most)
{
    static unsigned char data[LARGEST];
    ssize_t length = recv(receiving->descriptor, data, most < LARGEST ? most : LARGEST, 0);
    if (length > 0) {
        FUZZ_CHECK(fuzz_stream_accept(&receiving->arrived, data, (size_t)length));
        fuzz_count.bytes += (unsigned long)length;
        return true;
    }
    if (length == 0)
        receiving->saw_end = true;
    else if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
        receiving->was_reset = true;
    return false;
}

static bool has_seen_end(const peer *asked)
{
    return asked->descriptor < 0 || asked->saw_end || asked->was_reset;
}

static void act_as(peers *all, peer *acting)
{
    switch (pick(all, 20)) {
    case 0:
        half_close(acting);
        break;
    case 1:
        if (one_in(all, 2))
            leave(all, acting);
        break;
    case 2:
        acting->is_not_reading = !acting->is_not_reading;
        break;
    case 3:
        receive(acting, 1);
        break;
    case 4:
        send_pieces(all, acting);
        break;
    case 5:
        send_urgent(acting);
        break;
    case 6:
    case 7:
        send_piece(all, acting, 1 + pick(all, LARGEST));
        break;
    case 8:
    case 9:
    case 10:
        send_piece(all, acting, 1 + pick(all, 1000));
        break;
    default:
        if (!acting->is_not_reading && !has_seen_end(acting))
            receive(acting, 1 + pick(all, LARGEST));
    }
}

void peers_act(peers *acting, const endpoint *server)
{
    faults *before = faults_use(NULL);
    for (unsigned moves = pick(acting, 6); moves > 0; moves--) {
        unsigned chosen = pick(acting, PEERS_MOST / 2);
        if (chosen < acting->count && acting->list[chosen].descriptor >= 0)
            act_as(acting, &acting->list[chosen]);
        else if (one_in(acting, 2))
            connect_to(acting, server);
        else
            accept_one(acting);
    }
    faults_use(before);
}

/* The end */

void peers_wind_up(peers *ending)
{
    faults *before = faults_use(NULL);
    for (unsigned i = 0; i < ending->count; i++)
        ending->list[i].is_not_reading = false;
    faults_use(before);
}

static void receive_all(peer *receiving)
{
    while (!has_seen_end(receiving) && receive(receiving, LARGEST))
        ;
    if (!receiving->has_finished && !receiving->was_reset)
        half_close(receiving);
}

void peers_receive(peers *receiving)
{
    faults *before = faults_use(NULL);
    while (accept_one(receiving))
        ;
    for (unsigned i = 0; i < receiving->count; i++)
        if (receiving->list[i].descriptor >= 0)
            receive_all(&receiving->list[i]);
    faults_use(before);
}

bool peers_have_ended(const peers *asked)
{
    for (unsigned i = 0; i < asked->count; i++)
        if (!has_seen_end(&asked->list[i]))
            return false;
    return true;
}

void peers_close(peers *closed)
{
    faults *before = faults_use(NULL);
    close(closed->listener);
    for (unsigned i = 0; i < closed->count; i++)
        if (closed->list[i].descriptor >= 0)
            close_with_reset(closed->list[i].descriptor);
    faults_use(before);
}

const peer *peers_find(const peers *all, uint32_t number)
{
    FUZZ_CHECK(number >= FIRST_NUMBER && number - FIRST_NUMBER < all->count);
    return &all->list[number - FIRST_NUMBER];
}

void peers_describe(const peers *described)
{
    for (unsigned i = 0; i < described->count; i++) {
        const peer *each = &described->list[i];
        if (!has_seen_end(each))
            fprintf(stderr, "  peer %x: sent %lu, received %lu from %x;%s%s\n", each->number, (unsigned long)each->sent,
                    (unsigned long)each->arrived.bytes, each->arrived.sender, each->has_finished ? " has finished" : "",
                    each->is_not_reading ? " is not reading" : "");
    }
}
