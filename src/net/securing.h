/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The TLS handshake of an attempt to connect, over the attempt's own channel and with a filter of its own. It does for
 * the attempt what a gate does for a connection, but only until the filter is ready. If the attempt wins, its
 * connection gets the filter, with the bytes that were received behind the handshake.
 */
#ifndef EMI_SECURING_H
#define EMI_SECURING_H

#include "net/net_private.h"

typedef struct emi_securing emi_securing;

/** What is reported to the owner. Either may be called within any function here that says so. */
typedef struct emi_securing_events {
    void (*secured)(emi_securing *securing);
    /** detail: the failure in words, valid until this returns; or NULL. */
    void (*failed)(emi_securing *securing, em_status status, const char *detail);
} emi_securing_events;

struct emi_securing {
    const emi_securing_events *events;
    emi_channel *channel;
    em_connection *connection; /* that wants the attempt; NULL once it was stopped */
    const em_address *address;
    emi_gates *gates;
    emi_filter *filter; /* NULL once the connection has it */
    emi_list due;       /* in the list of those that the next turn serves without an event */
    uint64_t timeout_ns;
    uint64_t deadline_ns;
    uint64_t sent_bytes; /* wire bytes that the system has accepted */
    unsigned char *held; /* wire bytes that the filter has not consumed yet, or NULL */
    size_t held_bytes;
    bool has_begun : 1;  /* the filter's `open` was called */
    bool is_starved : 1; /* all wire bytes so far are used */
    bool has_heard : 1;  /* bytes have arrived */
    bool is_excused : 1; /* it got more time because the loop was late */
};

/** Creates the handshake of the attempt to reach this address, whose channel is connected. The address must stay. */
em_status emi_securing_create(em_connection *connection, emi_channel *channel, const em_address *address,
                              const emi_securing_events *events, emi_securing **securing);

/* These report to the owner. */

/** Begins it, or goes on with the bytes that are held when a turn calls it. */
void emi_securing_serve(emi_securing *securing);

/** The channel has received bytes, or the peer's end. */
void emi_securing_data(emi_securing *securing, const void *bytes, size_t length);
void emi_securing_end(emi_securing *securing);

/* These do not. */

/** What the channel is to send, and has sent. */
unsigned emi_securing_gather(emi_securing *securing, emi_span *spans);
void emi_securing_sent(emi_securing *securing, size_t length);

/** Whether the peer has sent something that the filter has not got yet. */
bool emi_securing_has_input(const emi_securing *securing);

/** The deadline has passed: whether the handshake gets more time, because the loop was late. Granted once. */
bool emi_securing_is_excused(emi_securing *securing);

/** What is known about a handshake that is too slow. */
const char *emi_securing_progress(const emi_securing *securing);

/** Before the channel is released: the handshake does not go on, and nothing more is reported. */
void emi_securing_stop(emi_securing *securing);

/** Gives filter and held bytes to the connection, which is about to get the channel. On failure nothing has happened.
 */
em_status emi_securing_hand_over(emi_securing *securing);

/** After the channel was released. NULL is allowed. */
void emi_securing_free(emi_securing *securing);

#endif
