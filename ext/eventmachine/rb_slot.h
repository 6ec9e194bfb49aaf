/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A slot ties one native object to one Ruby object. Slots live in pages that the collector knows (rb_page.c), so their
 * addresses are stable and serve as the user pointers of connections, servers and timers. Slots are only touched under
 * Ruby's VM lock.
 */
#ifndef RB_SLOT_H
#define RB_SLOT_H

#include <ruby.h>
#include <stdbool.h>
#include <stdint.h>

#include <eventmachine.h>

typedef enum rb_em_kind {
    RB_EM_FREE = 0,

    /* What a Connection may be, see rb_kind.h. Value: the Connection, nil as long as there is none. */
    RB_EM_CONNECTION, /* a stream */
    RB_EM_KEYBOARD,
    RB_EM_DATAGRAM_SOCKET,
    RB_EM_PROCESS,
    RB_EM_DESCRIPTOR_WATCH,
    RB_EM_FILE_WATCH,
    RB_EM_PROCESS_WATCH,
    RB_EM_LAST_CONNECTION = RB_EM_PROCESS_WATCH,

    RB_EM_SERVER, /* value: [class, arguments, block or nil, socket or nil] */
    RB_EM_TIMER,  /* value: the callable */
    RB_EM_TEXT,   /* value: a frozen String that the loop is sending from */
    RB_EM_FILE    /* for when the loop has sent a file, see rb_file_report.c */
} rb_em_kind;

enum {
    RB_EM_SILENT = 1 << 0,       /* ends without a call to unbind */
    RB_EM_CLOSING = 1 << 1,      /* counted in close_scheduled */
    RB_EM_KEYWORDS = 1 << 2,     /* a server whose last argument holds keywords */
    RB_EM_NEVER_OPENED = 1 << 3, /* created while the reactor is released: it is unbound at once */
    RB_EM_AWAITS_DRAIN = 1 << 4, /* see rb_drained.c */

    /* For what another thread has opened, see rb_hold.c. */
    RB_EM_HELD = 1 << 5,       /* the object is not complete, or a noted event is not reported yet */
    RB_EM_COMPLETED = 1 << 6,  /* noted: connection_completed, or report_completed of rb_kind.h */
    RB_EM_HELD_BACK = 1 << 7,  /* paused only because it is held */
    RB_EM_READY = 1 << 8,      /* the object is complete, the report is posted */
    RB_EM_HANDSHAKEN = 1 << 9, /* noted: ssl_handshake_completed */

    RB_EM_ACCEPTED = 1 << 10, /* by a server, so it is a server if TLS starts */

    RB_EM_UNBOUND = 1 << 12, /* unbind has returned, but not what follows it */

    RB_EM_MODIFIED = 1 << 13, /* of held file watches: what is noted */
    RB_EM_MOVED = 1 << 14,
    RB_EM_DELETED = 1 << 15,

    RB_EM_ATTACHED = 1 << 13,          /* made of an open descriptor, see rb_attach.c */
    RB_EM_NOTIFIES_READABLE = 1 << 14, /* of watches, see rb_watch.c */
    RB_EM_NOTIFIES_WRITABLE = 1 << 15
};

typedef struct rb_em_slot {
    VALUE value;
    uint64_t signature;
    union {
        void *object; /* of any kind; NULL once it has ended */
        em_connection *connection;
        em_server *server;
        em_descriptor_watch *descriptor_watch; /* also of the keyboard */
        em_timer timer;
        struct rb_em_slot *next;
    } native;
    uint8_t index; /* within its page */
    uint8_t kind;
    uint16_t flags;
    int32_t reason; /* an em_status, for an unbind that waits */
} rb_em_slot;

/* Whether its value is a Connection. */
static inline bool rb_em_is_connection(const rb_em_slot *slot)
{
    return slot->kind >= RB_EM_CONNECTION && slot->kind <= RB_EM_LAST_CONNECTION;
}

static inline void rb_em_slot_clear_flags(rb_em_slot *slot, unsigned flags)
{
    slot->flags &= (uint16_t)~flags;
}

#endif
