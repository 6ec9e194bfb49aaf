/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine::TLSContext, created from the settings of lib/em/tls/settings.rb. The object holds one reference to the
 * native context, and connections hold others, so the garbage collector may free the object at any time.
 */
#include "rb_tls_context.h"

#include <string.h>

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

/* about: what the message begins with. */
NORETURN(static void raise_about(em_status status, VALUE about));
static void raise_about(em_status status, VALUE about)
{
    const char *detail = em_status_get_detail(status);
    switch (rb_em_check_memory(status)) {
    case EM_TLS_BAD_KEY:
        rb_em_raise("InvalidPrivateKey", "%" PRIsVALUE "%s", about, detail);
    case EM_TLS_BAD_CERTIFICATE:
        rb_em_raise("BadCertParams", "%" PRIsVALUE "%s", about, detail);
    case EM_TLS_BAD_OPTION:
        rb_em_raise("BadParams", "%" PRIsVALUE "%s", about, detail);
    case EM_TLS_NO_HOSTNAME:
    case EM_INVALID_ARGUMENT:
        rb_raise(rb_eArgError, "%" PRIsVALUE "%s", about, detail);
    default:
        rb_raise(rb_eRuntimeError, "%" PRIsVALUE "%s", about, detail);
    }
}

void rb_em_raise_tls(em_status status)
{
    raise_about(status, rb_str_new_cstr(""));
}

/*
 * A Hash of settings that is being read. The library gets pointers into its Strings, so the garbage collector must not
 * move them meanwhile: `kept` is memory that pins the objects in it.
 */
typedef struct reader {
    VALUE hash;
    VALUE buffer; /* of `kept` */
    VALUE *kept;
    size_t count;
} reader;

enum { MOST_TEXTS = 24 };

static reader read_settings(VALUE hash)
{
    reader reader = {.hash = hash};
    reader.kept = rb_alloc_tmp_buffer(&reader.buffer, MOST_TEXTS * (long)sizeof *reader.kept);
    memset(reader.kept, 0, MOST_TEXTS * sizeof *reader.kept);
    return reader;
}

static VALUE setting(const reader *reader, const char *name)
{
    return rb_hash_lookup(reader->hash, ID2SYM(rb_intern(name)));
}

/* Returns NULL if it is not given. */
static const char *text(reader *reader, const char *name)
{
    VALUE value = setting(reader, name);
    if (NIL_P(value))
        return NULL;
    reader->kept[reader->count++] = value;
    return StringValueCStr(value);
}

static em_switch choice(const reader *reader, const char *name)
{
    VALUE value = setting(reader, name);
    if (NIL_P(value))
        return EM_DEFAULT;
    return RTEST(value) ? EM_ON : EM_OFF;
}

static unsigned number(const reader *reader, const char *name)
{
    VALUE value = setting(reader, name);
    return NIL_P(value) ? 0 : NUM2UINT(value);
}

static em_tls_certificate_options certificate_options(reader *reader)
{
    return (em_tls_certificate_options){
        .size = sizeof(em_tls_certificate_options),
        .certificate_file = text(reader, "cert_chain_file"),
        .certificate_pem = text(reader, "cert"),
        .private_key_file = text(reader, "private_key_file"),
        .private_key_pem = text(reader, "private_key"),
        .passphrase = text(reader, "private_key_pass"),
    };
}

/* All options except the certificates and the protocols. */
static em_tls_context_options context_options(reader *reader)
{
    em_tls_context_options options = {
        .size = sizeof options,
        .self_signed = choice(reader, "self_signed"),
        .verify = choice(reader, "verify"),
        .client_certificates = number(reader, "client_certificates"),
        .ca_file = text(reader, "ca_file"),
        .ca_path = text(reader, "ca_path"),
        .ca_pem = text(reader, "ca_pem"),
        .verify_override = choice(reader, "verify_override"),
        .versions = number(reader, "versions"),
        .cipher_list = text(reader, "cipher_list"),
        .groups = text(reader, "groups"),
        .dh_file = text(reader, "dh_file"),
        .session_tickets = choice(reader, "session_tickets"),
    };
    if (RTEST(setting(reader, "verify_peer")))
        options.verify_peer = rb_em_tls_verify_peer;
    return options;
}

/* Returns the names, ending with NULL, in memory that `buffer` keeps. It begins with the Strings, which it pins. */
static const char *const *protocols(const reader *reader, VALUE *buffer)
{
    VALUE names = setting(reader, "alpn");
    if (NIL_P(names))
        return NULL;
    long count = RARRAY_LEN(names);
    VALUE *kept = rb_alloc_tmp_buffer(buffer, count * (long)sizeof *kept + (count + 1) * (long)sizeof(char *));
    const char **list = (const char **)(kept + count);
    for (long i = 0; i < count; i++) {
        kept[i] = rb_ary_entry(names, i);
        list[i] = StringValueCStr(kept[i]);
    }
    list[count] = NULL;
    return list;
}

static int add_certificate(VALUE name, VALUE settings, VALUE context)
{
    reader reader = read_settings(settings);
    em_tls_certificate_options certificate = certificate_options(&reader);
    const char *server_name = StringValueCStr(name);
    em_status status = em_tls_context_add_certificate((em_tls_context *)context, server_name, &certificate);
    RB_GC_GUARD(reader.buffer);
    if (status < 0)
        raise_about(status, rb_sprintf("certificates: %+" PRIsVALUE ": ", name));
    RB_GC_GUARD(name);
    return ST_CONTINUE;
}

static VALUE create_tls_context(VALUE self, VALUE settings)
{
    VALUE object = TypedData_Wrap_Struct(tls_context_class, &context_type, NULL);
    VALUE buffer = Qnil;
    reader reader = read_settings(settings);
    em_tls_certificate_options certificate = certificate_options(&reader);
    em_tls_context_options options = context_options(&reader);
    if (certificate.certificate_file || certificate.certificate_pem)
        options.certificate = &certificate;
    options.alpn = protocols(&reader, &buffer);
    em_tls_context *context;
    em_status status = em_tls_context_create(&options, &context);
    RB_GC_GUARD(buffer);
    RB_GC_GUARD(reader.buffer);
    if (status < 0)
        rb_em_raise_tls(status);
    RTYPEDDATA_DATA(object) = context;
    VALUE certificates = setting(&reader, "certificates");
    if (!NIL_P(certificates))
        rb_hash_foreach(certificates, add_certificate, (VALUE)context);
    return object;
}

/* Raises unless it is a String of the length of a key. */
static em_tls_ticket_key ticket_key(VALUE text)
{
    em_tls_ticket_key key;
    StringValue(text);
    if (RSTRING_LEN(text) != sizeof key)
        rb_raise(rb_eArgError, "a ticket key has %d bytes", (int)sizeof key);
    memcpy(&key, RSTRING_PTR(text), sizeof key);
    return key;
}

static VALUE set_tls_ticket_keys(VALUE self, VALUE context, VALUE keys)
{
    em_tls_ticket_key copies[EM_TLS_MAX_TICKET_KEYS];
    Check_Type(keys, T_ARRAY);
    long count = RARRAY_LEN(keys);
    for (long i = 0; i < count && i < EM_TLS_MAX_TICKET_KEYS; i++)
        copies[i] = ticket_key(rb_ary_entry(keys, i));
    em_status status = em_tls_context_set_ticket_keys(rb_em_tls_context_of(context), copies, (unsigned)count);
    RB_GC_GUARD(context);
    if (status < 0)
        rb_em_raise_tls(status);
    return Qnil;
}

void rb_em_define_tls_context(void)
{
    tls_context_class = rb_define_class_under(rb_em_module, "TLSContext", rb_cObject);
    rb_undef_alloc_func(tls_context_class);
    rb_gc_register_mark_object(tls_context_class);
    RB_EM_PRIVATE("create_tls_context", create_tls_context, 1);
    RB_EM_PRIVATE("set_tls_ticket_keys", set_tls_ticket_keys, 2);
}
