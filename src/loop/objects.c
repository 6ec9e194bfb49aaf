/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * All objects of a loop: their signatures, the list of those that end, and the end of all.
 */
#include "base/invariant.h"
#include "loop/loop_private.h"

static emi_object *object_of(emi_handle *handle)
{
    return handle ? EMI_CONTAINER(handle, emi_object, handle) : NULL;
}

static uint32_t index_of(const emi_object *object)
{
    return emi_handle_get_index(&object->handle);
}

/* Returns NULL for an index that is free. */
static emi_object *at(const em_loop *loop, uint32_t index)
{
    return object_of(emi_handle_table_at(&loop->objects.table, index));
}

static const emi_object_operations *operations_of(const emi_object *object)
{
    return object->loop->objects.operations[object->kind];
}

em_status emi_object_add(emi_object *object, em_loop *loop, emi_kind kind, const emi_object_operations *operations,
                         void *user)
{
    emi_objects *objects = &loop->objects;
    em_status status = emi_handle_table_add(&objects->table, &object->handle);
    if (status != EM_OK)
        return status;
    objects->operations[kind] = operations;
    objects->open[kind]++;
    object->loop = loop;
    object->user = user;
    object->active_ns = loop->now_ns;
    object->kind = (uint8_t)kind;
    return EM_OK;
}

void emi_object_remove(emi_object *object)
{
    emi_objects *objects = &object->loop->objects;
    EMI_INVARIANT(!object->is_listed && objects->open[object->kind] > 0);
    objects->open[object->kind]--;
    emi_handle_table_remove(&objects->table, &object->handle);
}

/* Ending */

void emi_object_list(emi_object *object)
{
    emi_objects *objects = &object->loop->objects;
    if (object->is_listed)
        return;
    object->is_listed = true;
    object->next_listed = 0;
    if (objects->listed_last)
        objects->listed_last->next_listed = index_of(object) + 1;
    else
        objects->listed_first = object;
    objects->listed_last = object;
}

void emi_object_end(emi_object *object, em_status reason)
{
    object->reason = (int16_t)reason;
    object->system_error = (uint16_t)em_status_get_system_error(reason);
    emi_object_list(object);
}

static emi_object *next_listed(const emi_object *object)
{
    return object->next_listed > 0 ? at(object->loop, object->next_listed - 1) : NULL;
}

static void put_back(emi_objects *objects, emi_object *first)
{
    emi_object *last = first;
    for (emi_object *next = first; next; next = next_listed(next))
        last = next;
    if (objects->listed_first)
        last->next_listed = index_of(objects->listed_first) + 1;
    else
        objects->listed_last = last;
    objects->listed_first = first;
}

/*
 * Only those that were listed before it began: what their callbacks close waits for the next turn. In a child that one
 * of them has forked, those after it wait for em_loop_take_over.
 */
void emi_objects_reap(em_loop *loop)
{
    emi_objects *objects = &loop->objects;
    bool was_forked = emi_loop_is_forked(loop);
    emi_object *object = objects->listed_first;
    objects->listed_first = NULL;
    objects->listed_last = NULL;
    while (object && emi_loop_is_forked(loop) == was_forked) {
        emi_object *next = next_listed(object);
        object->is_listed = false;
        operations_of(object)->reap(object);
        object = next;
    }
    if (object)
        put_back(objects, object);
}

bool emi_objects_have_work(const em_loop *loop)
{
    return loop->objects.listed_first != NULL;
}

bool emi_objects_are_open(const em_loop *loop)
{
    return loop->objects.listed_first || loop->objects.channels > 0;
}

/* Parents */

void emi_object_set_parent(emi_object *object, const emi_object *parent)
{
    EMI_INVARIANT(object->parent == 0);
    object->parent = index_of(parent) + 1;
}

void emi_object_leave_parent(emi_object *object)
{
    if (object->parent == 0)
        return;
    emi_object *parent = emi_loop_object_at(object->loop, object->parent - 1);
    object->parent = 0;
    operations_of(parent)->child_unbound(parent, object);
}

bool emi_object_has_parent(const emi_object *object, emi_kind kind)
{
    return object->parent != 0 && emi_loop_object_at(object->loop, object->parent - 1)->kind == kind;
}

/* Finding them */

emi_object *emi_loop_find_any_object(const em_loop *loop, em_signature signature)
{
    return loop ? object_of(emi_handle_table_find(&loop->objects.table, signature)) : NULL;
}

emi_object *emi_loop_find_object(const em_loop *loop, emi_kind kind, em_signature signature)
{
    emi_object *object = emi_loop_find_any_object(loop, signature);
    return object && object->kind == kind ? object : NULL;
}

emi_object *emi_loop_object_at(const em_loop *loop, uint32_t index)
{
    emi_object *object = at(loop, index);
    EMI_INVARIANT(object);
    return object;
}

/* Their channels */

em_status emi_loop_attach_channel(em_loop *loop, emi_channel *channel, emi_channel_kind kind, int descriptor,
                                  emi_ownership ownership)
{
    em_status status = loop->backend->operations->attach(loop->backend, channel, kind, descriptor, ownership);
    if (status == EM_OK)
        loop->objects.channels++;
    return status;
}

void emi_loop_move_channel(em_loop *loop, emi_channel *to, emi_channel *from)
{
    emi_channel_move(to, from);
    loop->objects.channels++;
}

void emi_loop_note_released(em_loop *loop, const emi_channel *channel)
{
    EMI_INVARIANT(loop->objects.channels > 0);
    loop->objects.channels--;
    if (channel->ownership == EMI_SHARED)
        return;
    /* Only servers wait for descriptors. */
    emi_service *net = loop->services[EMI_SERVICE_NET];
    if (net)
        net->operations->descriptor_freed(net);
}

/* All of them */

void emi_objects_init(em_loop *loop)
{
    emi_handle_table_init(&loop->objects.table, &loop->memory, &loop->serial);
}

void emi_objects_renew(em_loop *loop)
{
    for (uint32_t index = 0; index < emi_handle_table_used(&loop->objects.table); index++) {
        emi_object *object = at(loop, index);
        if (object && operations_of(object)->renew)
            operations_of(object)->renew(object);
    }
}

void emi_objects_close(em_loop *loop)
{
    for (uint32_t index = 0; index < emi_handle_table_used(&loop->objects.table); index++) {
        emi_object *object = at(loop, index);
        if (object)
            operations_of(object)->close(object);
    }
    /* In a forked child the backend reaps nothing: the channels end with it, all at once. */
    while (emi_loop_is_forked(loop) && emi_objects_have_work(loop))
        emi_objects_reap(loop);
}

void emi_objects_destroy(em_loop *loop)
{
    for (uint32_t index = 0; index < emi_handle_table_used(&loop->objects.table); index++) {
        emi_object *object = at(loop, index);
        if (object)
            operations_of(object)->free(object);
    }
    emi_handle_table_clear(&loop->objects.table);
}
