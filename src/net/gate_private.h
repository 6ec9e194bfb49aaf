/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The gate of a connection passes its bytes through a filter (base/filter.h).
 *
 *   program ──► outbox ──► seal ──► wire ──► system
 *   program ◄── receive_data ◄── open ◄── held ◄── system
 *
 * The connection's outbox keeps the plain bytes, so sending, water marks and limits are independent of the filter. A
 * connection with a gate has another table of channel events, so a connection without a gate has no branch for it. The
 * filter belongs to the connection: changing the handler leaves it in place, and it lives until the connection's memory
 * is freed.
 *
 *   gate.c           opening and freeing a gate, the deadline of the handshake
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

/** How long a whole handshake may take by default. */
#define EMI_DEFAULT_HANDSHAKE_TIMEOUT_NS (10 * EM_SECONDS)

/** How much of each turn handshakes may take. */
#define EMI_HANDSHAKE_BUDGET_NS (2 * EM_MILLISECONDS)

/** Plain bytes are sealed while fewer bytes than this wait in the wire outbox. */
#define EMI_GATE_WIRE_BYTES ((size_t)64 * 1024)

/** After this long without traffic a filter frees memory that it can allocate again. If it were longer, many
 * connections would hold such memory at the same time, which leaves holes that malloc does not return to the system. */
#define EMI_GATE_IDLE_NS (50 * EM_MILLISECONDS)

/** What the gates of a loop share. */
typedef struct emi_gates emi_gates;

typedef struct emi_gate {
    em_connection *connection;
    emi_gates *gates;
    emi_filter *filter;
    emi_loop_timer deadline; /* of the handshake */
    emi_list due;            /* in the list of gates that the next turn serves without an event */
    emi_list active;         /* in the list of gates whose filters may have memory to free once they are idle */
    uint64_t handshake_timeout_ns;
    unsigned char *held; /* wire bytes that the filter has not consumed yet, or NULL */
    size_t held_begin;
    size_t held_bytes;
    unsigned char *plain; /* bytes that the filter has returned and a proxy has put back, or NULL */
    size_t plain_bytes;
    size_t dropped_bytes;     /* wire bytes that were received after the peer's end */
    size_t sealed_bytes;      /* plain bytes that the filter has and that wait to be sent, also those that it holds */
    uint64_t wire_sent_bytes; /* wire bytes that the system has accepted; read by drain.c */
    const char *detail;       /* the reason for the end in words, or NULL */
    bool has_begun : 1;       /* the filter's `open` was called */
    bool is_busy : 1;         /* a function of the filter is running, or a piece is being sealed */
    bool is_starved : 1;      /* all wire bytes so far are used, and the filter holds nothing back */
    bool was_ready : 1;       /* the handshake is over, and ssl_handshake_completed was called */
    bool has_ended : 1;       /* the filter has reported the peer's end */
    bool wire_ended : 1;      /* the system has reported the peer's end */
    bool has_failed : 1;      /* the filter has failed and is no longer called */
    bool end_sealed : 1;
    bool cannot_write : 1; /* a send has failed, but nothing of the program's was lost */
    bool has_heard : 1;    /* bytes have arrived on the wire */
    bool flushes : 1;    /* the connection has failed, but what is left in the wire outbox is still sent after unbind */
    bool is_excused : 1; /* the handshake got more time because the loop was late */
    bool was_waiting : 1; /* something was waiting when emi_gate_note_waiting was last called */
} emi_gate;

struct emi_gates {
    em_loop *loop;
    emi_list due;
    emi_list securing; /* attempts to connect whose handshakes the next turn serves without an event, see securing.h */
    emi_list active;
    emi_loop_timer idle;   /* calls `release_buffers` of idle filters; pending while a gate is active */
    emi_outbox_pool wires; /* of the wire outboxes. Plain bytes count in the loop's own pool */
    uint64_t spent_ns;     /* on handshakes, in this turn */
    unsigned char plain[EMI_FILTER_ROOM_BYTES]; /* decrypted bytes, lent to receive_data */
    unsigned char piece[EMI_FILTER_ROOM_BYTES]; /* small blocks of an outbox, joined to be sealed */
};

/* gate.c */

/**
 * Installs a filter in a connection, before or after it is established, also within its callbacks. The filter's wire
 * outbox must be empty. On success the gate owns the filter, otherwise the caller still does. What was sent before
 * leaves unfiltered. What is being delivered to receive_data stays the program's, and what follows goes to the filter.
 * handshake_timeout_ns: from now, or from when the connection is established; 0: 10 seconds; EM_FOREVER: none. A filter
 * that is already ready has no handshake, so ssl_handshake_completed is not called. EM_CLOSED; EM_NO_MEMORY; EM_FORKED;
 * EM_INVALID_STATE if it has a filter, if a file waits to be sent, if either side has ended, or while the loop is being
 * destroyed.
 */
em_status emi_gate_open(em_connection *connection, emi_filter *filter, uint64_t handshake_timeout_ns);

/**
 * Installs a filter whose handshake is done in a connection that is about to be established. It has no filter yet.
 * ssl_handshake_completed follows connection_completed. What was sent before leaves filtered. held: wire bytes that
 * were received behind the handshake, or NULL. wire_sent_bytes: those that the system has accepted. On success filter
 * and held bytes belong to the gate. EM_NO_MEMORY.
 */
em_status emi_gate_open_ready(em_connection *connection, emi_filter *filter, unsigned char *held, size_t held_bytes,
                              uint64_t wire_sent_bytes);

/** Returns the error that emi_gate_open would return, without changing anything: EM_OK, EM_CLOSED, EM_FORKED,
 * EM_INVALID_STATE. */
em_status emi_gate_check(const em_connection *connection);

/** After its connection has ended: turns and timers no longer serve it. */
void emi_gate_stop(emi_gate *gate);

/** Frees the gate, its filter and the filter's wire outbox. */
void emi_gate_free(emi_gate *gate);

/** Starts the handshake's deadline, unless the handshake is over. */
void emi_gate_start_deadline(emi_gate *gate);

/** How much more time a handshake gets because the loop was late, or has not read the peer's input yet. To be granted
 * once. */
uint64_t emi_gate_excused_ns(uint64_t late_ns, uint64_t handshake_timeout_ns, bool has_input);

/** How far the peer has got with a handshake that is too slow, in words. */
const char *emi_gate_progress(bool has_heard);

/* gate_events.c */

extern const emi_channel_events emi_gate_events;

/* gate_receive.c */

/** Passes wire bytes to the filter, and the plain bytes that it returns to the program. What cannot be consumed now is
 * held. */
void emi_gate_receive(emi_gate *gate, emi_bytes input);

/** If the filter is ready and the program does not know yet, calls ssl_handshake_completed. */
void emi_gate_note_ready(emi_gate *gate);

/** Called by a turn: does the same with the bytes that the gate or the filter holds. */
void emi_gate_serve(emi_gate *gate);

/** While plain bytes are delivered: the last ones are delivered again before anything else. EM_NO_MEMORY. */
em_status emi_gate_put_back(emi_gate *gate, const void *plain, size_t length);

/** The wire has ended. */
void emi_gate_receive_end(emi_gate *gate);

/** Whether there is something for the filter to do that no event will report. */
bool emi_gate_needs_turn(const emi_gate *gate);

/** Whether bytes should be received from the system now. */
bool emi_gate_wants_input(const emi_gate *gate);

/** Lets the next turn serve it, or resumes receiving from the system, if that is possible again. */
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

/** Fills `spans` (EMI_MAX_SPANS) with the bytes of the wire outbox. Returns their number. */
unsigned emi_gate_gather(emi_gate *gate, emi_span *spans);

/** The write timeout counts from when something has begun to wait, for the system or for the filter. */
void emi_gate_note_waiting(emi_gate *gate);

/** The system has accepted `length` bytes of the wire outbox. */
void emi_gate_take(emi_gate *gate, size_t length);

/** Whether the end mark is still to be sealed, now or after the handshake. */
bool emi_gate_owes_end(const emi_gate *gate);

/** Whether there is something that can be sent now, or sealed and sent. */
bool emi_gate_has_output(const emi_gate *gate);

/** Before the connection is closed at once: if no data is lost by that, tries to send the end mark, without waiting for
 * the system. */
void emi_gate_send_end_now(emi_gate *gate);

/* gates.c */

/** Lets the next turn serve it, after those that were added before. */
void emi_gates_add_due(emi_gate *gate);

/** Serves the gates and the attempts that are due; handshakes only while there is time for them. */
void emi_gates_turn(emi_gates *gates);

/** Whether something is due. */
bool emi_gates_have_work(const emi_gates *gates);

/** Whether there is time left for handshakes in this turn. */
bool emi_gates_has_time(const emi_gates *gates);

/** Its filter has been active, so it may have memory to free once it is idle. */
void emi_gates_note_active(emi_gate *gate);

em_status emi_gates_create(em_loop *loop, emi_gates **gates);

/** All gates must have been freed. NULL is allowed. */
void emi_gates_destroy(emi_gates *gates);

#endif
