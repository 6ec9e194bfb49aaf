/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What can be done with the native object behind a Connection, for each kind of them. A Connection may be a stream, a
 * datagram socket, a child process or a watch; its methods are the same, and each goes through this table. A function
 * that is NULL does not exist for that kind: the method then returns what it returns for a connection that is gone,
 * unless stated otherwise.
 *
 * All functions but after_unbind are called with slots whose native object has not ended yet.
 */
#ifndef RB_KIND_H
#define RB_KIND_H

#include "rb_slot.h"

typedef struct rb_em_operations {
    /* Returns what send_data returns. */
    VALUE (*send)(rb_em_slot *slot, VALUE text, size_t length);
    size_t (*get_outbound_bytes)(const rb_em_slot *slot);

    /* close_connection; may raise. */
    void (*close)(rb_em_slot *slot, bool after_writing);
    /* Ends it, whatever the program may do: its object could not be made, or the reactor is released. NULL of servers
     * only. */
    void (*end)(rb_em_slot *slot);
    /* Returns the descriptor, which stays open. */
    em_status (*detach)(rb_em_slot *slot, int *descriptor);

    /* Each returns whether this has changed anything. */
    bool (*pause)(rb_em_slot *slot);
    bool (*resume)(rb_em_slot *slot);
    bool (*is_paused)(const rb_em_slot *slot);

    uint64_t (*get_idle_ns)(const rb_em_slot *slot);
    uint64_t (*get_inactivity_timeout_ns)(const rb_em_slot *slot);
    em_status (*set_inactivity_timeout_ns)(rb_em_slot *slot, uint64_t timeout_ns);

    em_status (*get_peer_address)(rb_em_slot *slot, em_address *address);
    em_status (*get_local_address)(rb_em_slot *slot, em_address *address);
    int (*get_descriptor)(const rb_em_slot *slot); /* never NULL */
    em_status (*set_socket_option)(rb_em_slot *slot, int level, int option, const void *value, size_t bytes);
    em_status (*take_error)(rb_em_slot *slot); /* NULL: it never has one */
    em_status (*get_reason)(rb_em_slot *slot, em_reason *reason);

    /* Its object could not be made, so `end` was called. NULL: that is all. */
    void (*discard)(rb_em_slot *slot);
    /* Does what waited for the object to be complete, because another thread has made it (rb_hold.c). */
    void (*complete)(rb_em_slot *slot);
    /* Its stream has ended, and nobody was told; NULL: that is its own end. */
    void (*stream_unbound)(rb_em_slot *slot);
    /* What was noted by rb_em_note_completed is to be reported; NULL: connection_completed. */
    void (*report_completed)(rb_em_slot *slot);
    /* What follows when unbind has returned; the native object may be gone. Called again if it is left by a jump. */
    void (*after_unbind)(rb_em_slot *slot);

    /* The stream it consists of: methods that exist for streams alone use it. NULL: it is none. */
    em_connection *(*get_stream)(const rb_em_slot *slot);
} rb_em_operations;

/* Of an object, or of a server, of which only what concerns its socket exists. */
const rb_em_operations *rb_em_operations_of(const rb_em_slot *slot);

/* Each defined by its own file. */
extern const rb_em_operations rb_em_stream_operations;
extern const rb_em_operations rb_em_server_operations;
extern const rb_em_operations rb_em_datagram_operations;
extern const rb_em_operations rb_em_descriptor_watch_operations;
extern const rb_em_operations rb_em_keyboard_operations;
extern const rb_em_operations rb_em_file_watch_operations;
extern const rb_em_operations rb_em_process_operations;
extern const rb_em_operations rb_em_process_watch_operations;

#endif
