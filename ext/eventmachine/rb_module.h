/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The module EventMachine and its class Connection, which the other files fill; and how they do so. CONTRIBUTING.md
 * says which function belongs where.
 */
#ifndef RB_MODULE_H
#define RB_MODULE_H

#include <ruby.h>

extern VALUE rb_em_module;
extern VALUE rb_em_connection_class;

/* Names that several files use: "call" and "@signature". */
extern ID rb_em_id_call;
extern ID rb_em_id_signature;

/* Defines EventMachine.NAME, which is also a private method of whoever includes the module. */
#define RB_EM_FUNCTION(name, function, arity) rb_define_module_function(rb_em_module, name, function, arity)

/* Defines EventMachine.NAME alone. */
#define RB_EM_SINGLETON(name, function, arity) rb_define_singleton_method(rb_em_module, name, function, arity)

/* The same for lib/em only: programs cannot call it. */
#define RB_EM_PRIVATE(name, function, arity)                                                                           \
    rb_define_private_method(rb_singleton_class(rb_em_module), name, function, arity)

/* Defines Connection#NAME. */
#define RB_EM_METHOD(name, function, arity) rb_define_method(rb_em_connection_class, name, function, arity)

#endif
