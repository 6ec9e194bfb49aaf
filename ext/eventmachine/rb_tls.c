/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS of connections: starting it, and the getters. lib/em/tls checks the parameters.
 */
#include "rb_argument.h"
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_tls_context.h"
#include "rb_tls_verify.h"

static ID id_server, id_client, id_running;

static VALUE has_tls(VALUE self)
{
    return em_has_tls() ? Qtrue : Qfalse;
}

/* Returns false if the connection has no TLS. */
static bool get_info(const em_connection *connection, em_tls_info *info)
{
    return connection && em_connection_get_tls_info(connection, info, sizeof *info) >= 0;
}

static bool find_info(const char *name, VALUE signature, em_tls_info *info)
{
    rb_em_loop(name);
    return get_info(rb_em_find_stream(signature), info);
}

/* Returns :server, :client or, once TLS was started, :running; nil for what is no stream, and for a connection that is
 * gone, ending, or closing after what is queued. */
static VALUE tls_role(VALUE self, VALUE signature)
{
    rb_em_loop("start_tls");
    const rb_em_slot *slot = rb_em_find_connection(signature);
    const em_connection *stream = rb_em_stream_of_slot(slot);
    em_tls_info info;
    if (!stream || slot->flags & RB_EM_CLOSING || em_connection_get_state(stream) >= EM_STATE_DRAINING)
        return Qnil;
    if (rb_em_the_reactor.forks > 0)
        rb_em_raise_tls(EM_FORKED);
    if (get_info(stream, &info))
        return ID2SYM(id_running);
    return ID2SYM(slot->flags & RB_EM_ACCEPTED ? id_server : id_client);
}

static const char *text_or_null(VALUE *text)
{
    return NIL_P(*text) ? NULL : rb_string_value_cstr(text);
}

static VALUE start_tls_with(VALUE self, VALUE signature, VALUE context, VALUE server_name, VALUE hostname,
                            VALUE seconds, VALUE judges)
{
    em_tls_options options = {
        .size = sizeof options,
        .context = rb_em_tls_context_of(context),
        .hostname = text_or_null(&hostname),
        .server_name = text_or_null(&server_name),
        .handshake_timeout_ns = NIL_P(seconds) ? 0 : rb_em_seconds_to_ns(NUM2DBL(seconds)),
    };
    em_connection *connection = rb_em_find_stream(signature);
    em_status status = connection ? em_connection_start_tls(connection, &options) : EM_CLOSED;
    RB_GC_GUARD(context);
    RB_GC_GUARD(server_name);
    RB_GC_GUARD(hostname);
    if (status < 0 && status != EM_CLOSED)
        rb_em_raise_tls(status);
    if (status >= 0 && !RTEST(judges))
        rb_em_the_reactor.unverified_clients++;
    rb_em_changed();
    return Qnil;
}

static VALUE text_or_nil(const char *text)
{
    return text ? rb_str_new_cstr(text) : Qnil;
}

/* Before the handshake is complete, 1.x returns "(NONE)" and not nil. */
static VALUE text_or_none(const char *text)
{
    return rb_str_new_cstr(text ? text : "(NONE)");
}

static VALUE peer_certificate(const em_connection *connection, unsigned index)
{
    size_t length = 0;
    if (em_connection_get_peer_certificate(connection, index, EM_TLS_PEM, NULL, &length) < 0)
        return Qnil;
    size_t room = length + 1;
    VALUE text = rb_str_buf_new((long)room);
    em_connection_get_peer_certificate(connection, index, EM_TLS_PEM, RSTRING_PTR(text), &room);
    rb_str_set_len(text, (long)length);
    return text;
}

static VALUE get_peer_cert(VALUE self, VALUE signature)
{
    em_tls_info info;
    if (!find_info("get_peer_cert", signature, &info))
        return Qnil;
    return peer_certificate(rb_em_find_stream(signature), 0);
}

static VALUE get_peer_cert_chain(VALUE self, VALUE signature)
{
    em_tls_info info;
    if (!find_info("get_peer_cert", signature, &info))
        return Qnil;
    VALUE chain = rb_ary_new();
    for (unsigned i = 0; i < info.peer_chain_count; i++)
        rb_ary_push(chain, peer_certificate(rb_em_find_stream(signature), i));
    return chain;
}

static VALUE get_cipher_bits(VALUE self, VALUE signature)
{
    em_tls_info info;
    if (!find_info("get_cipher_bits", signature, &info) || info.cipher_bits == 0)
        return Qnil;
    return INT2NUM(info.cipher_bits);
}

static VALUE get_cipher_name(VALUE self, VALUE signature)
{
    em_tls_info info;
    return find_info("get_cipher_name", signature, &info) ? text_or_none(info.cipher) : Qnil;
}

static VALUE get_cipher_protocol(VALUE self, VALUE signature)
{
    em_tls_info info;
    return find_info("get_cipher_protocol", signature, &info) ? text_or_none(info.protocol) : Qnil;
}

static VALUE get_sni_hostname(VALUE self, VALUE signature)
{
    em_tls_info info;
    return find_info("get_sni_hostname", signature, &info) ? text_or_nil(info.server_name) : Qnil;
}

static VALUE get_alpn_protocol(VALUE self, VALUE signature)
{
    em_tls_info info;
    return find_info("get_alpn_protocol", signature, &info) ? text_or_nil(info.alpn) : Qnil;
}

static VALUE verdict(em_status status, const char *detail)
{
    if (status >= 0)
        return rb_str_new_cstr("ok");
    return rb_str_new_cstr(detail && *detail ? detail : em_status_get_text(status));
}

/* Within ssl_verify_peer, the verdict is on the certificate that it was called for. */
static VALUE get_tls_verdict(VALUE self, VALUE signature)
{
    em_tls_info info;
    if (!find_info("get_tls_verdict", signature, &info))
        return Qnil;
    const em_tls_peer_certificate *judged = rb_em_tls_judged(rb_em_find_stream(signature));
    if (judged)
        return verdict(judged->verdict, judged->detail);
    if (!info.is_checked || (info.peer_chain_count == 0 && info.verdict >= 0))
        return Qnil;
    return verdict(info.verdict, info.detail);
}

static VALUE is_session_resumed(VALUE self, VALUE signature)
{
    em_tls_info info;
    return find_info("tls_session_resumed", signature, &info) && info.is_resumed ? Qtrue : Qfalse;
}

void rb_em_define_tls(void)
{
    em_tls_share_ticket_keys(); /* The process may fork workers before it uses TLS. */
    id_server = rb_intern("server");
    id_client = rb_intern("client");
    id_running = rb_intern("running");
    RB_EM_FUNCTION("ssl?", has_tls, 0);
    RB_EM_FUNCTION("get_peer_cert", get_peer_cert, 1);
    RB_EM_FUNCTION("get_peer_cert_chain", get_peer_cert_chain, 1);
    RB_EM_FUNCTION("get_cipher_bits", get_cipher_bits, 1);
    RB_EM_FUNCTION("get_cipher_name", get_cipher_name, 1);
    RB_EM_FUNCTION("get_cipher_protocol", get_cipher_protocol, 1);
    RB_EM_FUNCTION("get_sni_hostname", get_sni_hostname, 1);
    RB_EM_FUNCTION("get_alpn_protocol", get_alpn_protocol, 1);
    RB_EM_FUNCTION("get_tls_verdict", get_tls_verdict, 1);
    RB_EM_FUNCTION("tls_session_resumed?", is_session_resumed, 1);
    RB_EM_PRIVATE("tls_role", tls_role, 1);
    RB_EM_PRIVATE("start_tls_with", start_tls_with, 6);
}
