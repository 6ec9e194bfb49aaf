/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the subjects: a connection of the library and its peer, a bare socket. A scene holds one of them, or
 * several whose peers move at the same time. Getting into a state, moving, and a log of the callbacks.
 */
#ifndef TEST_STATES_SUBJECT_H
#define TEST_STATES_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine.h>

#include "support/states_model.h"
#include "support/states_table.h"

enum { STATES_MOST_SUBJECTS = 8, STATES_LOG_BYTES = 256 };

typedef struct states_scene states_scene;

/** Who makes our moves. */
typedef enum states_actor {
    STATES_ACTS_OUTSIDE,       /**< the test, between turns */
    STATES_FIRST_ACTS_ON_REST, /**< the first callback of data or the end, on all connections but its own */
    STATES_LAST_ACTS_ON_ALL    /**< each callback of data sends something small; the last, on all connections */
} states_actor;

typedef struct states_subject {
    states_scene *scene;
    em_connection *connection; /**< NULL once unbound */
    int descriptor;            /**< of our socket, as long as it is open */
    int peer;                  /**< the peer's socket; -1 once it has closed it */
    em_status move_status;     /**< what our move returned */
    unsigned unbinds;
    unsigned ends;     /**< calls of receive_end */
    bool has_received; /**< its data callback was called */
    states_stage unbound_at;
    em_status reason;
    bool is_wrong;   /**< a callback after unbind, or wrong bytes */
    size_t sent;     /**< bytes accepted for sending */
    size_t received; /**< by the peer */
    unsigned lent;   /**< pieces of borrowed memory */
    unsigned returned;
    char data[32]; /**< that arrived */
    char log[STATES_LOG_BYTES];
} states_subject;

struct states_scene {
    em_loop *loop;
    states_scenario scenario;
    states_subject subjects[STATES_MOST_SUBJECTS];
    unsigned count;
    unsigned accepted;
    states_stage stage;
    states_actor acts;
    const states_subject *actor; /**< whose callback made our move; NULL: none has */
    unsigned receivers;          /**< how many subjects have received data */
    int port;                    /**< of our server; TCP */
    int listener;                /**< of the peers, for connections that we open */
    int listener_port;
    em_server *server;
};

/** Starts the server and the peers' listener. */
void states_open_scene(states_scene *scene, em_loop *loop, states_kind kind);
void states_close_scene(states_scene *scene);

/** Makes the subjects of a scenario and gets them into its state. */
void states_set_up(states_scene *scene, const states_scenario *scenario, unsigned count);

/** In a batch of paused connections the first one is not paused, because its callback must act on the others. */
bool states_is_spared(const states_scene *scene, unsigned subject);

/** One turn of at most so long; after em_loop_stop a run that ends. */
void states_turn(em_loop *loop, uint64_t timeout_ns);

/** Makes the peer's move, and waits until the kernel has delivered it. */
void states_move_peer(states_subject *subject);

/** Makes our move. */
void states_move(states_subject *subject);

/** After our move: waits until the kernel has delivered to the peer what was sent. */
void states_await_sent(const states_subject *subject);

/** Adds a word to the log. */
void states_note(states_subject *subject, const char *word);

#endif
