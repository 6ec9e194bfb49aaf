/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets of one loop that send to each other while system calls fail, do less than they were asked for, and
 * memory is exhausted. Each datagram that was accepted is sent or reported, once and in order, and arrives as it was
 * sent. No socket ends that nobody has closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/support/faults.h"
#include "fuzz/support/fuzz.h"
#include "support/bytes.h"
#include "support/failing_allocator.h"

enum { SOCKETS = 4, STEPS = 300, MOST_BYTES = 3000, MOST_IN_A_ROW = 5 };

/* What every datagram begins with; a pattern follows. */
typedef struct head {
    uint32_t sender;
    uint32_t number; /* of those from this sender to this receiver, from 1 */
} head;

typedef struct end {
    em_datagram_socket *socket;
    em_address address;
    uint32_t accepted[SOCKETS]; /* datagrams for each other one */
    uint32_t latest[SOCKETS];   /* that was received from each other one */
    uint64_t accepted_in_all;
    uint64_t refused; /* that send_failed has reported */
    unsigned unbinds;
} end;

static end ends[SOCKETS];
static failing_allocator memory;
static faults made;
static uint64_t dice;
static bool is_winding_up;

static unsigned below(unsigned limit)
{
    return (unsigned)random_below(&dice, limit);
}

static void receive_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    end *receiver = em_datagram_socket_get_user(socket);
    head first;
    FUZZ_CHECK(!datagram->is_truncated);
    if (datagram->length == 0)
        return;
    FUZZ_CHECK(datagram->length >= sizeof first);
    memcpy(&first, datagram->data, sizeof first);
    FUZZ_CHECK(first.sender < SOCKETS);
    FUZZ_CHECK(
        datagram->peer->length == ends[first.sender].address.length &&
        memcmp(datagram->peer->storage.bytes, ends[first.sender].address.storage.bytes, datagram->peer->length) == 0);
    FUZZ_CHECK(first.number > receiver->latest[first.sender]);
    FUZZ_CHECK(first.number <= ends[first.sender].accepted[receiver - ends]);
    FUZZ_CHECK(
        pattern_matches((const char *)datagram->data + sizeof first, datagram->length - sizeof first, first.number));
    receiver->latest[first.sender] = first.number;
    atomic_fetch_add(&fuzz_count.bytes, datagram->length);
    if (!is_winding_up && below(20) == 0)
        em_datagram_socket_pause(socket);
}

static void send_failed(em_datagram_socket *socket, const em_datagram_failure *failure)
{
    end *sender = em_datagram_socket_get_user(socket);
    FUZZ_CHECK(failure->status < 0);
    sender->refused += !failure->is_remote;
}

static void unbind(em_datagram_socket *socket, em_status reason)
{
    end *ended = em_datagram_socket_get_user(socket);
    (void)reason;
    ended->unbinds++;
    ended->socket = NULL;
}

static const em_datagram_handler handler = {
    .receive_datagram = receive_datagram, .send_failed = send_failed, .unbind = unbind};

static void send_one(end *sender)
{
    static unsigned char bytes[MOST_BYTES];
    unsigned to = below(SOCKETS);
    head first = {.sender = (uint32_t)(sender - ends), .number = sender->accepted[to] + 1};
    size_t length = below(8) == 0 ? 0 : sizeof first + below(below(2) ? 40 : MOST_BYTES - sizeof first);
    memcpy(bytes, &first, sizeof first);
    if (length > 0)
        pattern_fill(bytes + sizeof first, length - sizeof first, first.number);
    em_status status = em_datagram_socket_send_to(sender->socket, bytes, length, &ends[to].address);
    FUZZ_CHECK(status >= 0 || status == EM_NO_MEMORY);
    if (status < 0)
        return;
    sender->accepted_in_all++;
    sender->accepted[to] += length > 0;
}

static void step(em_loop *loop)
{
    end *chosen = &ends[below(SOCKETS)];
    if (chosen->socket && em_datagram_socket_is_paused(chosen->socket) && below(2))
        em_datagram_socket_resume(chosen->socket);
    for (unsigned i = below(MOST_IN_A_ROW); i > 0 && chosen->socket; i--)
        send_one(chosen);
    em_loop_run_once(loop, below(3) ? 0 : 100000);
}

static bool is_everything_sent(void)
{
    for (unsigned i = 0; i < SOCKETS; i++)
        if (ends[i].socket && em_datagram_socket_get_outbound_count(ends[i].socket) > 0)
            return false;
    return true;
}

static void check(const fuzz_run *run)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        uint64_t sent;
        if (!ends[i].socket) {
            FUZZ_CHECK(run->calls || run->memory); /* the system has refused to watch it */
            continue;
        }
        em_datagram_socket_get_counts(ends[i].socket, NULL, &sent);
        if (sent + ends[i].refused != ends[i].accepted_in_all)
            fuzz_fail("of %lu datagrams %lu were sent and %lu refused", (unsigned long)ends[i].accepted_in_all,
                      (unsigned long)sent, (unsigned long)ends[i].refused);
        atomic_fetch_add(&fuzz_count.complete, 1);
    }
}

static em_loop *start(const fuzz_run *run)
{
    failing_allocator_init(&memory);
    em_loop_options options = {.size = sizeof options, .backend = run->backend, .allocator = &memory.allocator};
    em_loop *loop;
    FUZZ_CHECK(em_loop_create(&options, &loop) == EM_OK);
    memset(ends, 0, sizeof ends);
    is_winding_up = false;
    for (unsigned i = 0; i < SOCKETS; i++) {
        em_datagram_options datagram_options = {.size = sizeof datagram_options, .user = &ends[i]};
        datagram_options.segmentation = below(2) ? EM_ON : EM_OFF;
        datagram_options.receive_offload = below(2) ? EM_ON : EM_OFF;
        FUZZ_CHECK(em_loop_open_datagram_socket(loop, fuzz_host(), 0, &handler, &datagram_options, &ends[i].socket) ==
                   EM_OK);
        em_datagram_socket_get_local_address(ends[i].socket, &ends[i].address);
    }
    return loop;
}

static void run(const fuzz_run *given)
{
    dice = given->seed;
    em_loop *loop = start(given);
    made = (faults){.random = given->seed, .cuts = given->cuts, .fail_every = given->calls ? 4 + below(50) : 0};
    faults *before = faults_use(&made);
    if (given->memory)
        failing_allocator_fail_every(&memory, 2 + below(20));
    for (unsigned i = 0; i < STEPS; i++)
        step(loop);
    faults_use(before);
    failing_allocator_fail_every(&memory, 0);
    is_winding_up = true;
    for (unsigned i = 0; i < SOCKETS; i++)
        if (ends[i].socket && em_datagram_socket_is_paused(ends[i].socket))
            em_datagram_socket_resume(ends[i].socket);
    while (!is_everything_sent())
        em_loop_run_once(loop, 1000000);
    check(given);
    atomic_fetch_add(&fuzz_count.connections, SOCKETS);
    atomic_fetch_add(&fuzz_count.cuts, made.cut);
    atomic_fetch_add(&fuzz_count.failed_calls, made.failed);
    atomic_fetch_add(&fuzz_count.failed_allocations, atomic_load(&memory.failures));
    em_loop_destroy(loop);
    for (unsigned i = 0; i < SOCKETS; i++)
        FUZZ_CHECK(ends[i].unbinds == 1);
    FUZZ_CHECK(atomic_load(&memory.live) == 0);
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {.name = "datagrams", .seeds = 60, .seconds_per_run = 60, .run = run};
    return fuzz_main(argc, argv, &program);
}
