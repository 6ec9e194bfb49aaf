/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The poller by poll(2), for every POSIX system. Level-triggered. The cost of a wait grows with the number of
 * descriptors.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "io/poller.h"
#include "system/clock.h"
#include "system/system_error.h"
#include "system/thread.h"
#include "system/waker.h"

enum { PAUSE_MILLISECONDS = 10 };

typedef struct registration {
    uint32_t slot;
    uint32_t generation;
} registration;

/* Two arrays of the same length; the waker is the first in both. */
typedef struct watch_list {
    struct pollfd *descriptors;
    registration *registrations;
    unsigned count;
    unsigned capacity;
} watch_list;

/*
 * While one thread waits, another that holds the host's lock may change what is watched. So each wait works on a copy,
 * and a mutex guards the copying. The memory for the copy is allocated when descriptors are added, so a wait never
 * fails without memory.
 */
struct emi_poller {
    const emi_memory *memory;
    emi_waker waker;
    emi_mutex mutex;
    watch_list watched;
    watch_list waiting;
    watch_list spare;        /* replaces `waiting` when that has become too small */
    unsigned *index_of_slot; /* in `watched` */
    uint32_t slots;
    unsigned next; /* where the next search for events begins, so that each descriptor has its turn */
};

static em_status reserve(emi_poller *poller, watch_list *list, unsigned count)
{
    if (count <= list->capacity)
        return EM_OK;
    unsigned capacity = list->capacity ? list->capacity : 64;
    while (capacity < count)
        capacity *= 2;
    struct pollfd *descriptors = emi_reallocate(poller->memory, list->descriptors, capacity * sizeof *descriptors);
    if (!descriptors)
        return EM_NO_MEMORY;
    list->descriptors = descriptors;
    registration *registrations = emi_reallocate(poller->memory, list->registrations, capacity * sizeof *registrations);
    if (!registrations)
        return EM_NO_MEMORY;
    list->registrations = registrations;
    list->capacity = capacity;
    return EM_OK;
}

static void release_list(const emi_poller *poller, watch_list *list)
{
    emi_release(poller->memory, list->descriptors);
    emi_release(poller->memory, list->registrations);
    *list = (watch_list){.count = 0};
}

/* Makes room for `count` descriptors in the list and in the copies that waits will make of it. */
static em_status reserve_all(emi_poller *poller, unsigned count)
{
    em_status status = reserve(poller, &poller->watched, count);
    if (status == EM_OK && poller->waiting.capacity < count)
        status = reserve(poller, &poller->spare, count);
    return status;
}

static em_status grow_slots(emi_poller *poller, uint32_t slot)
{
    uint32_t slots = poller->slots ? poller->slots : 64;
    while (slots <= slot)
        slots *= 2;
    unsigned *index_of_slot = emi_reallocate(poller->memory, poller->index_of_slot, slots * sizeof *index_of_slot);
    if (!index_of_slot)
        return EM_NO_MEMORY;
    poller->index_of_slot = index_of_slot;
    poller->slots = slots;
    return EM_OK;
}

static void destroy(emi_poller *poller)
{
    emi_waker_close(&poller->waker);
    emi_mutex_close(&poller->mutex);
    release_list(poller, &poller->watched);
    release_list(poller, &poller->waiting);
    release_list(poller, &poller->spare);
    emi_release(poller->memory, poller->index_of_slot);
    emi_release(poller->memory, poller);
}

static em_status create(const emi_memory *memory, emi_poller **created)
{
    emi_poller *poller = emi_allocate_zeroed(memory, sizeof *poller);
    if (!poller)
        return EM_NO_MEMORY;
    poller->memory = memory;
    em_status status = emi_mutex_open(&poller->mutex);
    if (status != EM_OK)
        goto no_mutex;
    status = emi_waker_open(&poller->waker);
    if (status != EM_OK)
        goto no_waker;
    status = reserve_all(poller, 1);
    if (status != EM_OK) {
        destroy(poller);
        return status;
    }
    poller->watched.descriptors[0] = (struct pollfd){.fd = poller->waker.poll_descriptor, .events = POLLIN};
    poller->watched.registrations[0] = (registration){.slot = 0};
    poller->watched.count = 1;
    *created = poller;
    return EM_OK;
no_waker:
    emi_mutex_close(&poller->mutex);
no_mutex:
    emi_release(memory, poller);
    return status;
}

static short to_poll(unsigned bits)
{
    int events = 0;
    if (bits & EMI_POLL_IN)
        events |= POLLIN;
    if (bits & EMI_POLL_OUT)
        events |= POLLOUT;
    return (short)events;
}

static em_status add(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned bits)
{
    watch_list *watched = &poller->watched;
    em_status status = reserve_all(poller, watched->count + 1);
    if (status == EM_OK && slot >= poller->slots)
        status = grow_slots(poller, slot);
    if (status != EM_OK)
        return status;
    unsigned index = watched->count++;
    watched->descriptors[index] = (struct pollfd){.fd = descriptor, .events = to_poll(bits)};
    watched->registrations[index] = (registration){.slot = slot, .generation = generation};
    poller->index_of_slot[slot] = index;
    return EM_OK;
}

static void take_out(emi_poller *poller, uint32_t slot)
{
    watch_list *watched = &poller->watched;
    unsigned index = poller->index_of_slot[slot];
    unsigned last = --watched->count;
    watched->descriptors[index] = watched->descriptors[last];
    watched->registrations[index] = watched->registrations[last];
    poller->index_of_slot[watched->registrations[index].slot] = index;
}

static em_status watch(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned old_bits,
                       unsigned new_bits)
{
    em_status status = EM_OK;
    emi_mutex_lock(&poller->mutex);
    if (old_bits == 0)
        status = add(poller, descriptor, slot, generation, new_bits);
    else if (new_bits == 0)
        take_out(poller, slot);
    else
        poller->watched.descriptors[poller->index_of_slot[slot]].events = to_poll(new_bits);
    emi_mutex_unlock(&poller->mutex);
    return status;
}

static void forget(emi_poller *poller, uint32_t slot)
{
    emi_mutex_lock(&poller->mutex);
    take_out(poller, slot);
    emi_mutex_unlock(&poller->mutex);
}

static uint32_t from_poll(int events)
{
    uint32_t bits = 0;
    if (events & POLLIN)
        bits |= EMI_POLL_IN;
    if (events & POLLOUT)
        bits |= EMI_POLL_OUT;
    if (events & (POLLHUP | POLLERR | POLLNVAL))
        bits |= EMI_POLL_IN | EMI_POLL_OUT | EMI_POLL_END | EMI_POLL_ERROR;
    if (events & POLLNVAL)
        bits |= EMI_POLL_INVALID;
    return bits;
}

static void copy_watched(emi_poller *poller)
{
    watch_list *waiting = &poller->waiting;
    const watch_list *watched = &poller->watched;
    emi_mutex_lock(&poller->mutex);
    if (waiting->capacity < watched->count) {
        release_list(poller, waiting);
        *waiting = poller->spare;
        poller->spare = (watch_list){.count = 0};
    }
    memcpy(waiting->descriptors, watched->descriptors, watched->count * sizeof *watched->descriptors);
    memcpy(waiting->registrations, watched->registrations, watched->count * sizeof *watched->registrations);
    waiting->count = watched->count;
    emi_mutex_unlock(&poller->mutex);
}

/* If the kernel has no memory, a later wait may work; the pause keeps the loop from spinning. */
static int failed_wait(void)
{
    if (errno == EINTR)
        return 0;
    if (errno != ENOMEM && errno != EAGAIN)
        return (int)emi_last_status();
    poll(NULL, 0, PAUSE_MILLISECONDS);
    return 0;
}

static int wait(emi_poller *poller, uint64_t timeout_ns, emi_poll_event *events, unsigned capacity)
{
    copy_watched(poller);
    const watch_list *waiting = &poller->waiting;
    int found = poll(waiting->descriptors, waiting->count, emi_clock_to_milliseconds(timeout_ns));
    if (found < 0)
        return failed_wait();
    if (waiting->descriptors[0].revents) {
        emi_waker_drain(&poller->waker);
        found--;
    }
    unsigned count = 0;
    unsigned others = waiting->count - 1;
    for (unsigned i = 0; i < others && found > 0 && count < capacity; i++) {
        unsigned index = 1 + (poller->next + i) % others;
        if (!waiting->descriptors[index].revents)
            continue;
        found--;
        events[count++] = (emi_poll_event){
            .slot = waiting->registrations[index].slot,
            .generation = waiting->registrations[index].generation,
            .bits = from_poll(waiting->descriptors[index].revents),
        };
        if (count == capacity)
            poller->next = index;
    }
    return (int)count;
}

static void wake(emi_poller *poller)
{
    emi_waker_wake(&poller->waker);
}

static int get_descriptor(const emi_poller *poller)
{
    (void)poller;
    return -1;
}

const emi_poller_operations emi_poller_poll = {
    .name = "poll",
    .edge_triggered = false,
    .create = create,
    .destroy = destroy,
    .watch = watch,
    .forget = forget,
    .wait = wait,
    .wake = wake,
    .get_descriptor = get_descriptor,
};

#endif
