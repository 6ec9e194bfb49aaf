/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes: invoke_popen, and the status. Standard input and output of the process are one socket, and the
 * stream behind it is what the methods of Connection reach. unbind is called when the process has been reaped. When its
 * stream ends before that, the process is terminated in steps, while the reactor goes on. When its stream is detached,
 * the process goes on, without a slot: the loop only reaps it.
 *
 * What is known of an ended process, its Process::Status or only its number, is kept by its signature until unbind has
 * returned, and in the object from then on.
 */
#include <errno.h>
#include <string.h>

#include "rb_define.h"
#include "rb_handler.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_connection.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_stream.h"
#include "rb_table.h"
#include "rb_unbind.h"

enum { MOST_WORDS = 2048 }; /* the path of the program, and its arguments, which begin with its name */

/* A shell, env(1) and others exit with 126 or 127, but programs for 1.x expect this. */
#define CANNOT_EXECUTE "exit 255"

static VALUE ended; /* signature => Process::Status or Integer, of those whose unbind has not returned */
static ID id_ended, id_end_left_process, id_pid;

/* Its end */

/* Ruby makes a Process::Status only as the value of $?, which keeps what it was unless that was nil. */
static VALUE make_status(int wait_status, int pid)
{
    VALUE before = rb_last_status_get();
    rb_last_status_set(wait_status, pid);
    VALUE status = rb_last_status_get();
    if (!NIL_P(before))
        rb_last_status_set(NUM2INT(rb_funcallv(before, rb_intern("to_i"), 0, NULL)),
                           NUM2INT(rb_funcallv(before, id_pid, 0, NULL)));
    return status;
}

typedef struct process_end {
    const rb_em_slot *slot;
    int pid;
    const em_process_status *status;
} process_end;

static VALUE note(VALUE argument)
{
    const process_end *end = (void *)argument;
    bool is_known = end->status->end == EM_PROCESS_EXITED || end->status->end == EM_PROCESS_SIGNALED;
    VALUE value = is_known ? make_status(end->status->wait_status, end->pid) : INT2NUM(end->pid);
    return rb_hash_aset(ended, ULL2NUM(end->slot->signature), value);
}

/* It is this process's child now, and not the reactor's. */
static VALUE end_left_process(VALUE pid)
{
    return rb_funcallv(rb_em_module, id_end_left_process, 1, &pid);
}

static VALUE reap_left_process(VALUE pid)
{
    return rb_detach_process(NUM2INT(pid));
}

static void note_end(const process_end *end)
{
    int state = 0;
    if (end->slot->flags & RB_EM_SILENT)
        return;
    rb_protect(note, (VALUE)end, &state);
    if (state != 0)
        rb_set_errinfo(Qnil); /* no memory */
}

static void on_unbind(em_process *process, const em_process_status *status)
{
    rb_em_slot *slot = em_process_get_user(process);
    process_end end = {slot, em_process_get_pid(process), status};
    if (status->end == EM_PROCESS_RUNNING && rb_em_the_reactor.pid == getpid())
        rb_em_call(slot ? end_left_process : reap_left_process, INT2NUM(end.pid));
    if (!slot)
        return;
    note_end(&end);
    rb_em_ended(slot, EM_OK);
}

static const em_process_handler handler = {.unbind = on_unbind};

/* What the methods of Connection do */

static em_connection *get_stream(const rb_em_slot *slot)
{
    return em_process_get_stream(slot->native.object, EM_PROCESS_INPUT);
}

/* After writing, the input of the process ends, and its output is still received: a program such as cat(1) could not
 * write the rest otherwise. */
static void close_process(rb_em_slot *slot, bool after_writing)
{
    if (after_writing)
        em_process_terminate(slot->native.object);
    else
        em_connection_close(get_stream(slot));
}

/* The process goes on. */
static em_status detach_stream(rb_em_slot *slot, int *descriptor)
{
    em_status status = em_connection_detach(get_stream(slot), descriptor);
    if (status == EM_OK)
        em_process_set_user(slot->native.object, NULL);
    return status;
}

static void stream_unbound(rb_em_slot *slot)
{
    em_process *process = slot->native.object;
    if (em_process_get_user(process)) {
        em_process_terminate(process);
        return;
    }
    em_process_status status = {.size = sizeof status, .end = EM_PROCESS_RUNNING};
    process_end end = {slot, em_process_get_pid(process), &status};
    note_end(&end);
    rb_em_ended(slot, EM_OK);
}

/* From now on only the object knows. It may be frozen. */
static void after_unbind(rb_em_slot *slot)
{
    VALUE signature = ULL2NUM(slot->signature);
    VALUE value = rb_hash_delete(ended, signature);
    if (!NIL_P(value) && !OBJ_FROZEN(slot->value))
        rb_ivar_set(slot->value, id_ended, rb_assoc_new(signature, value));
}

const rb_em_operations rb_em_process_operations = {
    RB_EM_STREAM_OPERATIONS,          .close = close_process,       .detach = detach_stream,
    .stream_unbound = stream_unbound, .after_unbind = after_unbind, .get_stream = get_stream,
};

/* Starting */

/* Owns the Strings, which may have been made by to_str, as long as their pointers are used. */
static VALUE checked_words(VALUE words)
{
    VALUE own = rb_ary_dup(rb_convert_type(words, T_ARRAY, "Array", "to_ary"));
    if (RARRAY_LEN(own) == 0)
        rb_raise(rb_eRuntimeError, "no popen: %s", strerror(EINVAL));
    if (RARRAY_LEN(own) > MOST_WORDS)
        rb_raise(rb_eRuntimeError, "too many arguments to popen");
    for (long i = 0; i < RARRAY_LEN(own); i++) {
        VALUE word = rb_ary_entry(own, i);
        StringValueCStr(word);
        rb_must_asciicompat(word); /* in UTF-16 the zero bytes would end it */
        rb_ary_store(own, i, word);
    }
    return own;
}

static em_status start(em_loop *loop, rb_em_slot *slot, em_process_options options)
{
    em_process_stream_options socket = {
        .size = sizeof socket, .kind = EM_PROCESS_SOCKET, .handler = &rb_em_connection_handler, .user = slot};
    em_process *process;
    options.size = sizeof options;
    options.user = slot;
    options.input = &socket;
    em_status status = em_loop_start_process(loop, &options, &handler, &process);
    if (status == EM_OK)
        slot->native.object = process;
    return status;
}

/* Whether the system cannot execute the program, though it could another one. */
static bool is_about_program(em_status status)
{
    return status == EM_NO_SUCH_FILE || status == EM_PERMISSION_DENIED || status == EM_PATH_TOO_LONG ||
           status == EM_ARGUMENTS_TOO_LONG || status == EM_SYSTEM_ERROR;
}

/* In 1.x, a program that cannot be executed is a child that exits with status 255. Here, a shell does that instead. */
static em_status start_program(em_loop *loop, rb_em_slot *slot, VALUE words)
{
    const char *arguments[MOST_WORDS + 1] = {NULL};
    long count = RARRAY_LEN(words);
    for (long i = 0; i < count; i++)
        arguments[i] = RSTRING_PTR(rb_ary_entry(words, i));
    em_process_options options = {.program = arguments[0], .arguments = count > 1 ? arguments + 1 : arguments};
    em_status status = start(loop, slot, options);
    if (is_about_program(status))
        status = start(loop, slot, (em_process_options){.command = CANNOT_EXECUTE});
    RB_GC_GUARD(words);
    return status;
}

static VALUE invoke_popen(VALUE self, VALUE words)
{
    em_loop *loop = rb_em_loop_to_open("popen");
    words = checked_words(words);
    rb_em_slot *slot = rb_em_table_add(RB_EM_PROCESS, Qnil);
    if (rb_em_is_too_late(slot))
        return rb_em_opened(slot);
    em_status status = start_program(loop, slot, words);
    if (status == EM_OK)
        return rb_em_opened_ready(slot);
    rb_em_table_delete(slot);
    rb_em_check_memory(status);
    if (status == EM_LIMIT)
        rb_raise(rb_eRuntimeError, "no fork");
    rb_raise(rb_eRuntimeError, "no popen: %s", em_status_get_detail(status));
}

/* Looking */

/* Process::Status, Integer or nil. */
static VALUE known_of(VALUE signature)
{
    return rb_hash_lookup(ended, signature);
}

static VALUE get_subprocess_pid(VALUE self, VALUE signature)
{
    const rb_em_slot *slot = rb_em_find_entry(signature);
    if (slot && slot->kind == RB_EM_PROCESS && slot->native.object)
        return INT2NUM(em_process_get_pid(slot->native.object));
    VALUE known = known_of(signature);
    return NIL_P(known) || RB_INTEGER_TYPE_P(known) ? known : rb_funcallv(known, id_pid, 0, NULL);
}

static VALUE get_subprocess_status(VALUE self, VALUE signature)
{
    rb_em_find_any(signature); /* raises for what is no Integer */
    VALUE known = known_of(signature);
    return RB_INTEGER_TYPE_P(known) ? Qnil : known;
}

/* What the object itself knows of its present connection. */
static VALUE own_end(VALUE self)
{
    VALUE pair = rb_attr_get(self, id_ended);
    VALUE signature = rb_ivar_get(self, rb_em_id_signature);
    return !NIL_P(pair) && rb_equal(rb_ary_entry(pair, 0), signature) ? rb_ary_entry(pair, 1) : Qnil;
}

static VALUE get_pid(VALUE self)
{
    VALUE known = own_end(self);
    if (NIL_P(known))
        return get_subprocess_pid(self, rb_ivar_get(self, rb_em_id_signature));
    return RB_INTEGER_TYPE_P(known) ? known : rb_funcallv(known, id_pid, 0, NULL);
}

static VALUE get_status(VALUE self)
{
    VALUE known = own_end(self);
    if (NIL_P(known))
        return get_subprocess_status(self, rb_ivar_get(self, rb_em_id_signature));
    return RB_INTEGER_TYPE_P(known) ? Qnil : known;
}

void rb_em_define_process(void)
{
    id_ended = rb_intern("ended_process"); /* not a name of an instance variable, so Ruby code cannot see it */
    id_end_left_process = rb_intern("end_left_process");
    id_pid = rb_intern("pid");
    ended = rb_hash_new();
    rb_gc_register_mark_object(ended);
    RB_EM_FUNCTION("invoke_popen", invoke_popen, 1);
    RB_EM_FUNCTION("get_subprocess_pid", get_subprocess_pid, 1);
    RB_EM_FUNCTION("get_subprocess_status", get_subprocess_status, 1);
    RB_EM_METHOD("get_pid", get_pid, 0);
    RB_EM_METHOD("get_status", get_status, 0);
}
