/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine::Connection's constructor: new(signature, *arguments) passes only the arguments to initialize, and calls
 * post_init. A Connection is an ordinary object with the instance variable @signature. Most of the class is written in
 * Ruby, in lib/em/connection.rb.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_table.h"

static ID id_post_init;

/* Enters the object before its constructor runs, so that it can send and close there already. */
static void enter(VALUE object, VALUE signature)
{
    if (!FIXNUM_P(signature))
        return;
    rb_em_slot *slot = rb_em_find_entry(signature);
    if (slot && NIL_P(slot->value))
        rb_em_slot_set(slot, object);
}

static VALUE make(int argc, VALUE *argv, VALUE class)
{
    rb_check_arity(argc, 1, UNLIMITED_ARGUMENTS);
    VALUE object = rb_obj_alloc(class);
    rb_ivar_set(object, rb_em_id_signature, argv[0]);
    enter(object, argv[0]);
    rb_obj_call_init_kw(object, argc - 1, argv + 1, RB_PASS_CALLED_KEYWORDS);
    rb_funcallv(object, id_post_init, 0, NULL);
    return object;
}

static VALUE get_signature(VALUE self)
{
    return rb_ivar_get(self, rb_em_id_signature);
}

static VALUE set_signature(VALUE self, VALUE signature)
{
    rb_em_the_reactor.current = NULL;
    return rb_ivar_set(self, rb_em_id_signature, signature);
}

void rb_em_define_connection_class(void)
{
    id_post_init = rb_intern("post_init");
    rb_define_singleton_method(rb_em_connection_class, "new", make, -1);
    RB_EM_METHOD("signature", get_signature, 0);
    RB_EM_METHOD("signature=", set_signature, 1);
}
