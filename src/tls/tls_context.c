/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The functions of em_tls_context: creating and releasing contexts, adding certificates, reloading.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "tls/tls_private.h"

int em_has_tls(void)
{
    return 1;
}

static void free_addition(emi_tls_addition *addition)
{
    OPENSSL_free(addition->server_name);
    emi_tls_free_certificate_options(&addition->options);
    OPENSSL_free(addition);
}

static void free_context(em_tls_context *context)
{
    emi_list *link;
    emi_tls_sessions_clear(&context->sessions);
    emi_tls_setup_release(context->setup);
    while ((link = emi_list_take_first(&context->additions)))
        free_addition(EMI_CONTAINER(link, emi_tls_addition, link));
    emi_tls_free_options(&context->options);
    OPENSSL_clear_free(context, sizeof *context);
}

static em_status read_certificate(em_tls_certificate_options *own, const em_tls_certificate_options *given)
{
    em_status status = emi_read_named_options("em_tls_certificate_options", own, sizeof *own, given);
    return status == EM_OK ? emi_tls_check_certificate(own) : status;
}

em_status emi_tls_read_context_options(em_tls_context_options *own, em_tls_certificate_options *certificate,
                                       const em_tls_context_options *given)
{
    em_status status = emi_read_named_options("em_tls_context_options", own, sizeof *own, given);
    if (status == EM_OK && own->certificate) {
        status = read_certificate(certificate, own->certificate);
        own->certificate = certificate;
    }
    return status == EM_OK ? emi_tls_check_options(own) : status;
}

/* On failure `dispose` is not called: the caller still owns `user`. */
em_status emi_tls_context_make(const em_tls_context_options *options, em_tls_context **made)
{
    em_tls_context *context = OPENSSL_zalloc(sizeof *context);
    if (!context)
        return emi_tls_out_of_memory();
    atomic_init(&context->uses, 1);
    atomic_init(&context->lock.holder, 0);
    atomic_init(&context->changes.holder, 0);
    emi_list_init(&context->additions);
    emi_tls_sessions_init(&context->sessions);
    em_status status = emi_tls_copy_options(&context->options, options);
    if (status == EM_OK)
        status = emi_tls_tickets_init(&context->tickets,
                                      options->ticket_seconds ? options->ticket_seconds : EMI_TLS_TICKET_SECONDS);
    if (status == EM_OK)
        status = emi_tls_setup_create(&context->options, &context->additions, &context->setup);
    if (status == EM_OK)
        *made = context;
    else
        free_context(context);
    return status;
}

em_status em_tls_context_create(const em_tls_context_options *options, em_tls_context **context)
{
    em_tls_context_options own;
    em_tls_certificate_options certificate;
    if (!context)
        return EM_INVALID_ARGUMENT;
    *context = NULL;
    em_status status = emi_tls_read_context_options(&own, &certificate, options);
    return status == EM_OK ? emi_tls_context_make(&own, context) : status;
}

void em_tls_context_retain(em_tls_context *context)
{
    if (context)
        atomic_fetch_add(&context->uses, 1);
}

void em_tls_context_release(em_tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->uses, 1) != 1)
        return;
    em_dispose dispose = context->options.dispose;
    void *user = context->options.user;
    free_context(context);
    if (dispose)
        dispose(user);
}

emi_tls_setup *emi_tls_context_get_setup(em_tls_context *context)
{
    emi_tls_lock_take(&context->lock);
    emi_tls_setup *setup = context->setup;
    emi_tls_setup_retain(setup);
    emi_tls_lock_give(&context->lock);
    return setup;
}

static void replace_setup(em_tls_context *context, emi_tls_setup *setup)
{
    emi_tls_lock_take(&context->lock);
    emi_tls_setup *old = context->setup;
    context->setup = setup;
    emi_tls_lock_give(&context->lock);
    emi_tls_setup_release(old);
}

static em_status rebuild(em_tls_context *context)
{
    emi_tls_setup *setup;
    em_status status = emi_tls_setup_create(&context->options, &context->additions, &setup);
    if (status == EM_OK)
        replace_setup(context, setup);
    return status;
}

em_status emi_tls_check_changeable(const em_tls_context *context)
{
    if (!context)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (!context->is_shared)
        return EM_OK;
    emi_set_status_detail(EM_INVALID_STATE, "a shared context cannot be changed");
    return EM_INVALID_STATE;
}

em_status em_tls_context_reload(em_tls_context *context)
{
    em_status status = emi_tls_check_changeable(context);
    if (status != EM_OK)
        return status;
    emi_tls_lock_take(&context->changes);
    status = rebuild(context);
    emi_tls_lock_give(&context->changes);
    return status;
}

static em_status make_addition(const char *server_name, const em_tls_certificate_options *options,
                               emi_tls_addition **made)
{
    emi_tls_addition *addition = OPENSSL_zalloc(sizeof *addition);
    if (!addition)
        return emi_tls_out_of_memory();
    emi_list_init(&addition->link);
    em_status status = emi_tls_copy_certificate_options(&addition->options, options);
    if (status == EM_OK && server_name) {
        addition->server_name = OPENSSL_strdup(server_name);
        if (!addition->server_name)
            status = emi_tls_out_of_memory();
    }
    if (status == EM_OK)
        *made = addition;
    else
        free_addition(addition);
    return status;
}

static bool is_same_name(const emi_tls_addition *one, const emi_tls_addition *other)
{
    if (!one->server_name || !other->server_name)
        return !one->server_name && !other->server_name;
    return strcmp(one->server_name, other->server_name) == 0;
}

/* Frees the additions that the newest one replaces. */
static void drop_replaced(em_tls_context *context, const emi_tls_addition *newest)
{
    emi_list *next;
    for (emi_list *link = context->additions.next; link != &context->additions; link = next) {
        emi_tls_addition *addition = EMI_CONTAINER(link, emi_tls_addition, link);
        next = link->next;
        if (addition != newest && addition->key_type == newest->key_type && is_same_name(addition, newest)) {
            emi_list_remove(link);
            free_addition(addition);
        }
    }
}

static em_status add(em_tls_context *context, emi_tls_addition *addition)
{
    emi_tls_lock_take(&context->changes);
    emi_list_append(&context->additions, &addition->link);
    em_status status = rebuild(context);
    if (status == EM_OK)
        drop_replaced(context, addition);
    else
        emi_list_remove(&addition->link);
    emi_tls_lock_give(&context->changes);
    if (status != EM_OK)
        free_addition(addition);
    return status;
}

em_status em_tls_context_add_certificate(em_tls_context *context, const char *server_name,
                                         const em_tls_certificate_options *options)
{
    emi_tls_name name;
    emi_tls_addition *addition = NULL;
    em_tls_certificate_options own;
    em_status status = emi_tls_check_changeable(context);
    if (status == EM_OK)
        status = read_certificate(&own, options);
    if (status == EM_OK && server_name)
        status = emi_tls_name_parse_pattern("server_name", server_name, &name);
    if (status == EM_OK)
        status = make_addition(server_name ? name.text : NULL, &own, &addition);
    return status == EM_OK ? add(context, addition) : status;
}

#endif
