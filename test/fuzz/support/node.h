/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop of the library as fuzzers use it, with its server, its connections and its faults. Everything on it happens at
 * random: within callbacks and between turns it sends, pauses, closes, connects, starts and stops, by its own sequence
 * of random numbers. All that a program may rely on is checked while it happens, the rest at the end.
 */
#ifndef TEST_FUZZ_NODE_H
#define TEST_FUZZ_NODE_H

#include "fuzz/support/faults.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/fuzz_stream.h"
#include "support/bytes.h"
#include "support/failing_allocator.h"

enum { NODE_MOST_SIDES = 64, NODE_ROOM_BYTES = 3000 };

/** Where a server listens; neither a port nor a path: none does. */
typedef struct endpoint {
    int port;      /* of fuzz_host() */
    char path[64]; /* of a Unix socket */
} endpoint;

typedef struct node node;

/** A connection of the library, from post_init on; stays until the end of the run, so that what comes too late is
 * noticed. */
typedef struct side {
    node *node;
    uint32_t number;           /* among all of the run: names its bytes */
    em_connection *connection; /* NULL after unbind */
    uint64_t accepted;         /* bytes, by em_connection_send */
    fuzz_stream arrived;
    unsigned borrowed, returned;
    unsigned begun, ended;
    em_status reason;
    bool is_client;
    bool completed;
    bool saw_end;
    bool aborted;   /* by em_connection_close */
    bool closing;   /* em_connection_close_after_writing before the peer's end: what arrives later may be lost */
    bool finishing; /* that, or em_connection_close_write: takes no more */
    bool torn;      /* a piece was refused after a part of it had left */
    bool timed;     /* has a timeout */
    bool limited;   /* has a limit of its outbox */
    bool swept;     /* ended with its loop */
    bool pressed;
    unsigned char room[NODE_ROOM_BYTES];
} side;

struct node {
    const fuzz_run *run;
    unsigned number;
    uint64_t random;
    bool is_local; /* Unix sockets */
    em_loop *loop;
    failing_allocator memory;
    faults faults;
    em_server *server;
    unsigned servers;                      /* started so far */
    endpoint own;                          /* where the server listens */
    endpoint (*find_target)(node *asking); /* where to connect */
    void (*publish)(node *changed);        /* `own` has changed; may be NULL */
    void *user;
    node *other; /* to post to; may be the node itself */
    side *sides[NODE_MOST_SIDES];
    unsigned count;
    unsigned live;
    unsigned to_open; /* connections left to be made */
    bool is_quiet;    /* callbacks act no more */
    bool is_sweeping; /* the loop is being destroyed */
    bool in_turn;
    bool outbox_limited;
    unsigned depth; /* of actions within actions */
    uint64_t opened, accepted, unbound, ticks, received;
    atomic_ulong posts; /* that were accepted */
    uint64_t posts_run;
};

/** Makes the loop, or fails because of a fault: then node->loop is NULL and there is nothing to close. The thread uses
 * the node's faults from now on. */
void node_open(node *opened, const fuzz_run *run, unsigned number);

/** Does something at random: with the loop, the server, or a connection. */
void node_act(node *acting);

/** Runs the loop for a turn or some. */
void node_turn(node *turned);

/** Acts no more, makes faults no more, and has each connection come to its end in an orderly way. Then turn until
 * `live` is 0. */
void node_wind_up(node *ending);

/** Checks that an idle loop takes a handful of turns only, in whatever state its connections are. There are no faults
 * any more. */
void node_check_idle(node *idle);

/** Compares the loop's counters with what was seen. */
void node_check_stats(const node *checked);

/** Destroys the loop and checks that nothing is left. The sides stay until node_free. */
void node_close(node *closed);
void node_free(node *freed);

/** Prints what lives to standard error. */
void node_describe(const node *described);

/* node_actions.c */

/** Something within a callback, now and then. */
void node_act_sometimes(node *acting);

/** Makes the side of a connection that has just begun. */
side *node_add_side(node *owner);

/** Connects to the target, if it may still. */
void node_connect(node *connecting);
void node_start_server(node *starting);
void node_stop_server(node *stopping);

/* side.c */

/** The handlers of sides: with receive_end or without, and with receive_buffer or without. */
enum { SIDE_HANDLERS = 4 };
extern const em_handler side_handlers[SIDE_HANDLERS];

void side_act(side *acting);
void side_send(side *sending);
/** Ends in an orderly way. */
void side_finish(side *finishing);

/** A random number below the limit, of the node's sequence. */
static inline unsigned node_pick(node *picking, unsigned limit)
{
    return (unsigned)random_below(&picking->random, limit);
}

/** Whether it happens, one time in so many. */
static inline bool node_one_in(node *picking, unsigned count)
{
    return random_below(&picking->random, count) == 0;
}

/** Of a connection that has ended: whether the other end must have got all that it sent, unless that one left before.
 */
bool side_has_sent_all(const side *sender);
/** Whether it left before the other's end was reported to it. */
bool side_was_cut_off(const side *receiver);

/** Whether memory or system calls may have failed, so that whatever fails because of it is right. */
static inline bool node_has_failures(const node *owner)
{
    return owner->run->memory || owner->run->calls;
}

#endif
