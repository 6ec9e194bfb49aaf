/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors that several channels watch at the same time. An epoll instance has one entry for each descriptor, with
 * one set of events and one number. So the second registration of a descriptor goes into a second epoll instance, which
 * the first one watches, the third one into a third, and so on. Each registration stays independent of the others. A
 * program that watches nothing twice has one instance only.
 */
#ifndef EMI_EPOLL_LAYERS_H
#define EMI_EPOLL_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/status.h>

#include "base/memory.h"

struct epoll_event;

typedef struct emi_epoll_layers {
    const emi_memory *memory;
    int first; /* the first instance, which is not in the list */
    int *others;
    unsigned count;          /* of the others */
    uint16_t *layer_of_slot; /* 0: the first; allocated when there is another */
    uint32_t slots;
} emi_epoll_layers;

void emi_epoll_layers_init(emi_epoll_layers *layers, const emi_memory *memory, int first);

/** Closes the other instances. */
void emi_epoll_layers_clear(emi_epoll_layers *layers);

/** Adds a registration, epoll_ctl(2). EM_LIMIT if the descriptor is registered too often, EM_PERMISSION_DENIED if epoll
 * refuses it, EM_NO_DESCRIPTORS, EM_NO_MEMORY. */
em_status emi_epoll_layers_add(emi_epoll_layers *layers, int descriptor, uint32_t slot, struct epoll_event *event);

/** Changes a registration. EM_BAD_DESCRIPTOR if there is none, because the descriptor was closed. */
em_status emi_epoll_layers_modify(const emi_epoll_layers *layers, int descriptor, uint32_t slot,
                                  struct epoll_event *event);

/** Removes a registration; the same. */
em_status emi_epoll_layers_remove(emi_epoll_layers *layers, int descriptor, uint32_t slot);

/** Takes note that closing the descriptor of a slot removes its registration. */
void emi_epoll_layers_forget(emi_epoll_layers *layers, uint32_t slot);

/** The instance that an event of the first one stands for; -1: it is an event of a descriptor. Any thread may call
 * this. */
static inline int emi_epoll_layer_of(uint64_t number)
{
    return number >> 32 == UINT32_MAX && (uint32_t)number <= INT32_MAX ? (int)(uint32_t)number : -1;
}

#endif
