/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What connections report to their Ruby objects: the callbacks that handlers are made of. See rb_handler.c.
 */
#ifndef RB_HANDLER_H
#define RB_HANDLER_H

#include "rb_slot.h"

/* For connections that are established, or were opened here. */
extern const em_handler rb_em_connection_handler;

/* Its callbacks. */
void rb_em_on_completed(em_connection *connection);
void rb_em_on_data(em_connection *connection, const void *data, size_t length);
void rb_em_on_end(em_connection *connection);
void rb_em_on_handshake_completed(em_connection *connection);
void rb_em_on_proxy_completed(em_connection *connection);
void rb_em_on_proxy_target_unbound(em_connection *connection);
void rb_em_on_unbind(em_connection *connection, em_status reason);

/* The same for every kind of connections that may be the source of a proxy. */
void rb_em_report_proxy_completed(rb_em_slot *slot);
void rb_em_report_proxy_target_unbound(rb_em_slot *slot);

/* connection_completed and ssl_handshake_completed, for a connection that was held. */
void rb_em_report_completed(rb_em_slot *slot);
void rb_em_report_handshake(rb_em_slot *slot);

/* Something to be delivered. */
typedef struct rb_em_message {
    rb_em_slot *slot;
    const void *data;
    size_t length;
} rb_em_message;

/* Calls the function with the message, under rb_em_call, as a callback of its connection. */
void rb_em_deliver(VALUE (*function)(VALUE), const rb_em_message *message);

/* Calls receive_data with a text of the library's own. */
void rb_em_deliver_text(rb_em_slot *slot, const char *text);

/* For that function: the object to call. Raises ConnectionNotBound if there is none. */
VALUE rb_em_object_of(const rb_em_slot *slot);

/* The same, when data has arrived. */
VALUE rb_em_receiver(const rb_em_message *message);
VALUE rb_em_call_receive_data(VALUE object, VALUE data);

#endif
