/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Creates the filter of a connection from its context and options.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "tls/tls_private.h"

static em_status refuse(em_status status, const char *text)
{
    emi_set_status_detail(status, text);
    return status;
}

/* Uses the context given, or else one with all defaults, for clients. */
static em_status set_context(emi_tls *tls, em_tls_context *given)
{
    em_status status = EM_OK;
    if (given) {
        em_tls_context_retain(given);
        tls->context = given;
    } else {
        status = em_tls_context_create_shared(NULL, &tls->context);
    }
    if (status == EM_OK)
        tls->setup = emi_tls_context_get_setup(tls->context);
    return status;
}

static em_status copy(const emi_tls_name *name, char **text)
{
    *text = OPENSSL_strdup(name->text);
    return *text ? EM_OK : emi_tls_out_of_memory();
}

/* An address is not sent, RFC 6066, section 3. */
static em_status set_server_name(emi_tls *tls, const char *option, const char *given)
{
    emi_tls_name name;
    if (!given)
        return EM_OK;
    em_status status = emi_tls_name_parse(option, given, &name);
    return status == EM_OK && !name.is_address ? copy(&name, &tls->server_name) : status;
}

/* Unless somebody judges the certificate, the hostname is only used for SNI. */
static em_status set_names(emi_tls *tls, const em_tls_options *options)
{
    emi_tls_name name = {.is_address = false};
    bool verifies = tls->setup->options.verify != EM_OFF;
    bool judges = verifies || tls->setup->options.verify_override == EM_ON;
    if (verifies && !options->hostname)
        return refuse(EM_TLS_NO_HOSTNAME, "a client that verifies needs a hostname");
    em_status status = options->hostname ? emi_tls_name_parse("hostname", options->hostname, &name) : EM_OK;
    if (status == EM_OK && judges && options->hostname)
        status = copy(&name, &tls->hostname);
    tls->hostname_is_address = name.is_address;
    if (status != EM_OK)
        return status;
    return options->server_name ? set_server_name(tls, "server_name", options->server_name)
                                : set_server_name(tls, "hostname", options->hostname);
}

static bool has_certificate(const emi_tls_setup *setup)
{
    return setup->credential || setup->named || setup->options.choose_context;
}

static em_status set_side(emi_tls *tls, const em_tls_options *options)
{
    if (!tls->is_server)
        return set_names(tls, options);
    return has_certificate(tls->setup) ? EM_OK : refuse(EM_TLS_BAD_CERTIFICATE, "a server needs a certificate");
}

static bool set_client(emi_tls *tls, const char *peer)
{
    SSL_set_connect_state(tls->ssl);
    if (tls->server_name && !SSL_set_tlsext_host_name(tls->ssl, tls->server_name))
        return false;
    if (peer && tls->setup->options.session_tickets != EM_OFF && !emi_tls_sessions_name(tls, peer))
        return false;
    return emi_tls_ocsp_ask(tls);
}

static em_status open_ssl(emi_tls *tls, const char *peer)
{
    ERR_clear_error();
    tls->ssl = SSL_new(tls->setup->ctx);
    BIO *bio = tls->ssl ? emi_tls_bio_create(tls) : NULL;
    if (!bio)
        return emi_tls_out_of_memory();
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
    if (!emi_tls_verify_configure(tls))
        return emi_tls_out_of_memory();
    if (!tls->is_server)
        return set_client(tls, peer) ? EM_OK : emi_tls_out_of_memory();
    SSL_set_accept_state(tls->ssl);
    return EM_OK;
}

static em_status fill(emi_tls *tls, const emi_tls_opening *opening, const em_tls_options *options)
{
    em_status status = set_context(tls, options->context);
    if (status == EM_OK)
        status = set_side(tls, options);
    return status == EM_OK ? open_ssl(tls, opening->peer) : status;
}

em_status emi_tls_open(const emi_tls_opening *opening, emi_filter **filter)
{
    em_tls_options options;
    *filter = NULL;
    em_status status = emi_read_named_options("em_tls_options", &options, sizeof options, opening->options);
    if (status != EM_OK)
        return status;
    emi_tls *tls = emi_tls_allocate(opening->memory, opening->wire_pool);
    if (!tls)
        return emi_tls_out_of_memory();
    tls->is_server = opening->is_server;
    tls->connection = opening->connection;
    status = fill(tls, opening, &options);
    if (status == EM_OK)
        *filter = &tls->filter;
    else
        tls->filter.operations->destroy(&tls->filter);
    return status;
}

/* See the function of this name in tls_configure.c. */
static bool set_groups(SSL *ssl, const char *list)
{
    char *copy = OPENSSL_strdup(list);
    bool is_set = copy && SSL_set1_groups_list(ssl, copy) == 1;
    OPENSSL_free(copy);
    return is_set;
}

/* SSL_set_SSL_CTX(3) brings certificate, ciphers, DH parameters, security level and the authorities that are named. The
 * options of an SSL and its groups are its own from the beginning. Tickets are the first context's, so another one can
 * only leave them out. */
static bool take_settings(emi_tls *tls, const emi_tls_setup *setup)
{
    const uint64_t versions = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    SSL_clear_options(tls->ssl, versions);
    SSL_set_options(tls->ssl, SSL_CTX_get_options(setup->ctx));
    if (setup->options.session_tickets == EM_OFF && SSL_set_num_tickets(tls->ssl, 0) != 1)
        return false;
    return SSL_set_min_proto_version(tls->ssl, (int)SSL_CTX_get_min_proto_version(setup->ctx)) == 1 &&
           SSL_set_max_proto_version(tls->ssl, (int)SSL_CTX_get_max_proto_version(setup->ctx)) == 1 &&
           (!setup->options.groups || set_groups(tls->ssl, setup->options.groups));
}

bool emi_tls_use_setup(emi_tls *tls, emi_tls_setup *setup)
{
    emi_tls_setup_retain(setup);
    emi_tls_setup_release(tls->setup);
    tls->setup = setup;
    return SSL_set_SSL_CTX(tls->ssl, setup->ctx) && take_settings(tls, setup) && emi_tls_verify_configure(tls);
}

#endif
