/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the tests of the contract of io/backend.h share: every backend, channels that record their events, and peers. A
 * test is written once and runs for each backend of the table in contract.c. On the simulated backend the same
 * functions are the actions of its peers.
 */
#ifndef TEST_CONTRACT_H
#define TEST_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/backend.h"
#include "support/bytes.h"
#include "support/deadline.h"
#include "support/failing_allocator.h"
#include "support/simulated_backend.h"
#include "support/sockets.h"
#include "support/test_clock.h"

/** The most bytes that one data event lends. */
#define CONTRACT_BUFFER_BYTES 16384

/** The fixture: *state of every test. */
typedef struct contract_fixture {
    emi_backend *backend;
    simulated_backend *simulated; /* NULL with a kernel */
    bool is_plain;                /* no seed delays or splits anything */
    bool offers_room;             /* channels of bulk streams mostly offer memory of their own */
    failing_allocator allocator;
    char events[4096]; /* each event in two letters: the channel's name and the kind */
    size_t event_count;
} contract_fixture;

typedef struct test_channel test_channel;
typedef void (*test_hook)(test_channel *channel);

/** A channel and its owner. */
struct test_channel {
    emi_channel channel;
    contract_fixture *contract;
    void *user;

    byte_buffer received;
    size_t largest_piece;
    unsigned char *room; /* what it last offered, freed by the next event; NULL: nothing */
    unsigned rooms_asked, rooms_used;
    unsigned data_events, end_events, connected_events, gather_events, sent_events, ready_events, failed_events;
    unsigned accepted_events, released_events;
    em_status failure; /* the last one */
    unsigned ready;    /* the last interests */
    char name;         /* in the list of events */
    bool released;     /* the test has called release: only `released` may be called */
    int accepted[1024];
    em_address last_peer;

    unsigned char *outgoing; /* the pattern, in memory that does not move */
    size_t outgoing_capacity;
    size_t queued;
    size_t sent;
    size_t span_bytes; /* the most bytes in one span */

    /* called within the events, if not NULL */
    test_hook on_data, on_end, on_connected, on_gather, on_sent, on_ready, on_accepted, on_failed, on_released;
};

/** The other side. */
typedef struct test_peer {
    int socket;
    simulated_peer *simulated;
} test_peer;

typedef enum contract_scope {
    EVERY_BACKEND,
    KERNELS_ONLY /* the test is about real sockets */
} contract_scope;

typedef struct contract_test {
    const char *name;
    CMUnitTestFunction run;
    contract_scope scope;
} contract_test;

#define CONTRACT_TEST(function)                                                                                        \
    {                                                                                                                  \
#function, function, EVERY_BACKEND                                                                             \
    }
#define KERNEL_TEST(function)                                                                                          \
    {                                                                                                                  \
#function, function, KERNELS_ONLY                                                                              \
    }

/** Runs the tests for every backend. Returns for how many of them a test failed. */
int run_contract(const char *subject, const contract_test *tests, size_t count);

/** One turn, as the loop makes it. */
void contract_turn(contract_fixture *contract, uint64_t timeout_ns);

/** Turns until the condition holds, at most until the deadline of the test. */
#define run_until(contract, condition)                                                                                 \
    do {                                                                                                               \
        while (!(condition))                                                                                           \
            contract_turn((contract), 1000000);                                                                        \
    } while (0)

/** Turns for as long as an event that must not happen would need to happen. */
void settle(contract_fixture *contract);

/* Channels */

void test_channel_init(test_channel *channel, contract_fixture *contract, char name);

/** Frees what the owner has. The channel must have been released, or never attached. */
void test_channel_clear(test_channel *channel);

em_status test_channel_attach(test_channel *channel, emi_channel_kind kind, int descriptor, emi_ownership ownership);

/** Releases it; from now on only `released` may be called. */
void test_channel_release(test_channel *channel);

/** Releases, waits for `released` and clears. */
void test_channel_end(test_channel *channel);

/** Prepares memory to send at most so many bytes of the pattern altogether. */
void test_channel_prepare(test_channel *channel, size_t capacity);

/** Queues so many more bytes and calls send. */
void test_channel_send(test_channel *channel, size_t length);

/* Streams and their peers */

/** A connected stream, attached under a name; it is not receiving yet. */
void open_stream(contract_fixture *contract, test_channel *channel, char name, test_peer *peer);

/** The same over a Unix-domain socket. Kernels only. */
void open_unix_stream(contract_fixture *contract, test_channel *channel, char name, test_peer *peer);

/** Sends as much as the system takes now. */
size_t peer_send(test_peer *peer, const void *data, size_t length);
void peer_send_text(test_peer *peer, const char *text);
/** Receives what is there now, 0 if nothing; *ended is set at the end of the stream. */
size_t peer_receive(test_peer *peer, void *data, size_t capacity, bool *ended);
/** Half-close. */
void peer_end(test_peer *peer);
/** Resets the connection; bytes sent before may be lost. */
void peer_reset(test_peer *peer);
/** Closes without reading: bytes sent before arrive, but it takes no more. */
void peer_vanish(test_peer *peer);
void peer_close(test_peer *peer);

/** Receives, checks the pattern from `*offset` on, and advances *offset. */
void peer_check_pattern(test_peer *peer, size_t *offset);

/* Listeners */

typedef struct test_listener {
    test_channel channel;
    em_address address;
    int descriptor;
} test_listener;

/** A listener, attached; it is not receiving yet. */
void open_listener(contract_fixture *contract, test_listener *listener, char name);
void connect_peer(test_listener *listener, test_peer *peer);
/** Closes the accepted sockets. */
void close_accepted(test_listener *listener);

/* Polled descriptors */

/** A polled descriptor, attached; the other end makes it readable or not. */
void open_pollable(contract_fixture *contract, test_channel *channel, char name, test_peer *other);
void make_readable(test_channel *channel, test_peer *other);
void make_unreadable(test_channel *channel);

#endif
