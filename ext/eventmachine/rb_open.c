/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What all functions share that open something.
 */
#include "rb_open.h"

#include "rb_hold.h"
#include "rb_loop.h"
#include "rb_state.h"

em_loop *rb_em_loop_to_open(const char *name)
{
    em_loop *loop = rb_em_loop(name);
    /* For other threads the reactor is gone once its release begins, because nothing could be reported to them later.
     */
    if (rb_em_the_reactor.releasing && !rb_em_is_reactor_thread())
        rb_raise(rb_eRuntimeError, "eventmachine not initialized: evma_%s", name);
    return loop;
}

/*
 * A program that connects again in unbind, while the reactor is released, gets an object that is unbound next. If that
 * unbind connects again, the object gets no callback: otherwise the release would never end.
 */
bool rb_em_is_too_late(rb_em_slot *slot)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    if (!reactor->releasing)
        return false;
    slot->flags = RB_EM_NEVER_OPENED;
    if (reactor->unbinding && reactor->unbinding->flags & RB_EM_NEVER_OPENED)
        slot->flags |= RB_EM_SILENT;
    reactor->never_opened++;
    return true;
}

static VALUE count(const rb_em_slot *slot)
{
    rb_em_the_reactor.connections++;
    rb_em_changed();
    return ULL2NUM(slot->signature);
}

VALUE rb_em_opened(rb_em_slot *slot)
{
    rb_em_hold(slot);
    return count(slot);
}

VALUE rb_em_opened_ready(rb_em_slot *slot)
{
    rb_em_hold_back(slot);
    return count(slot);
}
