/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The end of the reactor: unbind is called for every remaining connection, the loop is destroyed, timers and servers
 * are forgotten. A throw, exit or Thread#kill out of an unbind continues only after all that.
 */
#include "rb_release.h"

#include <stdlib.h>

#include "rb_accept.h"
#include "rb_define.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_table.h"
#include "rb_unbind.h"

typedef struct remaining {
    rb_em_slot **slots;
    size_t count;
} remaining;

static bool collect(rb_em_slot *slot, void *data)
{
    remaining *remaining = data;
    if (rb_em_is_connection(slot) && slot->signature != 0 && slot->native.object)
        remaining->slots[remaining->count++] = slot;
    return true;
}

/* First those that no turn has seen, then the others; each in the order in which they were opened. */
static int compare(const void *one, const void *other)
{
    const rb_em_slot *a = *(rb_em_slot *const *)one;
    const rb_em_slot *b = *(rb_em_slot *const *)other;
    bool a_is_new = a->signature > rb_em_the_reactor.polled;
    bool b_is_new = b->signature > rb_em_the_reactor.polled;
    if (a_is_new != b_is_new)
        return a_is_new ? -1 : 1;
    return a->signature < b->signature ? -1 : 1;
}

static void close_in_order(void)
{
    remaining remaining = {.slots = ALLOC_N(rb_em_slot *, rb_em_the_reactor.connections + 1)};
    rb_em_slot_each(collect, &remaining);
    qsort(remaining.slots, remaining.count, sizeof *remaining.slots, compare);
    for (size_t i = 0; i < remaining.count; i++)
        rb_em_operations_of(remaining.slots[i])->end(remaining.slots[i]);
    xfree(remaining.slots);
}

/* The loop gives back the texts that it sends from. */
static bool delete_slot(rb_em_slot *slot, void *data)
{
    if (slot->kind != RB_EM_TEXT)
        rb_em_table_delete(slot);
    return true;
}

static VALUE finish(VALUE unused);

static VALUE jump(VALUE state)
{
    rb_jump_tag((int)state);
}

/* rb_ensure keeps what Ruby needs for the jump while the rest of the release runs. */
static void finish_and_jump(void)
{
    VALUE state = (VALUE)rb_em_the_reactor.state;
    rb_em_the_reactor.state = 0;
    rb_ensure(jump, state, finish, Qnil);
}

static void destroy_loop(void)
{
    close_in_order();
    em_loop_destroy(rb_em_the_reactor.loop);
    rb_em_the_reactor.loop = NULL;
}

static VALUE finish(VALUE unused)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    rb_em_run_late_unbinds();
    if (!rb_em_is_leaving() && reactor->loop)
        destroy_loop();
    if (rb_em_is_leaving())
        finish_and_jump();
    rb_em_slot_each(delete_slot, NULL);
    rb_em_forget_early_clients();
    *reactor = (rb_em_reactor){.generation = reactor->generation + 1};
    return Qnil;
}

void rb_em_release(void)
{
    rb_em_the_reactor.stopping = true;
    rb_em_the_reactor.releasing = true;
    rb_em_put_off_held();
    finish(Qnil);
}

static VALUE release_machine(VALUE self)
{
    const rb_em_reactor *reactor = &rb_em_the_reactor;
    rb_em_loop("release_library");
    if ((reactor->turning && reactor->pid == getpid()) || reactor->releasing)
        rb_raise(rb_eRuntimeError, "the reactor cannot be released from within a callback");
    rb_em_release();
    return Qnil;
}

void rb_em_define_release(void)
{
    RB_EM_FUNCTION("release_machine", release_machine, 0);
}
