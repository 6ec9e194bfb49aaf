/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What is done with a stream, for the tables of kinds that are one or have one. See rb_stream.c.
 */
#ifndef RB_STREAM_H
#define RB_STREAM_H

#include "rb_kind.h"

VALUE rb_em_stream_send(rb_em_slot *slot, VALUE text, size_t length);
size_t rb_em_stream_get_outbound_bytes(const rb_em_slot *slot);
void rb_em_stream_end(rb_em_slot *slot);
bool rb_em_stream_pause(rb_em_slot *slot);
bool rb_em_stream_resume(rb_em_slot *slot);
bool rb_em_stream_is_paused(const rb_em_slot *slot);
uint64_t rb_em_stream_get_idle_ns(const rb_em_slot *slot);
uint64_t rb_em_stream_get_inactivity_timeout_ns(const rb_em_slot *slot);
em_status rb_em_stream_set_inactivity_timeout_ns(rb_em_slot *slot, uint64_t timeout_ns);
em_status rb_em_stream_get_peer_address(rb_em_slot *slot, em_address *address);
em_status rb_em_stream_get_local_address(rb_em_slot *slot, em_address *address);
int rb_em_stream_get_descriptor(const rb_em_slot *slot);
em_status rb_em_stream_set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes);
em_status rb_em_stream_take_error(rb_em_slot *slot);

/* The entries of a table that has get_stream, but for `close`. */
/* clang-format off */
#define RB_EM_STREAM_OPERATIONS \
    .send = rb_em_stream_send, \
    .get_outbound_bytes = rb_em_stream_get_outbound_bytes, \
    .end = rb_em_stream_end, \
    .pause = rb_em_stream_pause, \
    .resume = rb_em_stream_resume, \
    .is_paused = rb_em_stream_is_paused, \
    .get_idle_ns = rb_em_stream_get_idle_ns, \
    .get_inactivity_timeout_ns = rb_em_stream_get_inactivity_timeout_ns, \
    .set_inactivity_timeout_ns = rb_em_stream_set_inactivity_timeout_ns, \
    .get_peer_address = rb_em_stream_get_peer_address, \
    .get_local_address = rb_em_stream_get_local_address, \
    .get_descriptor = rb_em_stream_get_descriptor, \
    .set_socket_option = rb_em_stream_set_socket_option, \
    .take_error = rb_em_stream_take_error
/* clang-format on */

#endif
