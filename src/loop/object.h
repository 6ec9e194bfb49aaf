/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The head of everything in a loop that has a signature: connections, servers, datagram sockets, processes, watches.
 * Each kind embeds it as its first member. It carries what all kinds share: the signature, the loop, the user's
 * pointer, the time of the last activity, and the end.
 *
 * An end has three steps: emi_object_end notes the reason and lists the object; at the end of the turn `reap` calls
 * unbind; when the channel, if there is one, is released, `free` is called by the kind itself. So the memory and the
 * index of an object stay valid as long as anything may still refer to them. See objects.c.
 */
#ifndef EMI_OBJECT_H
#define EMI_OBJECT_H

#include <stdbool.h>

#include <eventmachine/loop.h>

#include "base/container.h"
#include "base/handle_table.h"
#include "io/backend.h"

typedef enum emi_kind {
    EMI_CONNECTION,
    EMI_SERVER,
    EMI_DATAGRAM_SOCKET,
    EMI_DESCRIPTOR_WATCH,
    EMI_FILE_WATCH,
    EMI_PROCESS_WATCH,
    EMI_SIGNAL_WATCH,
    EMI_PROCESS,
    EMI_KINDS
} emi_kind;

typedef struct emi_object {
    emi_handle handle;
    em_loop *loop;
    void *user;
    uint64_t active_ns;   /* when something was last received or sent */
    uint32_t next_listed; /* in the list for reap: the next one's index plus 1; 0: none */
    uint32_t parent; /* the object that counts this one, such as a connection's server: its index plus 1; 0: none */
    int16_t reason;  /* of the end, an em_status */
    uint16_t system_error; /* behind the reason, an errno; 0: none */
    uint8_t kind;          /* emi_kind */
    uint8_t state;         /* the kind's */
    bool is_listed : 1;    /* in the list for reap */
} emi_object;

/** What the loop calls for the objects of one kind. */
typedef struct emi_object_operations {
    /** At the end of a turn, for an object that was listed, after the outboxes have been offered to the system. May
     * list it again, for the next turn. NULL for kinds that list none. */
    void (*reap)(emi_object *object);
    /** The loop is being destroyed: begins the end. Called for every object, also for those that have ended and only
     * wait for something, which give that up. */
    void (*close)(emi_object *object);
    /** An object whose parent is this one has called unbind, and no longer refers to it. NULL for kinds that are no
     * parents. */
    void (*child_unbound)(emi_object *object, emi_object *child);
    /** In a forked child that takes over the loop: releases what ended in the child before that. May be NULL. */
    void (*renew)(emi_object *object);
    /** Frees the memory. The loop calls it for what is left when it is destroyed in a forked child, where no channel is
     * reaped. */
    void (*free)(emi_object *object);
} emi_object_operations;

/** All objects of a loop. */
typedef struct emi_objects {
    emi_handle_table table;
    const emi_object_operations *operations[EMI_KINDS]; /* NULL: the loop has had none of this kind */
    emi_object *listed_first;                           /* for reap */
    emi_object *listed_last;
    unsigned open[EMI_KINDS]; /* not yet freed */
    unsigned channels;        /* attached, not yet released */
} emi_objects;

/** Gives a zeroed object its signature and adds it to the loop. EM_NO_MEMORY, EM_LIMIT; then nothing has happened. */
em_status emi_object_add(emi_object *object, em_loop *loop, emi_kind kind, const emi_object_operations *operations,
                         void *user);

/** To be called by `free`: takes away the signature. */
void emi_object_remove(emi_object *object);

/** Appends the object to the list for reap, unless it is in it. */
void emi_object_list(emi_object *object);

/** Notes why the object ends, and lists it. The kind sees to it that it ends only once. */
void emi_object_end(emi_object *object, em_status reason);

/** Makes one the parent of another, which lasts until emi_object_leave_parent. The parent must not be freed before. */
void emi_object_set_parent(emi_object *object, const emi_object *parent);

/** To be called after unbind: tells the parent, if there is one. */
void emi_object_leave_parent(emi_object *object);

/** Returns whether the object has a parent of this kind. */
bool emi_object_has_parent(const emi_object *object, emi_kind kind);

/** Returns the object of a signature, or NULL if there is none of this kind. The loop may be NULL. */
emi_object *emi_loop_find_object(const em_loop *loop, emi_kind kind, em_signature signature);

/** The same, of any kind. */
emi_object *emi_loop_find_any_object(const em_loop *loop, em_signature signature);

/** Returns the object with an index, which must exist; see emi_handle_get_index. */
emi_object *emi_loop_object_at(const em_loop *loop, uint32_t index);

/** Attaches a descriptor to the backend, and counts the channel until emi_loop_note_released. On failure the caller
 * still owns the descriptor. */
em_status emi_loop_attach_channel(em_loop *loop, emi_channel *channel, emi_channel_kind kind, int descriptor,
                                  emi_ownership ownership);

/** Moves what is attached to another channel, see `move` in backend.h, and counts both until they are released. */
void emi_loop_move_channel(em_loop *loop, emi_channel *to, emi_channel *from);

/** To be called by `released`: the channel is gone, and its descriptor is free unless the owner has kept it. */
void emi_loop_note_released(em_loop *loop, const emi_channel *channel);

/* For the loop itself. */

void emi_objects_init(em_loop *loop);

/** Calls `reap` for those that were listed before it began. */
void emi_objects_reap(em_loop *loop);

/** Returns whether something waits for reap. */
bool emi_objects_have_work(const em_loop *loop);

/** Returns whether something waits for reap or for the backend. */
bool emi_objects_are_open(const em_loop *loop);

void emi_objects_close(em_loop *loop);
void emi_objects_renew(em_loop *loop);
void emi_objects_destroy(em_loop *loop);

#endif
