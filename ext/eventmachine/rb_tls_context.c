/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine::TLSContext, made from the settings that lib/em/tls/settings.rb has chosen. The object holds one use of
 * the native context; connections hold others, so the collector may free the object at any time.
 */
#include "rb_tls_context.h"

#include "rb_define.h"
#include "rb_module.h"
#include "rb_status.h"
#include "rb_tls_verify.h"

static VALUE tls_context_class;

static void free_context(void *context)
{
    em_tls_context_release(context);
}

static const rb_data_type_t context_type = {
    .wrap_struct_name = "EventMachine::TLSContext",
    .function = {.dfree = free_context},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

em_tls_context *rb_em_tls_context_of(VALUE object)
{
    return rb_check_typeddata(object, &context_type);
}

void rb_em_raise_tls(em_status status)
{
    const char *detail = em_status_get_detail(status);
    switch (rb_em_check_memory(status)) {
    case EM_TLS_BAD_KEY:
        rb_em_raise("InvalidPrivateKey", "%s", detail);
    case EM_TLS_BAD_CERTIFICATE:
        rb_em_raise("BadCertParams", "%s", detail);
    case EM_TLS_BAD_OPTION:
        rb_em_raise("BadParams", "%s", detail);
    case EM_TLS_NO_HOSTNAME:
    case EM_INVALID_ARGUMENT:
        rb_raise(rb_eArgError, "%s", detail);
    default:
        rb_raise(rb_eRuntimeError, "%s", detail);
    }
}

static VALUE setting(VALUE settings, const char *name)
{
    return rb_hash_lookup(settings, ID2SYM(rb_intern(name)));
}

/* NULL if it is not given. The String is the Hash's. */
static const char *text(VALUE settings, const char *name)
{
    VALUE value = setting(settings, name);
    return NIL_P(value) ? NULL : StringValueCStr(value);
}

static em_switch choice(VALUE settings, const char *name)
{
    VALUE value = setting(settings, name);
    if (NIL_P(value))
        return EM_DEFAULT;
    return RTEST(value) ? EM_ON : EM_OFF;
}

static unsigned number(VALUE settings, const char *name)
{
    VALUE value = setting(settings, name);
    return NIL_P(value) ? 0 : NUM2UINT(value);
}

static em_tls_certificate_options certificate_options(VALUE settings)
{
    return (em_tls_certificate_options){
        .size = sizeof(em_tls_certificate_options),
        .certificate_file = text(settings, "cert_chain_file"),
        .certificate_pem = text(settings, "cert"),
        .private_key_file = text(settings, "private_key_file"),
        .private_key_pem = text(settings, "private_key"),
        .passphrase = text(settings, "private_key_pass"),
    };
}

/* Without certificates and protocols. */
static em_tls_context_options context_options(VALUE settings)
{
    em_tls_context_options options = {
        .size = sizeof options,
        .self_signed = choice(settings, "self_signed"),
        .verify = choice(settings, "verify"),
        .client_certificates = number(settings, "client_certificates"),
        .ca_file = text(settings, "ca_file"),
        .ca_path = text(settings, "ca_path"),
        .ca_pem = text(settings, "ca_pem"),
        .verify_override = choice(settings, "verify_override"),
        .versions = number(settings, "versions"),
        .cipher_list = text(settings, "cipher_list"),
        .groups = text(settings, "groups"),
        .dh_file = text(settings, "dh_file"),
        .session_tickets = choice(settings, "session_tickets"),
    };
    if (RTEST(setting(settings, "verify_peer")))
        options.verify_peer = rb_em_tls_verify_peer;
    return options;
}

/* The names, ending with NULL, in memory of Ruby's that `buffer` keeps. */
static const char *const *protocols(VALUE settings, VALUE *buffer)
{
    VALUE names = setting(settings, "alpn");
    if (NIL_P(names))
        return NULL;
    long count = RARRAY_LEN(names);
    const char **list = rb_alloc_tmp_buffer(buffer, (count + 1) * (long)sizeof *list);
    for (long i = 0; i < count; i++) {
        VALUE name = RARRAY_AREF(names, i);
        list[i] = StringValueCStr(name);
    }
    list[count] = NULL;
    return list;
}

static int add_certificate(VALUE name, VALUE settings, VALUE context)
{
    em_tls_certificate_options certificate = certificate_options(settings);
    em_status status = em_tls_context_add_certificate((em_tls_context *)context, StringValueCStr(name), &certificate);
    if (status < 0)
        rb_em_raise_tls(status);
    return ST_CONTINUE;
}

static VALUE create_tls_context(VALUE self, VALUE settings)
{
    VALUE object = TypedData_Wrap_Struct(tls_context_class, &context_type, NULL);
    VALUE buffer = Qnil;
    em_tls_certificate_options certificate = certificate_options(settings);
    em_tls_context_options options = context_options(settings);
    if (certificate.certificate_file || certificate.certificate_pem)
        options.certificate = &certificate;
    options.alpn = protocols(settings, &buffer);
    em_tls_context *context;
    em_status status = em_tls_context_create(&options, &context);
    if (status < 0)
        rb_em_raise_tls(status);
    RTYPEDDATA_DATA(object) = context;
    VALUE certificates = setting(settings, "certificates");
    if (!NIL_P(certificates))
        rb_hash_foreach(certificates, add_certificate, (VALUE)context);
    RB_GC_GUARD(buffer);
    RB_GC_GUARD(settings);
    return object;
}

void rb_em_define_tls_context(void)
{
    tls_context_class = rb_define_class_under(rb_em_module, "TLSContext", rb_cObject);
    rb_undef_alloc_func(tls_context_class);
    rb_gc_register_mark_object(tls_context_class);
    RB_EM_PRIVATE("create_tls_context", create_tls_context, 1);
}
