/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The instances behind the first one. They are kept until the end: what is watched twice once is usually watched twice
 * again.
 */
#include "base/features.h"

#if EMI_HAVE_EPOLL

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/status_detail.h"
#include "io/epoll_layers.h"
#include "system/system_error.h"

/* Linux lets at most 500 instances watch a descriptor through another (reverse_path_check in fs/eventpoll.c). */
enum { MOST_LAYERS = 256 };

void emi_epoll_layers_init(emi_epoll_layers *layers, const emi_memory *memory, int first)
{
    *layers = (emi_epoll_layers){.memory = memory, .first = first};
}

void emi_epoll_layers_clear(emi_epoll_layers *layers)
{
    for (unsigned i = 0; i < layers->count; i++)
        close(layers->others[i]);
    emi_release(layers->memory, layers->others);
    emi_release(layers->memory, layers->layer_of_slot);
}

static em_status reserve_slot(emi_epoll_layers *layers, uint32_t slot)
{
    if (slot < layers->slots)
        return EM_OK;
    uint32_t slots = layers->slots ? layers->slots : 64;
    while (slots <= slot)
        slots *= 2;
    uint16_t *grown = emi_reallocate(layers->memory, layers->layer_of_slot, slots * sizeof *grown);
    if (!grown)
        return EM_NO_MEMORY;
    memset(grown + layers->slots, 0, (slots - layers->slots) * sizeof *grown);
    layers->layer_of_slot = grown;
    layers->slots = slots;
    return EM_OK;
}

static em_status add_layer(emi_epoll_layers *layers)
{
    if (layers->count == MOST_LAYERS)
        return emi_status_without_detail(EM_LIMIT);
    int *grown = emi_reallocate(layers->memory, layers->others, (layers->count + 1) * sizeof *grown);
    if (!grown)
        return EM_NO_MEMORY;
    layers->others = grown;
    int layer = epoll_create1(EPOLL_CLOEXEC);
    if (layer < 0)
        return emi_last_status();
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)UINT32_MAX << 32 | (uint32_t)layer};
    if (epoll_ctl(layers->first, EPOLL_CTL_ADD, layer, &event) < 0) {
        em_status status = emi_last_status();
        close(layer);
        return status;
    }
    layers->others[layers->count++] = layer;
    return EM_OK;
}

/* The descriptor is in the first instance already. */
static em_status add_behind(emi_epoll_layers *layers, int descriptor, uint32_t slot, struct epoll_event *event)
{
    em_status status = reserve_slot(layers, slot);
    for (unsigned i = 0; status == EM_OK; i++) {
        if (i == layers->count)
            status = add_layer(layers);
        if (status != EM_OK)
            return status;
        if (epoll_ctl(layers->others[i], EPOLL_CTL_ADD, descriptor, event) == 0) {
            layers->layer_of_slot[slot] = (uint16_t)(i + 1);
            return EM_OK;
        }
        if (errno != EEXIST)
            return emi_last_status();
    }
    return status;
}

em_status emi_epoll_layers_add(emi_epoll_layers *layers, int descriptor, uint32_t slot, struct epoll_event *event)
{
    if (epoll_ctl(layers->first, EPOLL_CTL_ADD, descriptor, event) == 0)
        return EM_OK;
    return errno == EEXIST ? add_behind(layers, descriptor, slot, event) : emi_last_status();
}

static em_status change(const emi_epoll_layers *layers, int operation, int descriptor, uint32_t slot,
                        struct epoll_event *event)
{
    unsigned layer = slot < layers->slots ? layers->layer_of_slot[slot] : 0;
    if (epoll_ctl(layer == 0 ? layers->first : layers->others[layer - 1], operation, descriptor, event) == 0)
        return EM_OK;
    /* The number may be another file's by now. */
    return errno == ENOENT ? emi_status_without_detail(EM_BAD_DESCRIPTOR) : emi_last_status();
}

em_status emi_epoll_layers_modify(const emi_epoll_layers *layers, int descriptor, uint32_t slot,
                                  struct epoll_event *event)
{
    return change(layers, EPOLL_CTL_MOD, descriptor, slot, event);
}

em_status emi_epoll_layers_remove(emi_epoll_layers *layers, int descriptor, uint32_t slot)
{
    struct epoll_event unused = {.events = 0};
    em_status status = change(layers, EPOLL_CTL_DEL, descriptor, slot, &unused);
    emi_epoll_layers_forget(layers, slot);
    return status;
}

void emi_epoll_layers_forget(emi_epoll_layers *layers, uint32_t slot)
{
    if (slot < layers->slots)
        layers->layer_of_slot[slot] = 0;
}

#endif
