/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of the reactor. What happens to it is decided elsewhere, above all in rb_reactor.c.
 */
#include "rb_state.h"

#include "rb_define.h"
#include "rb_module.h"

rb_em_reactor rb_em_the_reactor;

static ID id_reactor_thread;

void rb_em_changed(void)
{
    if (rb_em_the_reactor.sleeping)
        em_loop_wake(rb_em_the_reactor.loop);
}

bool rb_em_is_reactor_thread(void)
{
    return rb_attr_get(rb_em_module, id_reactor_thread) == rb_thread_current();
}

void rb_em_define_state(void)
{
    id_reactor_thread = rb_intern("@reactor_thread");
}
