/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calls Connection#ssl_verify_peer for a certificate of the peer. OpenSSL is on the stack meanwhile, so an exception is
 * kept, as from other callbacks, and counts as a rejection.
 */
#include "rb_tls_verify.h"

#include <ruby/encoding.h>

#include "rb_clock.h"
#include "rb_complete.h"
#include "rb_define.h"
#include "rb_handler.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_state.h"

/* After this time, the method is called even if the object is not complete. Otherwise a thread that waits for the
 * reactor in `post_init` would deadlock with it. */
#define LONGEST_WAIT_NS EM_SECONDS

static ID id_ssl_verify_peer, id_pack;

typedef struct question {
    const em_connection *connection;
    const em_tls_peer_certificate *certificate;
    bool is_accepted;
} question;

/* Set while ssl_verify_peer runs. A forked child may have jumped out of it; then its reactor is another. */
static question *current;
static unsigned current_generation;

const em_tls_peer_certificate *rb_em_tls_judged(const em_connection *connection)
{
    bool is_asking = current && current_generation == rb_em_the_reactor.generation;
    return is_asking && current->connection == connection ? current->certificate : NULL;
}

/* RFC 7468. Array#pack encodes 48 bytes per line, as 64 characters. */
static VALUE pem(const em_tls_peer_certificate *certificate)
{
    VALUE der = rb_str_new(certificate->der, (long)certificate->der_bytes);
    VALUE format = rb_str_new_cstr("m48");
    VALUE body = rb_funcallv(rb_ary_new_from_args(1, der), id_pack, 1, &format);
    VALUE text = rb_enc_str_new_cstr("-----BEGIN CERTIFICATE-----\n", rb_ascii8bit_encoding());
    rb_str_cat(text, RSTRING_PTR(body), RSTRING_LEN(body));
    RB_GC_GUARD(body);
    return rb_str_cat_cstr(text, "-----END CERTIFICATE-----\n");
}

static VALUE ask(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    question *question = current;
    VALUE object = rb_em_object_of(message->slot);
    VALUE text = pem(question->certificate);
    question->is_accepted = RTEST(rb_funcallv(object, id_ssl_verify_peer, 1, &text));
    return Qnil;
}

/* Lets other threads run meanwhile. On a busy machine a pause may be much longer than it should. */
static VALUE await_object(VALUE argument)
{
    const rb_em_slot *slot = (void *)argument;
    struct timeval pause = {.tv_usec = 1000};
    uint64_t begun_ns = rb_em_clock_ns();
    while (slot->flags & RB_EM_HELD && !(slot->flags & RB_EM_READY) && rb_em_clock_ns() - begun_ns < LONGEST_WAIT_NS)
        rb_thread_wait_for(pause);
    return Qnil;
}

/*
 * The result cannot be deferred. So if another thread has opened the connection and its object is not complete yet, the
 * loop waits until `initialize`, `post_init` and the block have returned.
 */
static void end_hold(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_HELD)
        rb_em_call(await_object, (VALUE)slot);
    if (slot->flags & RB_EM_READY)
        rb_em_end_hold(slot);
}

int rb_em_tls_verify_peer(em_connection *connection, const em_tls_peer_certificate *certificate, void *user)
{
    question asked = {.connection = connection, .certificate = certificate};
    question *outer = current;
    rb_em_message message = {.slot = em_connection_get_user(connection)};
    if (!message.slot)
        return 0;
    end_hold(message.slot);
    current = &asked;
    current_generation = rb_em_the_reactor.generation;
    rb_em_deliver(ask, &message);
    current = outer;
    return asked.is_accepted;
}

void rb_em_define_tls_verify(void)
{
    id_ssl_verify_peer = rb_intern("ssl_verify_peer");
    id_pack = rb_intern("pack");
}
