/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine::SignatureTable: the tables that Ruby code knows as the module's @conns, @acceptors and @timers. Each
 * shows the slots of one kind. lib/em/signature_table.rb makes them look like a Hash.
 */
#include "rb_accept.h"
#include "rb_complete.h"
#include "rb_define.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_table.h"
#include "rb_timer.h"

static ID id_kind;

static rb_em_kind kind_of(VALUE self)
{
    return (rb_em_kind)NUM2INT(rb_ivar_get(self, id_kind));
}

/* Connections of every kind stand in one table. */
static bool is_in(const rb_em_slot *slot, rb_em_kind kind)
{
    return kind == RB_EM_CONNECTION ? rb_em_is_connection(slot) : slot->kind == kind;
}

static rb_em_slot *find(VALUE self, VALUE signature)
{
    rb_em_slot *slot = RB_INTEGER_TYPE_P(signature) ? rb_em_find_any(signature) : NULL;
    return slot && is_in(slot, kind_of(self)) ? slot : NULL;
}

static VALUE fetch(VALUE self, VALUE signature)
{
    rb_em_slot *slot = find(self, signature);
    return slot ? slot->value : Qnil;
}

static void note_keywords(rb_em_slot *slot)
{
    VALUE arguments = rb_ary_entry(slot->value, 1);
    VALUE last = NIL_P(arguments) ? Qnil : rb_ary_entry(arguments, -1);
    if (RB_TYPE_P(last, T_HASH) && RTEST(rb_funcall(rb_cHash, rb_intern("ruby2_keywords_hash?"), 1, last)))
        slot->flags |= RB_EM_KEYWORDS;
}

static VALUE store(VALUE self, VALUE signature, VALUE value)
{
    rb_em_slot *slot = find(self, signature);
    if (!slot)
        return value;
    if (slot->kind == RB_EM_SERVER)
        Check_Type(value, T_ARRAY);
    if (slot->kind == RB_EM_TIMER && !RTEST(value)) {
        rb_em_cancel_timer(slot);
        return value;
    }
    rb_em_slot_set(slot, value);
    if (slot->kind == RB_EM_SERVER) {
        note_keywords(slot);
        rb_em_accept_early_clients(slot);
    }
    if (rb_em_is_connection(slot))
        rb_em_complete_connection(slot);
    return value;
}

static VALUE delete (VALUE self, VALUE signature)
{
    rb_em_slot *slot = find(self, signature);
    if (!slot)
        return Qnil;
    VALUE value = slot->value;
    if (slot->kind == RB_EM_TIMER)
        rb_em_cancel_timer(slot);
    else
        rb_em_slot_set(slot, Qnil);
    return value;
}

typedef struct collection {
    VALUE signatures;
    rb_em_kind kind;
} collection;

static bool collect(rb_em_slot *slot, void *data)
{
    collection *collection = data;
    if (is_in(slot, collection->kind) && slot->signature != 0 && !NIL_P(slot->value))
        rb_ary_push(collection->signatures, ULL2NUM(slot->signature));
    return true;
}

static VALUE keys(VALUE self)
{
    collection collection = {rb_ary_new(), kind_of(self)};
    rb_em_slot_each(collect, &collection);
    return rb_ary_sort_bang(collection.signatures);
}

void rb_em_define_signature_table(void)
{
    id_kind = rb_intern("@kind");
    VALUE class = rb_define_class_under(rb_em_module, "SignatureTable", rb_cObject);
    rb_define_const(class, "CONNECTIONS", INT2FIX(RB_EM_CONNECTION));
    rb_define_const(class, "SERVERS", INT2FIX(RB_EM_SERVER));
    rb_define_const(class, "TIMERS", INT2FIX(RB_EM_TIMER));
    rb_define_method(class, "[]", fetch, 1);
    rb_define_method(class, "[]=", store, 2);
    rb_define_method(class, "delete", delete, 1);
    rb_define_method(class, "keys", keys, 0);
}
