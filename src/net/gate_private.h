/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The gate: where a filter (base/filter.h) stands in the way of a connection's bytes.
 *
 *   program ──► outbox ──► seal ──► wire ──► system
 *   program ◄── receive_data ◄── open ◄── held ◄── system
 *
 * The connection's outbox keeps the plain bytes, so sending, the water marks and the limits do not know of the filter.
 * A connection with a gate has another table of channel events, so a connection without one does not know of it
 * either. The filter belongs to the connection: another handler leaves it, and it lives until the memory is freed.
 *
 *   gate.c           opening and freeing it, the handshake's deadline
 *   gate_events.c    what the backend reports
 *   gate_receive.c   from the wire to the program
 *   gate_send.c      from the program to the wire
 *   gates.c          what all gates of a loop share: turns without an event, the time for handshakes, buffers
 */
#ifndef EMI_GATE_PRIVATE_H
#define EMI_GATE_PRIVATE_H

#include <eventmachine/connection.h>

#include "base/filter.h"
#include "base/list.h"
#include "loop/loop_private.h"

/** How long a handshake may take altogether, by default. */
#define EMI_DEFAULT_HANDSHAKE_TIMEOUT_NS (10 * EM_SECONDS)

/** How long handshakes may keep each turn from other connections. */
#define EMI_HANDSHAKE_BUDGET_NS (2 * EM_MILLISECONDS)

/** Plain bytes are sealed while fewer than this wait in the wire outbox. */
#define EMI_GATE_WIRE_BYTES ((size_t)64 * 1024)

/** After this long without traffic a filter frees what it can have again. Longer, and many connections would keep their
 * memory at the same time, and leave holes that malloc does not return to the system. */
#define EMI_GATE_REST_NS (50 * EM_MILLISECONDS)

/** What the gates of a loop share. */
typedef struct emi_gates emi_gates;

typedef struct emi_gate {
    em_connection *connection;
    emi_gates *gates;
    emi_filter *filter;
    emi_loop_timer deadline; /* of the handshake */
    emi_list due;            /* among the gates that the next turn serves without an event */
    emi_list active;         /* among the gates whose filters may have memory to free once they are idle */
    uint64_t handshake_timeout_ns;
    unsigned char *held; /* wire bytes that the filter has not taken yet lie here; or NULL */
    size_t held_begin;
    size_t held_bytes;
    size_t dropped_bytes;     /* of the wire, after the peer's end */
    size_t sealed_bytes;      /* plain bytes whose wire form waits to be sent */
    uint64_t wire_sent_bytes; /* for drain.c */
    const char *detail;       /* of the reason for the end, or NULL */
    bool has_begun : 1;       /* the filter was opened for the first time */
    bool is_busy : 1;         /* a function of the filter is running */
    bool is_starved : 1;      /* all wire bytes so far are used, and the filter holds nothing back */
    bool was_ready : 1;       /* the handshake is over, ssl_handshake_completed was called */
    bool has_ended : 1;       /* the filter has reported the peer's end */
    bool wire_ended : 1;      /* the system has */
    bool has_failed : 1;      /* the filter has: it is not called any more */
    bool end_sealed : 1;
    bool has_heard : 1;   /* something has come from the wire */
    bool flushes : 1;     /* the connection has failed, but what is left in the wire is still sent after unbind */
    bool is_excused : 1;  /* the handshake got more time because the loop was late */
    bool was_waiting : 1; /* something was in the wire when it was last gathered */
} emi_gate;

struct emi_gates {
    em_loop *loop;
    emi_list due;
    emi_list active;
    emi_loop_timer rest;                        /* pending while a gate is active */
    emi_outbox_pool wires;                      /* of the wire outboxes. Their plain bytes count in the loop's pool */
    uint64_t spent_ns;                          /* on handshakes, in this turn */
    unsigned char plain[EMI_FILTER_ROOM_BYTES]; /* lent to receive_data */
    unsigned char piece[EMI_FILTER_ROOM_BYTES]; /* small blocks of an outbox, joined to be sealed */
};

/* gate.c */

/**
 * Puts a filter into a connection, before or after it is established, also within its callbacks. Its wire must be
 * empty. On success the gate owns it, else the caller does. What was sent before leaves as it is. What is being
 * delivered by receive_data stays the program's, and what follows goes to the filter. handshake_timeout_ns: from now,
 * or from when the connection is established; 0: 10 seconds; EM_FOREVER: none. A filter that is ready already has no
 * handshake, so ssl_handshake_completed is not called. EM_CLOSED; EM_NO_MEMORY; EM_FORKED;
 * EM_INVALID_STATE if it has a filter, if either side has ended, or while the loop is being destroyed.
 */
em_status emi_gate_open(em_connection *connection, emi_filter *filter, uint64_t handshake_timeout_ns);

/** Whether emi_gate_open may succeed: EM_CLOSED, EM_FORKED, EM_INVALID_STATE. */
em_status emi_gate_check(const em_connection *connection);

/** Of a connection that has ended: it is not served by turns or timers any more. */
void emi_gate_stop(emi_gate *gate);

/** Frees it, with its filter and what is in its wire. */
void emi_gate_free(emi_gate *gate);

/** Begins to count the time of the handshake, if it is not over. */
void emi_gate_start_deadline(emi_gate *gate);

/* gate_events.c */

extern const emi_channel_events emi_gate_events;

/* gate_receive.c */

/** Gives wire bytes to the filter, and what it returns to the program. What cannot be taken now is held. */
void emi_gate_receive(emi_gate *gate, emi_bytes input);

/** From a turn: the same with what is held here or in the filter. */
void emi_gate_serve(emi_gate *gate);

/** The wire has ended. */
void emi_gate_receive_end(emi_gate *gate);

/** Whether there is something for the filter to do that no event will report. */
bool emi_gate_needs_turn(const emi_gate *gate);

/** Whether the system's bytes are wanted now. */
bool emi_gate_wants_input(const emi_gate *gate);

/** Has it served by the next turn, or the system's bytes received, if that is possible again. */
void emi_gate_go_on(emi_gate *gate);

/* gate_send.c */

/** Seals what may leave now. */
void emi_gate_fill(emi_gate *gate);

/**
 * With nothing in the outbox: seals whole pieces of what the program sends, as emi_gate_fill would, but without a copy
 * in the outbox. Returns how many bytes; those behind them belong in the outbox, where more may be joined to them. If
 * sealing fails, the connection ends.
 */
size_t emi_gate_seal_now(emi_gate *gate, const void *plain, size_t length);

/** Fills in spans of the wire. */
unsigned emi_gate_gather(emi_gate *gate, emi_span *spans);

/** The system has taken so many bytes of the wire. */
void emi_gate_take(emi_gate *gate, size_t length);

/** Whether the mark of the end is to be sealed, now or after the handshake. */
bool emi_gate_owes_end(const emi_gate *gate);

/** Whether there is something that the system could take now, or that could be sealed for it. */
bool emi_gate_has_output(const emi_gate *gate);

/** Before the connection is closed at once: if nothing is lost by that, the mark of the end is offered to the system
 * without waiting for it. */
void emi_gate_send_end_now(emi_gate *gate);

/* gates.c */

/** Of gates that are not served yet, in a list: in the next turn, in their order. */
void emi_gates_add_due(emi_gate *gate);

/** Serves the gates that are due, handshakes as long as there is time for them. */
void emi_gates_turn(emi_gates *gates);

/** Whether a handshake may go on in this turn. */
bool emi_gates_has_time(const emi_gates *gates);

/** Its filter has done something, so it may have memory to free later. */
void emi_gates_note_active(emi_gate *gate);

em_status emi_gates_create(em_loop *loop, emi_gates **gates);

/** All gates are freed. NULL is allowed. */
void emi_gates_destroy(emi_gates *gates);

#endif
