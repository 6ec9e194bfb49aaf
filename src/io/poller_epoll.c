/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The poller by epoll(7), Linux. Edge-triggered: a stream is registered for input once, and never modified while it
 * only receives.
 */
#include "base/features.h"

#if EMI_HAVE_EPOLL

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "io/epoll_layers.h"
#include "io/poller.h"
#include "system/clock.h"
#include "system/system_error.h"
#include "system/waker.h"

enum { BATCH = 256, LAYER_BATCH = 16 };

/* Marks the waker's events. */
#define WAKER UINT64_MAX

struct emi_poller {
    const emi_memory *memory;
    int epoll;
    emi_epoll_layers layers; /* further instances, if a descriptor is watched more than once */
    bool has_pwait2;         /* epoll_pwait2(2) with nanoseconds: Linux 5.11 */
    emi_waker waker;
    struct epoll_event batch[BATCH];
};

static em_status watch_waker(emi_poller *poller)
{
    /* EPOLLET: the eventfd's counter need not be read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKER};
    int result = epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->waker.poll_descriptor, &event);
    return result < 0 ? emi_last_status() : EM_OK;
}

static em_status create(const emi_memory *memory, emi_poller **created)
{
    emi_poller *poller = emi_allocate_zeroed(memory, sizeof *poller);
    if (!poller)
        return EM_NO_MEMORY;
    poller->memory = memory;
    poller->has_pwait2 = true;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    em_status status = poller->epoll < 0 ? emi_last_status() : EM_OK;
    if (status != EM_OK)
        goto no_epoll;
    status = emi_waker_open(&poller->waker);
    if (status != EM_OK)
        goto no_waker;
    status = watch_waker(poller);
    if (status != EM_OK)
        goto not_watched;
    emi_epoll_layers_init(&poller->layers, memory, poller->epoll);
    *created = poller;
    return EM_OK;
not_watched:
    emi_waker_close(&poller->waker);
no_waker:
    close(poller->epoll);
no_epoll:
    emi_release(memory, poller);
    return status;
}

static void destroy(emi_poller *poller)
{
    emi_waker_close(&poller->waker);
    emi_epoll_layers_clear(&poller->layers);
    close(poller->epoll);
    emi_release(poller->memory, poller);
}

static uint32_t to_epoll(unsigned bits)
{
    uint32_t events = bits & EMI_POLL_LEVEL ? 0 : EPOLLET;
    if (bits & EMI_POLL_IN)
        events |= EPOLLIN | EPOLLRDHUP | (bits & EMI_POLL_LEVEL ? 0 : EPOLLPRI);
    if (bits & EMI_POLL_OUT)
        events |= EPOLLOUT;
    return events;
}

static em_status watch(emi_poller *poller, int descriptor, uint32_t slot, uint32_t generation, unsigned old_bits,
                       unsigned new_bits)
{
    struct epoll_event event = {
        .events = to_epoll(new_bits),
        .data.u64 = (uint64_t)generation << 32 | slot,
    };
    if (old_bits == 0)
        return emi_epoll_layers_add(&poller->layers, descriptor, slot, &event);
    if (new_bits == 0)
        return emi_epoll_layers_remove(&poller->layers, descriptor, slot);
    return emi_epoll_layers_modify(&poller->layers, descriptor, slot, &event);
}

/* close(2) ends the registration. If a forked child keeps it alive, its events have an old generation. */
static void forget(emi_poller *poller, uint32_t slot)
{
    emi_epoll_layers_forget(&poller->layers, slot);
}

static int wait_for_batch(emi_poller *poller, uint64_t timeout_ns, int capacity)
{
    if (poller->has_pwait2 && timeout_ns != 0 && timeout_ns != EM_FOREVER) {
        uint64_t seconds = timeout_ns / 1000000000;
        struct timespec timeout = {
            .tv_sec = seconds > INT_MAX ? INT_MAX : (time_t)seconds,
            .tv_nsec = (long)(timeout_ns % 1000000000),
        };
        int count = epoll_pwait2(poller->epoll, poller->batch, capacity, &timeout, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        poller->has_pwait2 = false; /* an older kernel, or a seccomp(2) filter that does not know it */
    }
    return epoll_wait(poller->epoll, poller->batch, capacity, emi_clock_to_milliseconds(timeout_ns));
}

static uint32_t from_epoll(uint32_t events)
{
    uint32_t bits = 0;
    if (events & EPOLLIN)
        bits |= EMI_POLL_IN;
    if (events & EPOLLOUT)
        bits |= EMI_POLL_OUT;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        bits |= EMI_POLL_IN | EMI_POLL_END;
    if (events & (EPOLLHUP | EPOLLERR))
        bits |= EMI_POLL_OUT | EMI_POLL_ERROR;
    return bits;
}

static emi_poll_event event_of(const struct epoll_event *reported)
{
    return (emi_poll_event){
        .slot = (uint32_t)reported->data.u64,
        .generation = (uint32_t)(reported->data.u64 >> 32),
        .bits = from_epoll(reported->events),
    };
}

/* Takes events of a further instance. Those that there is no room for are reported by the next wait. */
static int take_from_layer(int layer, emi_poll_event *events, int capacity)
{
    struct epoll_event batch[LAYER_BATCH];
    int found = capacity > 0 ? epoll_wait(layer, batch, capacity < LAYER_BATCH ? capacity : LAYER_BATCH, 0) : 0;
    for (int i = 0; i < found; i++)
        events[i] = event_of(&batch[i]);
    return found > 0 ? found : 0;
}

static int wait(emi_poller *poller, uint64_t timeout_ns, emi_poll_event *events, unsigned capacity)
{
    int found = wait_for_batch(poller, timeout_ns, capacity < BATCH ? (int)capacity : BATCH);
    if (found < 0)
        return errno == EINTR ? 0 : (int)emi_last_status();
    int count = 0;
    int layers = 0; /* moved to the front of the batch; they come last, because each may have several events */
    for (int i = 0; i < found; i++) {
        uint64_t number = poller->batch[i].data.u64;
        if (EMI_UNLIKELY(emi_epoll_layer_of(number) >= 0))
            poller->batch[layers++] = poller->batch[i];
        else if (number != WAKER)
            events[count++] = event_of(&poller->batch[i]);
    }
    for (int i = 0; i < layers; i++)
        count += take_from_layer(emi_epoll_layer_of(poller->batch[i].data.u64), events + count, (int)capacity - count);
    return count;
}

static void wake(emi_poller *poller)
{
    emi_waker_wake(&poller->waker);
}

static int get_descriptor(const emi_poller *poller)
{
    return poller->epoll;
}

const emi_poller_operations emi_poller_epoll = {
    .name = "epoll",
    .edge_triggered = true,
    .create = create,
    .destroy = destroy,
    .watch = watch,
    .forget = forget,
    .wait = wait,
    .wake = wake,
    .get_descriptor = get_descriptor,
};

#endif
