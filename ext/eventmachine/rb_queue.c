/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine::Queue: an Array of items, and one of callbacks that wait for them. Its documentation, and what it does
 * for other threads, is in lib/em/queue.rb. No other thread and no signal handler runs between a look at the Arrays and
 * taking from them.
 */
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"

/* How deep callbacks that pop may nest. */
enum { DEEPEST_NESTING = 100 };

typedef struct queue {
    VALUE items;
    VALUE poppers;
    unsigned nesting;  /* calls of callbacks that have not returned */
    VALUE service_run; /* the reactor's run in whose next turn serve will be called, else false */
} queue;

static ID id_callback, id_append_later, id_wait_later, id_serve_later, id_present_run;

static void mark(void *data)
{
    const queue *queue = data;
    rb_gc_mark(queue->items);
    rb_gc_mark(queue->poppers);
    rb_gc_mark(queue->service_run);
}

static size_t size_of(const void *data)
{
    return sizeof(queue);
}

static const rb_data_type_t queue_type = {
    .wrap_struct_name = "EventMachine::Queue",
    .function = {.dmark = mark, .dfree = RUBY_DEFAULT_FREE, .dsize = size_of},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static queue *queue_of(VALUE self)
{
    return rb_check_typeddata(self, &queue_type);
}

static VALUE allocate(VALUE class)
{
    queue *made;
    VALUE self = TypedData_Make_Struct(class, queue, &queue_type, made);
    made->items = rb_ary_new();
    made->poppers = rb_ary_new();
    made->service_run = Qfalse;
    return self;
}

/* For dup and clone: a separate queue with the same items and the same waiting callbacks. */
static VALUE initialize_copy(VALUE self, VALUE original)
{
    queue *copy = queue_of(self);
    const queue *source = queue_of(original);
    copy->items = rb_ary_dup(source->items);
    copy->poppers = rb_ary_dup(source->poppers);
    return self;
}

static bool is_empty(VALUE array)
{
    return RARRAY_LEN(array) == 0;
}

/* An empty Array keeps the memory of its largest size until it is cleared. */
static VALUE take(VALUE array)
{
    VALUE first = rb_ary_shift(array);
    if (is_empty(array))
        rb_ary_clear(array);
    return first;
}

static VALUE hand_out(VALUE self)
{
    queue *queue = queue_of(self);
    while (!is_empty(queue->poppers) && !is_empty(queue->items)) {
        VALUE popper = take(queue->poppers);
        VALUE item = take(queue->items);
        rb_funcallv_public(popper, rb_em_id_call, 1, &item);
    }
    return Qnil;
}

/* Serves a pop whose item is there already, so that its block need not become a Proc. */
static VALUE yield_item(VALUE self)
{
    rb_yield_values(1, take(queue_of(self)->items));
    return hand_out(self);
}

static VALUE leave(VALUE self)
{
    queue_of(self)->nesting--;
    return Qnil;
}

static void enter(VALUE self, VALUE (*function)(VALUE))
{
    queue_of(self)->nesting++;
    rb_ensure(function, self, leave, self);
}

/* What is queued for the next turn is dropped at the end of a run, and in a forked child. */
static bool is_service_due(const queue *queue)
{
    return queue->service_run == rb_attr_get(rb_em_module, id_present_run);
}

/*
 * Pushes and pops within a callback that are nested too deep hand out nothing: the outer calls do. Their fiber may be
 * suspended, so serve is also scheduled for the next turn.
 */
static void serve_up_to(VALUE self, unsigned nesting)
{
    queue *queue = queue_of(self);
    if (is_empty(queue->poppers) || is_empty(queue->items))
        return;
    if (queue->nesting <= nesting) {
        enter(self, hand_out);
    } else if (!is_service_due(queue)) {
        queue->service_run = rb_attr_get(rb_em_module, id_present_run);
        rb_funcallv(self, id_serve_later, 0, NULL);
    }
}

static VALUE serve(VALUE self)
{
    queue_of(self)->service_run = Qfalse;
    enter(self, hand_out);
    return Qnil;
}

static VALUE append(VALUE self, VALUE items)
{
    rb_ary_concat(queue_of(self)->items, items);
    serve_up_to(self, 0);
    return self;
}

static VALUE push(int argc, VALUE *argv, VALUE self)
{
    if (!rb_em_on_reactor_thread())
        return rb_funcall(self, id_append_later, 1, rb_ary_new_from_values(argc, argv));
    rb_ary_cat(queue_of(self)->items, argv, argc);
    serve_up_to(self, 0);
    return self;
}

static VALUE push_one(VALUE self, VALUE item)
{
    return push(1, &item, self);
}

static VALUE wait_for_item(VALUE self, VALUE callback)
{
    rb_ary_push(queue_of(self)->poppers, callback);
    serve_up_to(self, DEEPEST_NESTING - 1);
    return Qnil;
}

static VALUE pop(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 0, 2);
    queue *queue = queue_of(self);
    bool with_block = (argc == 0 || NIL_P(argv[0])) && rb_block_given_p();
    bool here = rb_em_on_reactor_thread();
    if (with_block && here && !is_empty(queue->items) && is_empty(queue->poppers) && queue->nesting < DEEPEST_NESTING) {
        enter(self, yield_item);
        return Qnil;
    }
    VALUE callback = with_block ? rb_block_proc() : rb_funcall_passing_block(rb_em_module, id_callback, argc, argv);
    return here ? wait_for_item(self, callback) : rb_funcall(self, id_wait_later, 1, callback);
}

static VALUE has_no_items(VALUE self)
{
    return is_empty(queue_of(self)->items) ? Qtrue : Qfalse;
}

static VALUE size(VALUE self)
{
    return LONG2NUM(RARRAY_LEN(queue_of(self)->items));
}

static VALUE num_waiting(VALUE self)
{
    return LONG2NUM(RARRAY_LEN(queue_of(self)->poppers));
}

void rb_em_define_queue(void)
{
    id_callback = rb_intern("Callback");
    id_append_later = rb_intern("append_later");
    id_wait_later = rb_intern("wait_later");
    id_serve_later = rb_intern("serve_later");
    id_present_run = rb_intern("@present_run");
    VALUE class = rb_define_class_under(rb_em_module, "Queue", rb_cObject);
    rb_define_alloc_func(class, allocate);
    rb_define_method(class, "initialize_copy", initialize_copy, 1);
    rb_define_method(class, "push", push, -1);
    rb_define_method(class, "<<", push_one, 1);
    rb_define_method(class, "pop", pop, -1);
    rb_define_method(class, "empty?", has_no_items, 0);
    rb_define_method(class, "size", size, 0);
    rb_define_method(class, "num_waiting", num_waiting, 0);
    rb_define_private_method(class, "append", append, 1);
    rb_define_private_method(class, "wait", wait_for_item, 1);
    rb_define_private_method(class, "serve", serve, 0);
}
