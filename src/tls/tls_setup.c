/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Setups: reads and checks everything that the options of a context name, before a connection uses it.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include <openssl/rand.h>

#include "tls/tls_private.h"

static em_status load_first(emi_tls_setup *setup, const em_tls_context_options *options)
{
    em_status status = EM_OK;
    if (options->certificate)
        status = emi_tls_credential_load(options->certificate, &setup->credential);
    else if (options->self_signed == EM_ON)
        status = emi_tls_credential_self_signed(&setup->credential);
    if (status == EM_OK && setup->credential)
        status = emi_tls_credential_use(setup->credential, setup->ctx);
    return status;
}

static em_status add_named(emi_tls_setup *setup, const char *server_name, emi_tls_credential *credential)
{
    emi_tls_named **place = &setup->named;
    emi_tls_named *named = OPENSSL_zalloc(sizeof *named);
    if (!named)
        return emi_tls_out_of_memory();
    named->credential = credential;
    emi_tls_credential_retain(credential);
    while (*place)
        place = &(*place)->next;
    *place = named;
    return server_name ? emi_tls_name_parse_pattern("server_name", server_name, &named->name) : EM_OK;
}

/* A certificate without a name is used in addition to the first one. All are kept, also for their OCSP responses. */
static em_status load_addition(emi_tls_setup *setup, emi_tls_addition *addition)
{
    emi_tls_credential *credential;
    em_status status = emi_tls_credential_load(&addition->options, &credential);
    if (status != EM_OK)
        return status;
    addition->key_type = EVP_PKEY_get_base_id(credential->key);
    status = add_named(setup, addition->server_name, credential);
    if (status == EM_OK && !addition->server_name)
        status = emi_tls_credential_use(credential, setup->ctx);
    emi_tls_credential_release(credential);
    return status;
}

static em_status load_additions(emi_tls_setup *setup, emi_list *additions)
{
    em_status status = EM_OK;
    for (emi_list *link = additions->next; status == EM_OK && link != additions; link = link->next)
        status = load_addition(setup, EMI_CONTAINER(link, emi_tls_addition, link));
    return status;
}

/* Names the trusted authorities to clients, up to a limit (RFC 8446, section 4.2.4). */
static em_status name_authorities(emi_tls_setup *setup, const em_tls_context_options *options)
{
    if (options->client_certificates == EM_TLS_CLIENT_CERTIFICATES_NONE || !setup->store)
        return EM_OK;
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(setup->store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects) && i < EMI_TLS_MOST_AUTHORITIES_NAMED; i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (authority && !SSL_CTX_add_client_CA(setup->ctx, authority))
            return emi_tls_out_of_memory();
    }
    return EM_OK;
}

static em_status load_authorities(emi_tls_setup *setup, const em_tls_context_options *options)
{
    em_status status = emi_tls_store_load(options, &setup->store);
    if (status != EM_OK)
        return status;
    if (setup->store)
        SSL_CTX_set1_cert_store(setup->ctx, setup->store);
    return name_authorities(setup, options);
}

static em_status set_protocols(emi_tls_setup *setup, const char *const *alpn)
{
    size_t bytes = 0;
    for (const char *const *protocol = alpn; protocol && *protocol; protocol++)
        bytes += strlen(*protocol) + 1;
    if (bytes == 0)
        return EM_OK;
    setup->alpn = OPENSSL_malloc(bytes);
    if (!setup->alpn)
        return emi_tls_out_of_memory();
    unsigned char *place = setup->alpn;
    for (; *alpn; alpn++) {
        size_t length = strlen(*alpn);
        *place++ = (unsigned char)length;
        memcpy(place, *alpn, length);
        place += length;
    }
    setup->alpn_bytes = (unsigned)bytes;
    return SSL_CTX_set_alpn_protos(setup->ctx, setup->alpn, setup->alpn_bytes) == 0 ? EM_OK : emi_tls_out_of_memory();
}

static void on_key_log(const SSL *ssl, const char *line)
{
    const emi_tls *tls = emi_tls_of(ssl);
    const em_tls_context_options *options = &tls->setup->options;
    if (!options->key_log)
        return;
    emi_tls_begin_callback();
    options->key_log(tls->connection, line, options->user);
    emi_tls_end_callback();
}

static em_status fill(emi_tls_setup *setup, const em_tls_context_options *options, emi_list *additions)
{
    em_status status = emi_tls_configure(setup->ctx, options);
    if (status == EM_OK)
        status = load_first(setup, options);
    if (status == EM_OK)
        status = load_additions(setup, additions);
    if (status == EM_OK)
        status = load_authorities(setup, options);
    if (status == EM_OK)
        status = set_protocols(setup, options->alpn);
    if (status != EM_OK)
        return status;
    emi_tls_server_configure(setup->ctx);
    emi_tls_ocsp_configure(setup->ctx);
    if (options->key_log)
        SSL_CTX_set_keylog_callback(setup->ctx, on_key_log);
    return emi_tls_digest_setup(setup) ? EM_OK : emi_tls_out_of_memory();
}

/* SSL_CTX_new(3) also fails if there are no random numbers. */
static em_status refuse_ctx(void)
{
    return RAND_status() == 1 ? emi_tls_out_of_memory()
                              : emi_tls_refuse(EM_TLS_FAILED, "OpenSSL has no random numbers", NULL);
}

em_status emi_tls_setup_create(const em_tls_context_options *options, emi_list *additions, emi_tls_setup **setup)
{
    ERR_clear_error();
    *setup = OPENSSL_zalloc(sizeof **setup);
    if (!*setup)
        return emi_tls_out_of_memory();
    atomic_init(&(*setup)->uses, 1);
    (*setup)->options = *options;
    (*setup)->ctx = SSL_CTX_new(TLS_method());
    em_status status = (*setup)->ctx ? fill(*setup, options, additions) : refuse_ctx();
    if (status != EM_OK) {
        emi_tls_setup_release(*setup);
        *setup = NULL;
    }
    return status;
}

void emi_tls_setup_retain(emi_tls_setup *setup)
{
    atomic_fetch_add(&setup->uses, 1);
}

void emi_tls_setup_release(emi_tls_setup *setup)
{
    if (!setup || atomic_fetch_sub(&setup->uses, 1) != 1)
        return;
    while (setup->named) {
        emi_tls_named *named = setup->named;
        setup->named = named->next;
        emi_tls_credential_release(named->credential);
        OPENSSL_free(named);
    }
    emi_tls_credential_release(setup->credential);
    X509_STORE_free(setup->store);
    SSL_CTX_free(setup->ctx);
    OPENSSL_free(setup->alpn);
    OPENSSL_free(setup);
}

#endif
