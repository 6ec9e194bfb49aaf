/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Stopping servers. See rb_server.c.
 */
#ifndef RB_SERVER_H
#define RB_SERVER_H

#include "rb_slot.h"

void rb_em_stop_server(rb_em_slot *slot);

#endif
