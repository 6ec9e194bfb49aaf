/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Applies options to an SSL_CTX: versions, ciphers, groups, sessions. Certificates are applied elsewhere.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <openssl/pem.h>

#include "base/status_detail.h"
#include "tls/tls_private.h"

/* Forward secrecy and authenticated encryption. DHE is left out: it costs a server far more than its client. */
static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static const struct {
    unsigned bit;
    int number;
    uint64_t without;
} versions[] = {
    {EM_TLS_1_0, TLS1_VERSION, SSL_OP_NO_TLSv1},
    {EM_TLS_1_1, TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {EM_TLS_1_2, TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {EM_TLS_1_3, TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};
enum { VERSIONS = sizeof versions / sizeof *versions };

static em_status refuse(const char *text, const char *subject)
{
    return emi_tls_refuse(EM_TLS_BAD_OPTION, text, subject);
}

static unsigned versions_of(const em_tls_context_options *options)
{
    unsigned least = options->min_version ? options->min_version : EM_TLS_1_2;
    unsigned most = options->max_version ? options->max_version : EM_TLS_1_3;
    unsigned wanted = 0;
    if (options->versions)
        return options->versions;
    if (least > most)
        least = most;
    for (unsigned i = 0; i < VERSIONS; i++)
        if (versions[i].bit >= least && versions[i].bit <= most)
            wanted |= versions[i].bit;
    return wanted;
}

/* OpenSSL 3 has no signature algorithm for TLS 1.0 and 1.1 that level 1 allows, SSL_CTX_set_security_level(3). */
static em_status check_level(SSL_CTX *ctx, unsigned wanted)
{
    if ((wanted & (EM_TLS_1_0 | EM_TLS_1_1)) && SSL_CTX_get_security_level(ctx) > 0)
        return refuse("TLS 1.0 and 1.1 need @SECLEVEL=0 in cipher_list", NULL);
    return EM_OK;
}

static em_status set_versions(SSL_CTX *ctx, const em_tls_context_options *options)
{
    unsigned wanted = versions_of(options);
    int least = 0;
    int most = 0;
    for (unsigned i = 0; i < VERSIONS; i++) {
        if (wanted & versions[i].bit) {
            least = least ? least : versions[i].number;
            most = versions[i].number;
        } else {
            SSL_CTX_set_options(ctx, versions[i].without);
        }
    }
    if (!SSL_CTX_set_min_proto_version(ctx, least) || !SSL_CTX_set_max_proto_version(ctx, most))
        return refuse("OpenSSL does not offer these versions of TLS", NULL);
    return check_level(ctx, wanted);
}

/* SSL_CTX_set1_groups_list(3) is a macro whose text is not const. */
static bool set_groups(SSL_CTX *ctx, const char *list)
{
    char *copy = OPENSSL_strdup(list);
    bool is_set = copy && SSL_CTX_set1_groups_list(ctx, copy) == 1;
    OPENSSL_free(copy);
    return is_set;
}

static em_status set_ciphers(SSL_CTX *ctx, const em_tls_context_options *options)
{
    const char *list = options->cipher_list ? options->cipher_list : default_ciphers;
    if (!SSL_CTX_set_cipher_list(ctx, list))
        return refuse("cipher_list", list);
    if (options->cipher_suites && !SSL_CTX_set_ciphersuites(ctx, options->cipher_suites))
        return refuse("cipher_suites", options->cipher_suites);
    if (options->groups && !set_groups(ctx, options->groups))
        return refuse("groups", options->groups);
    return EM_OK;
}

static em_status set_dh(SSL_CTX *ctx, const char *file)
{
    BIO *source;
    if (!file)
        return SSL_CTX_set_dh_auto(ctx, 1) ? EM_OK : refuse("DH parameters", NULL);
    em_status status = emi_tls_pem_open(file, NULL, EM_TLS_BAD_OPTION, &source);
    if (status != EM_OK)
        return status;
    EVP_PKEY *parameters = PEM_read_bio_Parameters(source, NULL);
    BIO_free(source);
    if (parameters && SSL_CTX_set0_tmp_dh_pkey(ctx, parameters))
        return EM_OK;
    EVP_PKEY_free(parameters);
    return refuse("no usable DH parameters in", file);
}

/* Early data is refused; how much of it OpenSSL skips has OpenSSL's own limit, SSL_CTX_set_recv_max_early_data(3). Only
 * the chain that was given is sent: otherwise OpenSSL would look for one among the authorities in every handshake. */
static void set_modes(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_read_ahead(ctx, 0);
    SSL_CTX_set_max_early_data(ctx, 0);
}

static void set_sessions(SSL_CTX *ctx, const em_tls_context_options *options)
{
    if (options->session_tickets == EM_OFF) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_timeout(ctx, options->ticket_seconds ? options->ticket_seconds : EMI_TLS_TICKET_SECONDS);
    emi_tls_tickets_configure(ctx);
    emi_tls_sessions_configure(ctx);
}

em_status emi_tls_configure(SSL_CTX *ctx, const em_tls_context_options *options)
{
    ERR_clear_error();
    set_modes(ctx);
    em_status status = set_ciphers(ctx, options);
    if (status == EM_OK)
        status = set_versions(ctx, options);
    if (status == EM_OK)
        status = set_dh(ctx, options->dh_file);
    set_sessions(ctx, options);
    return status;
}

#endif
