/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From an accepted connection to its Ruby object. See rb_accept.c.
 */
#ifndef RB_ACCEPT_H
#define RB_ACCEPT_H

#include "rb_slot.h"

extern const em_handler rb_em_accepted_handler;

/* The server, which another thread has started, has its class: clients that were accepted before get their objects. */
void rb_em_accept_early_clients(rb_em_slot *server);
void rb_em_forget_early_clients(void);

#endif
