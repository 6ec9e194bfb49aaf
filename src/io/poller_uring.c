/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The poller over a ring that the backend of backend_uring.c has: for descriptors whose readiness only is asked. It never waits
 * itself; the backend passes on what the ring reports. Edges by multishot polls, levels by single ones, asked anew each time.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <poll.h>

#include "io/uring_private.h"

/* A poll's user data: operation, slot, and a number that tells it from earlier ones of the slot. */
enum { SLOT_BITS = 30, SERIAL_BITS = 64 - SLOT_BITS - EMI_URING_TAG_BITS };

#define NO_SLOT UINT32_MAX

typedef struct watched {
    int descriptor;
    uint32_t generation;
    uint32_t armed;    /* the number of the poll that the kernel has; 0: none */
    uint32_t changed;  /* the slot after this one among those to be asked for anew */
    uint32_t reported; /* the slot after this one among those with events */
    uint8_t wanted;    /* bits of poller.h */
    uint8_t events;    /* likewise */
    bool is_changed;
    bool is_reported;
} watched;

struct emi_poller {
    emi_uring *uring;
    const emi_memory *memory;
    watched *slots;
    uint32_t capacity;
    uint32_t serial;
    uint32_t first_changed;
    uint32_t first_reported;
};

em_status emi_poller_uring_open(emi_uring *uring, emi_poller **opened)
{
    emi_poller *poller = emi_allocate_zeroed(uring->memory, sizeof *poller);
    if (!poller)
        return EM_NO_MEMORY;
    poller->uring = uring;
    poller->memory = uring->memory;
    poller->first_changed = NO_SLOT;
    poller->first_reported = NO_SLOT;
    *opened = poller;
    return EM_OK;
}

static void destroy(emi_poller *poller)
{
    emi_release(poller->memory, poller->slots);
    emi_release(poller->memory, poller);
}

static em_status make_room(emi_poller *poller, uint32_t slot)
{
    if (slot < poller->capacity)
        return EM_OK;
    uint32_t capacity = slot < 8 ? 16 : slot * 2;
    watched *slots = emi_reallocate(poller->memory, poller->slots, capacity * sizeof *slots);
    if (!slots)
        return EM_NO_MEMORY;
    for (uint32_t i = poller->capacity; i < capacity; i++)
        slots[i] = (watched){.descriptor = -1};
    poller->slots = slots;
    poller->capacity = capacity;
    return EM_OK;
}

static void change(emi_poller *poller, uint32_t slot)
{
    watched *entry = &poller->slots[slot];
    if (entry->is_changed)
        return;
    entry->is_changed = true;
    entry->changed = poller->first_changed;
    poller->first_changed = slot;
}

static em_status watch(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned old_bits,
                       unsigned new_bits)
{
    (void)old_bits;
    em_status status = make_room(poller, slot);
    if (status != EM_OK)
        return status;
    watched *entry = &poller->slots[slot];
    entry->descriptor = descriptor;
    entry->generation = generation;
    entry->wanted = (uint8_t)new_bits;
    change(poller, slot);
    return EM_OK;
}

/* The kernel holds the file until the poll is taken back. */
static void forget(emi_poller *poller, int descriptor, uint32_t slot, unsigned old_bits)
{
    (void)descriptor;
    if (old_bits == 0)
        return;
    poller->slots[slot].wanted = 0;
    change(poller, slot);
}

/* Asking */

static uint64_t user_data(uint32_t slot, uint32_t serial)
{
    return (uint64_t)serial << (SLOT_BITS + EMI_URING_TAG_BITS) | (uint64_t)slot << EMI_URING_TAG_BITS | EMI_URING_POLL;
}

static uint32_t next_serial(emi_poller *poller)
{
    poller->serial = (poller->serial + 1) & ((UINT32_C(1) << SERIAL_BITS) - 1);
    return poller->serial == 0 ? ++poller->serial : poller->serial;
}

static uint32_t to_poll(unsigned bits)
{
    uint32_t events = 0;
    if (bits & EMI_POLL_IN)
        events |= POLLIN | POLLRDHUP | (bits & EMI_POLL_LEVEL ? 0 : POLLPRI);
    if (bits & EMI_POLL_OUT)
        events |= POLLOUT;
    return events;
}

static bool disarm(emi_poller *poller, uint32_t slot)
{
    struct io_uring_sqe *entry = emi_uring_get_entry(poller->uring, EMI_URING_IGNORED);
    if (!entry)
        return false;
    entry->opcode = IORING_OP_POLL_REMOVE;
    entry->fd = -1;
    entry->addr = user_data(slot, poller->slots[slot].armed);
    poller->slots[slot].armed = 0;
    return true;
}

static bool arm(emi_poller *poller, uint32_t slot)
{
    watched *watch = &poller->slots[slot];
    uint32_t serial = next_serial(poller);
    struct io_uring_sqe *entry = emi_uring_get_entry(poller->uring, user_data(slot, serial));
    if (!entry)
        return false;
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = watch->descriptor;
    entry->poll32_events = to_poll(watch->wanted);
    entry->len = watch->wanted & EMI_POLL_LEVEL ? 0 : IORING_POLL_ADD_MULTI;
    watch->armed = serial;
    return true;
}

void emi_poller_uring_flush(emi_poller *poller)
{
    while (poller->first_changed != NO_SLOT) {
        uint32_t slot = poller->first_changed;
        watched *entry = &poller->slots[slot];
        if ((entry->armed != 0 && !disarm(poller, slot)) || (entry->wanted != 0 && !arm(poller, slot)))
            return;
        entry->is_changed = false;
        poller->first_changed = entry->changed;
    }
}

/* Reporting */

static unsigned from_poll(int events)
{
    unsigned bits = 0;
    if (events & POLLIN)
        bits |= EMI_POLL_IN;
    if (events & POLLOUT)
        bits |= EMI_POLL_OUT;
    if (events & (POLLRDHUP | POLLHUP | POLLERR | POLLPRI))
        bits |= EMI_POLL_IN | EMI_POLL_END;
    if (events & (POLLHUP | POLLERR))
        bits |= EMI_POLL_OUT | EMI_POLL_ERROR;
    return bits;
}

void emi_poller_uring_note(emi_poller *poller, const emi_uring_completion *completion)
{
    uint32_t slot = (uint32_t)(completion->user_data >> EMI_URING_TAG_BITS) & ((UINT32_C(1) << SLOT_BITS) - 1);
    watched *entry = &poller->slots[slot];
    if (completion->user_data != user_data(slot, entry->armed))
        return; /* of a poll that was taken back */
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        entry->armed = 0;
        if (completion->result < 0 && completion->result != -ECANCELED)
            return; /* closed under our hands: as with epoll, nothing is heard of it any more */
        change(poller, slot);
    }
    if (completion->result <= 0)
        return;
    entry->events |= (uint8_t)from_poll(completion->result);
    if (entry->is_reported)
        return;
    entry->is_reported = true;
    entry->reported = poller->first_reported;
    poller->first_reported = slot;
}

bool emi_poller_uring_has_events(const emi_poller *poller)
{
    return poller->first_changed != NO_SLOT || poller->first_reported != NO_SLOT;
}

static unsigned wait(emi_poller *poller, uint64_t timeout_ns, emi_poll_event *events, unsigned capacity)
{
    (void)timeout_ns;
    unsigned count = 0;
    while (count < capacity && poller->first_reported != NO_SLOT) {
        uint32_t slot = poller->first_reported;
        watched *entry = &poller->slots[slot];
        poller->first_reported = entry->reported;
        entry->is_reported = false;
        events[count++] = (emi_poll_event){.slot = slot, .generation = entry->generation, .bits = entry->events};
        entry->events = 0;
    }
    return count;
}

static void wake(emi_poller *poller)
{
    emi_waker_wake(&poller->uring->waker);
}

static int get_descriptor(const emi_poller *poller)
{
    return poller->uring->ring.ring_fd;
}

const emi_poller_operations emi_poller_uring = {
    .name = "uring",
    .edge_triggered = true,
    .destroy = destroy,
    .watch = watch,
    .forget = forget,
    .wait = wait,
    .wake = wake,
    .get_descriptor = get_descriptor,
};

#endif
