/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups of addresses for EventMachine::DNS (lib/em/resolver.rb), which finds the request by the signature of its
 * lookup. So no object needs to be kept alive here.
 */
#include <string.h>

#include "rb_argument.h"
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_status.h"

enum { MOST_SERVERS = 8 };

static ID id_dns, id_finish;

/* What a callback passes to Ruby. */
typedef struct result {
    em_lookup lookup;
    em_status status;
    int response_code;
    VALUE addresses;
} result;

/* Called under rb_protect. */
static VALUE call_finish(VALUE argument)
{
    const result *found = (const result *)argument;
    VALUE arguments[] = {ULL2NUM(found->lookup), rb_usascii_str_new_cstr(em_status_get_name(found->status)),
                         INT2FIX(found->response_code), found->addresses};
    return rb_funcallv(rb_const_get(rb_em_module, id_dns), id_finish, 4, arguments);
}

/* "192.0.2.1:0" and "[2001:db8::1]:0" without port and brackets. */
static VALUE text_of(const em_address *address)
{
    char text[EM_ADDRESS_TEXT_BYTES];
    em_address_to_text(address, text, sizeof text);
    char *port = strrchr(text, ':');
    if (text[0] == '[')
        return rb_usascii_str_new(text + 1, port - text - 2);
    return rb_usascii_str_new(text, port ? port - text : 0);
}

typedef struct list {
    const em_record *records; /* NULL: the addresses */
    const em_address *addresses;
    size_t count;
} list;

static VALUE make_texts(VALUE argument)
{
    const list *given = (const list *)argument;
    VALUE texts = rb_ary_new();
    for (size_t i = 0; i < given->count; i++)
        rb_ary_push(texts, text_of(given->records ? &given->records[i].address : &given->addresses[i]));
    return texts;
}

static void finish(em_lookup lookup, em_status status, int response_code, const list *found)
{
    int failed = 0;
    VALUE texts = rb_protect(make_texts, (VALUE)found, &failed);
    if (failed)
        rb_set_errinfo(Qnil); /* no memory: as if there were no addresses */
    result given = {lookup, status, response_code, failed ? Qnil : texts};
    rb_em_call(call_finish, (VALUE)&given);
    RB_GC_GUARD(texts);
}

static void on_answer(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user)
{
    list found = {.records = answer->records, .count = answer->record_count};
    finish(lookup, status, answer->response_code, &found);
}

/* From the system's resolver, which has no response codes. -1: it has not found out. */
static int response_code_of(em_status status)
{
    if (status == EM_NAME_NOT_FOUND)
        return 3;
    return status == EM_OK || status == EM_NO_RECORDS ? 0 : -1;
}

static void on_addresses(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                         void *user)
{
    list found = {.addresses = addresses, .count = count};
    finish(lookup, status, response_code_of(status), &found);
}

static size_t read_servers(VALUE servers, const char **texts)
{
    size_t count = NIL_P(servers) ? 0 : (size_t)RARRAY_LEN(servers);
    if (count > MOST_SERVERS)
        count = MOST_SERVERS;
    for (size_t i = 0; i < count; i++) {
        VALUE server = rb_ary_entry(servers, (long)i);
        texts[i] = StringValueCStr(server);
    }
    return count;
}

/* Looks up the IPv4 addresses of a name, asking each server once. Returns the signature that EventMachine::DNS.finish
 * will be called with. */
static VALUE begin_lookup(VALUE self, VALUE name, VALUE servers, VALUE seconds)
{
    em_loop *loop = rb_em_loop("begin_lookup");
    const char *texts[MOST_SERVERS];
    /* The files are read in Ruby. */
    em_resolver_options resolver = {
        .size = sizeof resolver, .servers = texts, .attempts = 1, .hosts_file = "", .resolv_conf = ""};
    em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4};
    em_lookup lookup;
    const char *text = StringValueCStr(name);
    resolver.server_count = read_servers(servers, texts);
    resolver.timeout_ns = rb_em_seconds_to_ns(rb_em_seconds(seconds));
    options.resolver = &resolver;
    em_status status = em_loop_query(loop, text, EM_RECORD_A, &options, on_answer, NULL, NULL, &lookup);
    if (status == EM_UNSUPPORTED) {
        options.resolver = NULL;
        status = em_loop_resolve(loop, text, &options, on_addresses, NULL, NULL, &lookup);
    }
    RB_GC_GUARD(name);
    RB_GC_GUARD(servers);
    if (status != EM_OK)
        rb_em_raise_status(status);
    return ULL2NUM(lookup);
}

static VALUE cancel_lookup(VALUE self, VALUE lookup)
{
    return em_loop_cancel_lookup(rb_em_loop("cancel_lookup"), NUM2ULL(lookup)) == EM_OK ? Qtrue : Qfalse;
}

void rb_em_define_dns(void)
{
    id_dns = rb_intern("DNS");
    id_finish = rb_intern("finish");
    RB_EM_PRIVATE("begin_lookup", begin_lookup, 3);
    RB_EM_PRIVATE("cancel_lookup", cancel_lookup, 1);
}
