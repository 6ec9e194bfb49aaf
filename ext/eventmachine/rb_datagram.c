/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that are datagram sockets. As in 1.x, send_data replies to the sender of the datagram that was received
 * last, and a datagram that the system refuses to send ends the socket. What the network reports later (ICMP) does not.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rb_argument.h"
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_descriptor.h"
#include "rb_handler.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"
#include "rb_unbind.h"

/* The length of get_peername of IPv4 and IPv6, as in 1.x: that of the larger address. */
enum { PEERNAME_BYTES = 28 };

/* The user pointer of a socket. */
typedef struct datagram_state {
    rb_em_slot *slot;
    em_status failure; /* of a send, which is the reason of the end; EM_OK: none */
    unsigned waiting;  /* datagrams whose peer's name is being resolved */
    bool closes_then;  /* the socket is to be closed once they are sent */
    int attached;      /* the program's descriptor that the socket is a copy of, dup(2); -1: it is the reactor's own */
} datagram_state;

static em_datagram_socket *socket_of(const rb_em_slot *slot)
{
    return slot->native.object;
}

static datagram_state *state_of(const rb_em_slot *slot)
{
    return em_datagram_socket_get_user(socket_of(slot));
}

/* What the loop reports */

static VALUE receive_data(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    VALUE object = rb_em_receiver(message);
    return rb_em_call_receive_data(object, rb_str_new(message->data, (long)message->length));
}

static void on_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    datagram_state *state = em_datagram_socket_get_user(socket);
    rb_em_message message = {state->slot, datagram->data, datagram->length};
    rb_em_deliver(receive_data, &message);
}

static void on_failure(em_datagram_socket *socket, const em_datagram_failure *failure)
{
    datagram_state *state = em_datagram_socket_get_user(socket);
    if (failure->is_remote || em_datagram_socket_close(socket) != EM_OK)
        return;
    state->failure = failure->status;
    rb_em_schedule_close(state->slot);
}

static void on_proxy_completed(em_datagram_socket *socket)
{
    const datagram_state *state = em_datagram_socket_get_user(socket);
    rb_em_report_proxy_completed(state->slot);
}

static void on_proxy_target_unbound(em_datagram_socket *socket)
{
    const datagram_state *state = em_datagram_socket_get_user(socket);
    rb_em_report_proxy_target_unbound(state->slot);
}

/* As in 1.x, an inactivity timeout is no failure. */
static void on_unbind(em_datagram_socket *socket, em_status reason)
{
    datagram_state *state = em_datagram_socket_get_user(socket);
    if (state->failure != EM_OK)
        reason = state->failure;
    else if (reason == EM_INACTIVITY_TIMEOUT)
        reason = EM_OK;
    rb_em_ended(state->slot, reason);
    free(state);
}

static const em_datagram_handler handler = {
    .receive_datagram = on_datagram,
    .send_failed = on_failure,
    .proxy_completed = on_proxy_completed,
    .proxy_target_unbound = on_proxy_target_unbound,
    .unbind = on_unbind,
};

/* Sending */

/* The datagram cannot be sent: the socket ends as if the system had said so, after those that were queued before. */
static void fail(rb_em_slot *slot, em_status reason)
{
    state_of(slot)->failure = reason;
    em_datagram_socket_close_after_writing(socket_of(slot));
    rb_em_schedule_close(slot);
    rb_em_changed();
}

static em_status note_result(rb_em_slot *slot, em_status status)
{
    rb_em_check_memory(status);
    if (status == EM_MESSAGE_TOO_LONG) {
        fail(slot, status);
        return EM_OK;
    }
    rb_em_changed();
    return status;
}

/* Only a socket that the program has attached can have one. */
static bool has_fixed_peer(rb_em_slot *slot)
{
    em_address peer;
    return state_of(slot)->attached >= 0 && em_datagram_socket_get_peer_address(socket_of(slot), &peer) == EM_OK;
}

static VALUE send_to_fixed_peer(rb_em_slot *slot, VALUE text, size_t length)
{
    em_status status = note_result(slot, em_datagram_socket_send(socket_of(slot), RSTRING_PTR(text), length));
    return status < 0 ? INT2FIX(0) : ULL2NUM(length);
}

static VALUE send_text(rb_em_slot *slot, VALUE text, size_t length)
{
    em_address peer, local;
    em_datagram last = {.peer = &peer};
    if (slot->flags & RB_EM_CLOSING)
        return INT2FIX(0);
    if (has_fixed_peer(slot))
        return send_to_fixed_peer(slot, text, length);
    if (em_datagram_socket_get_sender(socket_of(slot), &peer, &local) != EM_OK) {
        fail(slot, EM_INVALID_ARGUMENT);
        return ULL2NUM(length);
    }
    if (local.length > 0)
        last.local = &local;
    em_status status = note_result(slot, em_datagram_socket_reply(socket_of(slot), &last, RSTRING_PTR(text), length));
    return status < 0 ? INT2FIX(0) : ULL2NUM(length);
}

static rb_em_slot *find_datagram_socket(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    return slot && slot->kind == RB_EM_DATAGRAM_SOCKET && slot->native.object ? slot : NULL;
}

static rb_em_slot *socket_to_send(VALUE signature)
{
    rb_em_loop("send_datagram");
    rb_em_slot *slot = find_datagram_socket(signature);
    if (!slot)
        rb_em_raise("ConnectionError", "error in sending datagram");
    return slot;
}

static long length_to_send(VALUE text, VALUE length)
{
    long bytes = NUM2LONG(length);
    if (bytes < 0)
        rb_raise(rb_eArgError, "negative length");
    return bytes < RSTRING_LEN(text) ? bytes : RSTRING_LEN(text);
}

/* nil for a host name. */
static VALUE send_to_literal(VALUE self, VALUE signature, VALUE text, VALUE length, VALUE host, VALUE port)
{
    StringValue(text);
    long number = rb_em_port(port);
    long bytes = length_to_send(text, length);
    const char *name = StringValueCStr(host);
    rb_em_slot *slot = socket_to_send(signature);
    em_address peer;
    if (*name == '\0' || number == 0)
        return INT2FIX(0);
    if (number < 0 || number > 65535)
        rb_em_raise("ConnectionError", "error in sending datagram");
    if (em_address_from_text(name, (int)number, &peer) != EM_OK)
        return Qnil;
    em_status status =
        note_result(slot, em_datagram_socket_send_to(socket_of(slot), RSTRING_PTR(text), (size_t)bytes, &peer));
    RB_GC_GUARD(text);
    RB_GC_GUARD(host);
    if (status == EM_CLOSED)
        return INT2FIX(0);
    if (status < 0)
        rb_em_raise("ConnectionError", "error in sending datagram");
    return LONG2NUM(bytes);
}

/* Names */

/* A datagram waits for the name of its peer. Returns whether the socket is still open. */
static VALUE wait_for_name(VALUE self, VALUE signature)
{
    rb_em_slot *slot = find_datagram_socket(signature);
    if (slot)
        state_of(slot)->waiting++;
    return slot ? Qtrue : Qfalse;
}

/* The datagram does not wait any more, because it was sent or dropped. */
static VALUE end_wait_for_name(VALUE self, VALUE signature)
{
    rb_em_slot *slot = find_datagram_socket(signature);
    if (!slot || --state_of(slot)->waiting > 0 || !state_of(slot)->closes_then)
        return Qnil;
    em_datagram_socket_close_after_writing(socket_of(slot));
    return Qnil;
}

/* A name that is being resolved, and its addresses. */
typedef struct name_result {
    const em_address *addresses;
    size_t count;
    char name[];
} name_result;

static VALUE report_name(VALUE argument)
{
    const name_result *result = (void *)argument;
    VALUE list = rb_ary_new();
    for (size_t i = 0; i < result->count; i++)
        rb_ary_push(list, rb_str_new((const char *)result->addresses[i].storage.bytes, result->addresses[i].length));
    return rb_funcall(rb_em_module, rb_intern("datagram_name_resolved"), 2, rb_str_new_cstr(result->name), list);
}

static void on_resolved(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                        void *user)
{
    name_result *result = user;
    result->addresses = addresses;
    result->count = count;
    rb_em_call(report_name, (VALUE)result);
    free(result);
}

/* Returns whether datagram_name_resolved will be called. */
static VALUE resolve_datagram_name(VALUE self, VALUE host)
{
    em_loop *loop = rb_em_loop("send_datagram");
    const char *name = StringValueCStr(host);
    name_result *result = malloc(sizeof *result + strlen(name) + 1);
    em_status status = EM_NO_MEMORY;
    if (result) {
        memcpy(result->name, name, strlen(name) + 1);
        status = em_loop_resolve(loop, name, NULL, on_resolved, result, free, NULL);
    }
    if (status < 0)
        free(result);
    rb_em_check_memory(status);
    rb_em_changed();
    return status < 0 ? Qfalse : Qtrue;
}

/* Opening */

static datagram_state *make_state(rb_em_slot *slot, int attached)
{
    datagram_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->slot = slot;
    state->attached = attached;
    return state;
}

static em_status open_socket(em_loop *loop, const char *host, int port, rb_em_slot *slot)
{
    datagram_state *state = make_state(slot, -1);
    if (!state)
        return EM_NO_MEMORY;
    em_datagram_socket *socket;
    em_datagram_options options = {.size = sizeof options,
                                   .user = state,
                                   .reuse_address = EM_ON,
                                   .broadcast = EM_ON,
                                   .report_network_errors = EM_OFF};
    em_status status = em_loop_open_datagram_socket(loop, host, port, &handler, &options, &socket);
    if (status < 0)
        free(state);
    else
        slot->native.object = socket;
    return status;
}

static VALUE open_udp_socket(VALUE self, VALUE host, VALUE port)
{
    long number = rb_em_port(port);
    const char *name = StringValueCStr(host);
    em_loop *loop = rb_em_loop_to_open("open_datagram_socket");
    rb_em_slot *slot = rb_em_table_add(RB_EM_DATAGRAM_SOCKET, Qnil);
    em_status status = EM_OK;
    if (number < 0 || number > 65535)
        status = EM_INVALID_PORT;
    else if (!rb_em_is_too_late(slot))
        status = open_socket(loop, name, (int)number, slot);
    RB_GC_GUARD(host);
    if (status >= 0)
        return rb_em_opened_ready(slot);
    rb_em_table_delete(slot);
    rb_em_check_memory(status);
    rb_raise(rb_eRuntimeError, "no datagram socket");
}

static int socket_number(int descriptor, int option)
{
    int number;
    socklen_t length = sizeof number;
    return getsockopt(descriptor, SOL_SOCKET, option, &number, &length) == 0 ? number : -1;
}

/* Attaches a copy of the descriptor, because the loop closes what it has, and the program's must stay open. */
static em_status attach_copy(em_loop *loop, int descriptor, rb_em_slot *slot)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy < 0)
        return EM_NO_DESCRIPTORS;
    bool is_unix = socket_number(descriptor, SO_DOMAIN) == AF_UNIX; /* has no network errors to be reported */
    datagram_state *state = make_state(slot, descriptor);
    em_datagram_options options = {
        .size = sizeof options, .user = state, .report_network_errors = is_unix ? EM_DEFAULT : EM_OFF};
    em_datagram_socket *socket = NULL;
    em_status status = EM_NO_MEMORY;
    if (state)
        status = em_loop_attach_datagram_socket(loop, copy, &handler, &options, &socket);
    slot->native.object = socket;
    if (status < 0) {
        close(copy);
        free(state);
    }
    return status;
}

bool rb_em_is_datagram_socket(int descriptor)
{
    return socket_number(descriptor, SO_TYPE) == SOCK_DGRAM;
}

VALUE rb_em_attach_datagram_socket(int descriptor)
{
    em_loop *loop = rb_em_loop_to_open("attach_fd");
    rb_em_slot *slot = rb_em_table_add(RB_EM_DATAGRAM_SOCKET, Qnil);
    em_status status = EM_OK;
    if (!rb_em_is_too_late(slot))
        status = rb_em_is_registered(descriptor) ? EM_FILE_EXISTS : attach_copy(loop, descriptor, slot);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_refuse_descriptor(status);
    }
    rb_em_register(descriptor, slot);
    slot->flags |= RB_EM_ATTACHED;
    return rb_em_opened_ready(slot);
}

/* The kind */

static size_t get_outbound_bytes(const rb_em_slot *slot)
{
    return em_datagram_socket_get_outbound_bytes(socket_of(slot));
}

static void close_socket(rb_em_slot *slot, bool after_writing)
{
    if (!after_writing)
        em_datagram_socket_close(socket_of(slot));
    else if (state_of(slot)->waiting > 0)
        state_of(slot)->closes_then = true;
    else
        em_datagram_socket_close_after_writing(socket_of(slot));
}

static void end_socket(rb_em_slot *slot)
{
    em_datagram_socket_close(socket_of(slot));
}

static em_status detach(rb_em_slot *slot, int *descriptor)
{
    int attached = state_of(slot)->attached;
    em_status status = em_datagram_socket_detach(socket_of(slot), descriptor);
    if (status < 0 || attached < 0)
        return status;
    close(*descriptor);
    *descriptor = attached;
    return status;
}

static bool pause_socket(rb_em_slot *slot)
{
    return rb_em_takes_pause(slot) || em_datagram_socket_pause(socket_of(slot)) == EM_OK;
}

static bool resume_socket(rb_em_slot *slot)
{
    return !(slot->flags & RB_EM_HELD_BACK) && em_datagram_socket_resume(socket_of(slot)) == EM_OK;
}

static bool is_paused(const rb_em_slot *slot)
{
    return em_datagram_socket_is_paused(socket_of(slot)) && !(slot->flags & RB_EM_HELD_BACK);
}

static uint64_t get_idle_ns(const rb_em_slot *slot)
{
    return em_datagram_socket_get_idle_ns(socket_of(slot));
}

static uint64_t get_inactivity_timeout_ns(const rb_em_slot *slot)
{
    return em_datagram_socket_get_inactivity_timeout_ns(socket_of(slot));
}

static em_status set_inactivity_timeout_ns(rb_em_slot *slot, uint64_t timeout_ns)
{
    return em_datagram_socket_set_inactivity_timeout_ns(socket_of(slot), timeout_ns);
}

/* The fixed peer, or the sender; zeros before the first datagram. */
static em_status get_peer_address(rb_em_slot *slot, em_address *address)
{
    *address = (em_address){.length = 0};
    em_datagram_socket_get_sender(socket_of(slot), address, NULL);
    if (has_fixed_peer(slot))
        em_datagram_socket_get_peer_address(socket_of(slot), address);
    if (em_address_get_family(address) != EM_ADDRESS_UNIX && address->length < PEERNAME_BYTES) {
        memset(address->storage.bytes + address->length, 0, PEERNAME_BYTES - address->length);
        address->length = PEERNAME_BYTES;
    }
    return EM_OK;
}

static em_status get_local_address(rb_em_slot *slot, em_address *address)
{
    return em_datagram_socket_get_local_address(socket_of(slot), address);
}

static int get_descriptor(const rb_em_slot *slot)
{
    int descriptor = em_datagram_socket_get_descriptor(socket_of(slot));
    return descriptor >= 0 && state_of(slot)->attached >= 0 ? state_of(slot)->attached : descriptor;
}

static em_status set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    return em_datagram_socket_set_socket_option(socket_of(slot), level, option, value, bytes);
}

const rb_em_operations rb_em_datagram_operations = {
    .send = send_text,
    .get_outbound_bytes = get_outbound_bytes,
    .close = close_socket,
    .end = end_socket,
    .detach = detach,
    .pause = pause_socket,
    .resume = resume_socket,
    .is_paused = is_paused,
    .get_idle_ns = get_idle_ns,
    .get_inactivity_timeout_ns = get_inactivity_timeout_ns,
    .set_inactivity_timeout_ns = set_inactivity_timeout_ns,
    .get_peer_address = get_peer_address,
    .get_local_address = get_local_address,
    .get_descriptor = get_descriptor,
    .set_socket_option = set_socket_option,
    .after_unbind = rb_em_close_attached,
};

void rb_em_define_datagram(void)
{
    RB_EM_FUNCTION("open_udp_socket", open_udp_socket, 2);
    RB_EM_PRIVATE("send_to_literal", send_to_literal, 5);
    RB_EM_PRIVATE("wait_for_name", wait_for_name, 1);
    RB_EM_PRIVATE("end_wait_for_name", end_wait_for_name, 1);
    RB_EM_PRIVATE("resolve_datagram_name", resolve_datagram_name, 1);
}
