/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the Ruby extension share: the one reactor of a process, the slots that keep Ruby objects alive, the
 * table of signatures, and the way to call Ruby from within the loop. Everything here needs Ruby's VM lock.
 */
#ifndef RB_EVENTMACHINE_H
#define RB_EVENTMACHINE_H

#include <ruby.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <eventmachine.h>

/* What a slot stands for. */
typedef enum rb_em_kind {
    RB_EM_FREE = 0,
    RB_EM_CONNECTION, /* value: the Connection, nil as long as there is none */
    RB_EM_SERVER,     /* value: [class, arguments, block or nil, socket or nil] */
    RB_EM_TIMER,      /* value: what is to be called */
    RB_EM_TEXT        /* value: a frozen String that the loop is sending from */
} rb_em_kind;

enum {
    RB_EM_SILENT = 1,       /* ends without a call to unbind */
    RB_EM_CLOSING = 2,      /* counted in close_scheduled */
    RB_EM_KEYWORDS = 4,     /* a server whose last argument holds keywords */
    RB_EM_NEVER_OPENED = 8, /* made while the reactor is released: it is unbound at once */
    RB_EM_INTO = 16,        /* receives into a String of the user's */

    /* Of what another thread has opened, see rb_hold.c. */
    RB_EM_HELD = 32,       /* the object is not complete, or what was noted is not reported yet */
    RB_EM_COMPLETED = 64,  /* noted: connection_completed */
    RB_EM_HELD_BACK = 128, /* paused only because it is held */
    RB_EM_READY = 256,     /* the object is complete, the report is posted */

    RB_EM_AWAITS_DRAIN = 512 /* see rb_drained.c */
};

/*
 * Ties one native object to one Ruby object. Slots live in pages that the collector knows (rb_page.c), so their
 * addresses are stable and serve as the user pointers of connections, servers and timers.
 */
typedef struct rb_em_slot {
    VALUE value;
    uint64_t signature;
    union {
        em_connection *connection;
        em_server *server;
        em_timer timer;
        struct rb_em_slot *next;
    } native;
    uint8_t index; /* within its page */
    uint8_t kind;
    uint16_t flags;
    int32_t reason; /* of an unbind that waits, an em_status */
} rb_em_slot;

/* The reactor: Ruby's API knows one per process. */
typedef struct rb_em_reactor {
    em_loop *loop;       /* NULL: not initialised */
    rb_pid_t pid;        /* of the process that made it */
    unsigned generation; /* grows with each release */
    unsigned forks;      /* since a process made the reactor or took it over; 0: that was this process */
    bool has_child;      /* this process has forked in the present turn */
    int state;           /* of rb_protect, when a callback was left by more than an error for the handler; else 0 */
    bool sleeping;       /* the loop's thread waits without the VM lock */
    bool turning;        /* the loop's frames are on the stack */
    bool stopping;
    bool releasing;
    bool tick_scheduled;
    rb_em_slot *current;    /* the connection whose callback runs */
    rb_em_slot *unbinding;  /* the connection whose unbind runs */
    rb_em_slot *late_first; /* connections whose unbind waits for the exit sequence */
    rb_em_slot *late_last;
    size_t never_opened; /* waiting for their unbind */
    size_t connections;
    size_t servers;
    size_t timers; /* the one that runs included */
    size_t close_scheduled;
    uint64_t polled;      /* the last signature that the latest turn knew */
    bool rested;          /* the loop slept, so other threads have had their turn */
    uint64_t rest_due_ns; /* when they get the next one, in loop time */
    double heartbeat;
    long quantum_ms; /* the longest wait of run_machine_once */
} rb_em_reactor;

extern rb_em_reactor rb_em_the_reactor;
extern VALUE rb_em_module;
extern VALUE rb_em_connection_class;

/* rb_eventmachine.c */

/* Defines a function of EventMachine that is private to whoever includes the module. */
#define RB_EM_FUNCTION(name, function, arity) rb_define_module_function(rb_em_module, name, function, arity)

/* rb_reactor.c */

/* The loop; RuntimeError "eventmachine not initialized: evma_NAME" if there is none. */
em_loop *rb_em_loop(const char *name);

/* To be called after anything that changes what the loop should wait for. */
void rb_em_changed(void);

/* Whether a reactor runs in this process, and on the calling thread. */
bool rb_em_on_reactor_thread(void);

/* CLOCK_MONOTONIC, as the loop's time is. */
uint64_t rb_em_clock_ns(void);
void rb_em_define_reactor(void);

/* rb_wait.c */
void rb_em_around_wait(void *user, void (*wait)(void *wait_data), void *wait_data);

/* rb_hold.c */
bool rb_em_is_reactor_thread(void);

/* To be called for what was opened just now: holds it if this is not the reactor's thread. */
void rb_em_hold(rb_em_slot *slot);

/* Each returns whether the slot is held; then the event is noted, to be reported later. */
bool rb_em_note_completed(rb_em_slot *slot);
bool rb_em_note_end(rb_em_slot *slot, em_status reason);
bool rb_em_note_early_client(const rb_em_slot *server, em_connection *connection);

/* The object is complete, or the server has its class. */
void rb_em_end_hold(rb_em_slot *slot);

/* There will be no object. Returns whether the connection has ended already: then the slot is gone. */
bool rb_em_discard_held(rb_em_slot *slot);

/* Returns whether the connection was paused only because it is held. From now on the pause is the caller's. */
bool rb_em_takes_pause(rb_em_slot *slot);
void rb_em_forget_early_clients(void);
void rb_em_define_hold(void);

/* rb_fork.c */

/* In a callback: takes the reactor over if this process is a daemon that the callback has forked. Returns whether it
 * did. */
bool rb_em_take_over_within(void);

/* The same when the loop's frames are gone; raises if this child must not go on. */
void rb_em_go_on_in_child(void);

/* A callback is left by an exception. A process that has forked in it and exits has left the reactor to its child. */
void rb_em_note_exit(VALUE error);
void rb_em_define_fork(void);

/* rb_release.c */
void rb_em_release(void);
void rb_em_define_release(void);

/* rb_protect.c */

/*
 * Calls into Ruby from a callback of the loop. Errors go to the error handler or end the loop
 * (EventMachine.error_handler). Returns true if the call returned in the ordinary way. Does nothing and returns false
 * once the loop is being left.
 */
bool rb_em_call(VALUE (*function)(VALUE), VALUE argument);

/* The same for unbind, where any exception is kept until the loop has ended. */
bool rb_em_call_unbind(VALUE (*function)(VALUE), VALUE argument);

/* Calls a function that turns the loop, and from which a callback in a forked child may escape. */
VALUE rb_em_with_escape(VALUE (*function)(void));
void rb_em_define_protect(void);

/* rb_page.c */
rb_em_slot *rb_em_slot_take(rb_em_kind kind, VALUE value);
void rb_em_slot_set(rb_em_slot *slot, VALUE value);
void rb_em_slot_give_back(rb_em_slot *slot);

/* Calls visit with every slot in use, until it returns false. */
void rb_em_slot_each(bool (*visit)(rb_em_slot *slot, void *data), void *data);
void rb_em_define_pages(void);

/* rb_table.c */

/* A slot with the next signature, to be found by it; and the end of both. */
rb_em_slot *rb_em_enter(rb_em_kind kind, VALUE value);
void rb_em_leave(rb_em_slot *slot);
void rb_em_table_remove(rb_em_slot *slot);
rb_em_slot *rb_em_table_find(uint64_t signature);

/* The one given last. */
uint64_t rb_em_last_signature(void);

/* NULL if there is no such object of this kind. TypeError unless the signature is an Integer. */
rb_em_slot *rb_em_find(VALUE signature, rb_em_kind kind);

/* rb_view.c */
void rb_em_define_views(void);

/* rb_status.c */
int rb_em_status_errno(em_status status);

/* nil, an Errno class or :unknown, as unbind gets it. */
VALUE rb_em_reason(em_status status);
NORETURN(void rb_em_raise(const char *class_name, const char *format, ...));
NORETURN(void rb_em_raise_status(em_status status));
void rb_em_define_status(void);

/* rb_connection.c */
extern const em_handler rb_em_outgoing_handler;
extern const em_handler rb_em_accepted_handler;
extern const em_handler rb_em_into_handler; /* see rb_receive.c */

/* A connection that is alive, or NULL; the object's own, by its signature. */
rb_em_slot *rb_em_connection_of(VALUE object);

/* As rb_em_find for connections, and finds the one whose unbind is running. */
rb_em_slot *rb_em_find_connection(VALUE signature);
void rb_em_schedule_close(rb_em_slot *slot);

/* What was noted for a connection while it was held, in this order. */
void rb_em_report_completed(rb_em_slot *slot);
void rb_em_report_end(rb_em_slot *slot);
void rb_em_run_late_unbinds(void);

/* At the reactor's end: what waits for a report is unbound with the others. */
void rb_em_put_off_held(void);
void rb_em_define_connection(void);

/* rb_receive.c */

/* For em_handler: the memory of the String that is received into. */
void *rb_em_receive_buffer(em_connection *connection, size_t *capacity);

/* What arrived, in the String that it was to be received into. */
VALUE rb_em_received_into(const rb_em_slot *slot, const void *data, size_t length);
void rb_em_define_receive(void);

/* rb_drained.c */
void rb_em_drained(em_connection *connection);

/* To be called behind unbind. */
void rb_em_ended_undrained(rb_em_slot *slot);
void rb_em_define_drained(void);

/* rb_accept.c */
void rb_em_accepted(em_connection *connection);
void rb_em_define_accept(void);

/* rb_server.c */
void rb_em_stop_server(rb_em_slot *slot);
void rb_em_define_server(void);

/* rb_timer.c */
void rb_em_drop_timer(rb_em_slot *slot);
void rb_em_define_timer(void);

/* rb_tick.c */

/* Has the tick phase run in the present turn or the next one. */
void rb_em_schedule_tick(void);
void rb_em_define_tick(void);

/* rb_queue.c */
void rb_em_define_queue(void);

/* rb_malloc_glibc.c, rb_malloc_other.c: has malloc(3) keep memory that Ruby frees, for what arrives next. */
void rb_em_keep_freed_memory(void);

/* rb_class.c, rb_client.c, rb_send.c, rb_socket.c, rb_flow.c, rb_settings.c, rb_stats.c */
void rb_em_define_class(void);
void rb_em_define_client(void);
void rb_em_define_send(void);
void rb_em_define_socket(void);
void rb_em_define_flow(void);
void rb_em_define_settings(void);
void rb_em_define_stats(void);

/* rb_argument.c */

/* The address of a Unix-domain socket; a zero byte in front marks a name in the abstract namespace, unix(7). Raises
 * TypeError, and ArgumentError for a path with a zero byte. */
em_status rb_em_unix_address(VALUE path, em_address *address);

/* An Integer as a port; one out of range stays out of range, however large. */
long rb_em_port(VALUE number);
double rb_em_seconds(VALUE number);
uint64_t rb_em_seconds_to_ns(double seconds);
void rb_em_define_argument(void);

#endif
