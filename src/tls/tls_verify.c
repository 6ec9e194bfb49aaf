/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Verifying peers. OpenSSL checks chain, name, purpose and dates (X509_verify_cert(3)). This file calls verify_peer,
 * puts errors into words, and checks the certificates of resumed sessions again.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "tls/tls_private.h"

enum { DETAIL_BYTES = 240 };

/* RFC 9525: names are only in the subjectAltName extension, and `*` is a whole label. */
enum { NAME_RULES = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT };

em_status emi_tls_verify_status(int error)
{
    switch (error) {
    case X509_V_OK:
        return EM_OK;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return EM_TLS_WRONG_NAME;
    default:
        return EM_TLS_UNTRUSTED;
    }
}

static void time_to_text(const ASN1_TIME *time, char *text, size_t capacity)
{
    struct tm parts;
    if (!time || !ASN1_TIME_to_tm(time, &parts) || strftime(text, capacity, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        snprintf(text, capacity, "an unknown time");
}

/* Includes the time of the clock, because a wrong clock is a frequent cause. */
static void add_times(const X509 *certificate, int error, char *text, size_t capacity)
{
    char limit[40];
    char now[40];
    ASN1_TIME *clock = ASN1_TIME_set(NULL, time(NULL));
    bool is_early = error == X509_V_ERR_CERT_NOT_YET_VALID;
    time_to_text(is_early ? X509_get0_notBefore(certificate) : X509_get0_notAfter(certificate), limit, sizeof limit);
    time_to_text(clock, now, sizeof now);
    ASN1_TIME_free(clock);
    snprintf(text, capacity, " (valid %s %s, the clock says %s)", is_early ? "from" : "until", limit, now);
}

static void describe(const emi_tls *tls, const X509 *certificate, int error, unsigned depth, char *text,
                     size_t capacity)
{
    char more[160] = "";
    char subject[64] = "";
    if (certificate && (error == X509_V_ERR_CERT_NOT_YET_VALID || error == X509_V_ERR_CERT_HAS_EXPIRED))
        add_times(certificate, error, more, sizeof more);
    else if (emi_tls_verify_status(error) == EM_TLS_WRONG_NAME)
        snprintf(more, sizeof more, " (wanted: %.120s)", tls->hostname);
    if (certificate)
        X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    snprintf(text, capacity, "%s%s, depth %u%s%s", X509_verify_cert_error_string(error), more, depth,
             subject[0] ? ", " : "", subject);
}

static bool ask(emi_tls *tls, X509 *certificate, unsigned depth, int error, const char *detail)
{
    const em_tls_context_options *options = &tls->setup->options;
    unsigned char *der = NULL;
    if (!certificate)
        return false;
    int length = i2d_X509(certificate, &der);
    if (length <= 0) {
        tls->no_memory = true;
        return false;
    }
    const em_tls_peer_certificate shown = {.der = der,
                                           .der_bytes = (size_t)length,
                                           .depth = depth,
                                           .verdict = emi_tls_verify_status(error),
                                           .error = error,
                                           .detail = detail};
    emi_tls_begin_callback();
    bool is_accepted = options->verify_peer(tls->connection, &shown, options->user) != 0;
    emi_tls_end_callback();
    OPENSSL_free(der);
    return is_accepted;
}

const char *emi_tls_verify_detail(const emi_tls *tls)
{
    if (tls->verify_error == X509_V_OK)
        return "";
    return tls->verify_detail ? tls->verify_detail : X509_verify_cert_error_string(tls->verify_error);
}

static void set_fault(emi_tls *tls, int error, const char *text)
{
    OPENSSL_free(tls->verify_detail);
    tls->verify_detail = OPENSSL_strdup(text);
    tls->verify_error = error;
}

static void note_fault(emi_tls *tls, X509_STORE_CTX *chain, char *text, size_t capacity)
{
    int error = X509_STORE_CTX_get_error(chain);
    describe(tls, X509_STORE_CTX_get_current_cert(chain), error, (unsigned)X509_STORE_CTX_get_error_depth(chain), text,
             capacity);
    if (tls->verify_error == X509_V_OK)
        set_fault(tls, error, text);
}

/* OpenSSL drops the certificates of a peer that it refuses. They are kept for em_connection_get_peer_certificate, if
 * there is memory for that. */
static void keep_refused(emi_tls *tls, X509_STORE_CTX *chain)
{
    if (!tls->refused_chain)
        tls->refused_chain = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(chain));
}

/* Returns whether the certificate is accepted. verify_peer can only reject more, unless verify_override is on. */
static bool judge(emi_tls *tls, bool is_good, X509_STORE_CTX *chain)
{
    char text[DETAIL_BYTES] = "";
    if (!is_good)
        note_fault(tls, chain, text, sizeof text);
    if (!tls->setup->options.verify_peer)
        return is_good;
    bool is_accepted = ask(tls, X509_STORE_CTX_get_current_cert(chain), (unsigned)X509_STORE_CTX_get_error_depth(chain),
                           is_good ? X509_V_OK : X509_STORE_CTX_get_error(chain), text);
    if (tls->setup->options.verify_override == EM_ON)
        is_good = true;
    if (is_good && !is_accepted) {
        tls->is_rejected = true;
        X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
    }
    return is_good && is_accepted;
}

/* See SSL_set_verify(3). */
static int on_certificate(int is_good, X509_STORE_CTX *chain)
{
    emi_tls *tls = emi_tls_of(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (judge(tls, is_good != 0, chain))
        return 1;
    keep_refused(tls, chain);
    return 0;
}

/* Only servers choose whether to request a certificate (RFC 8446, section 4.3.2); clients always get one. */
static int mode_of(const emi_tls *tls)
{
    const em_tls_context_options *options = &tls->setup->options;
    if (!tls->is_server)
        return options->verify != EM_OFF || options->verify_override == EM_ON ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (options->client_certificates == EM_TLS_CLIENT_CERTIFICATES_NONE)
        return SSL_VERIFY_NONE;
    return options->client_certificates == EM_TLS_CLIENT_CERTIFICATES_REQUIRE
               ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : SSL_VERIFY_PEER;
}

static bool set_name(emi_tls *tls)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(tls->ssl);
    X509_VERIFY_PARAM_set_hostflags(rules, NAME_RULES);
    if (!tls->hostname)
        return true;
    return tls->hostname_is_address ? X509_VERIFY_PARAM_set1_ip_asc(rules, tls->hostname) == 1
                                    : X509_VERIFY_PARAM_set1_host(rules, tls->hostname, 0) == 1;
}

bool emi_tls_verify_configure(emi_tls *tls)
{
    int mode = mode_of(tls);
    X509_STORE *store = tls->setup->store;
    SSL_set_verify(tls->ssl, mode, mode == SSL_VERIFY_NONE ? NULL : on_certificate);
    if (mode == SSL_VERIFY_NONE)
        return true;
    if (!store)
        store = emi_tls_store_system();
    return store && SSL_set1_verify_cert_store(tls->ssl, store) == 1 && set_name(tls);
}

bool emi_tls_verify_misses_certificate(const emi_tls *tls)
{
    int mode = mode_of(tls);
    bool is_needed = tls->is_server ? (mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0 : mode != SSL_VERIFY_NONE;
    return is_needed && !SSL_get0_peer_certificate(tls->ssl);
}

/* Checks name and dates of a certificate that was verified earlier. */
static int check_again(const emi_tls *tls, X509 *certificate)
{
    const char *name = tls->hostname;
    if (!certificate)
        return X509_V_ERR_UNSPECIFIED;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return X509_V_ERR_CERT_HAS_EXPIRED;
    if (name && tls->hostname_is_address && X509_check_ip_asc(certificate, name, NAME_RULES) != 1)
        return X509_V_ERR_IP_ADDRESS_MISMATCH;
    if (name && !tls->hostname_is_address && X509_check_host(certificate, name, 0, NAME_RULES, NULL) != 1)
        return X509_V_ERR_HOSTNAME_MISMATCH;
    return X509_V_OK;
}

bool emi_tls_verify_session(const emi_tls *tls, SSL_SESSION *session)
{
    if (mode_of(tls) == SSL_VERIFY_NONE || tls->setup->options.verify_override == EM_ON)
        return true;
    return SSL_SESSION_get0_peer(session) && check_again(tls, SSL_SESSION_get0_peer(session)) == X509_V_OK;
}

/* Calls verify_peer for the certificates of a resumed session, as far as they were kept. */
static bool ask_again(emi_tls *tls, int error)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);
    int count = tls->is_server ? 0 : sk_X509_num(chain);
    for (int i = count - 1; i > 0; i--)
        if (!ask(tls, sk_X509_value(chain, i), (unsigned)i, X509_V_OK, ""))
            return false;
    return ask(tls, SSL_get0_peer_certificate(tls->ssl), 0, error, emi_tls_verify_detail(tls));
}

bool emi_tls_verify_resumed(emi_tls *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    bool is_overridden = tls->setup->options.verify_override == EM_ON;
    int error = (int)SSL_get_verify_result(tls->ssl);
    if (mode_of(tls) == SSL_VERIFY_NONE ||
        (tls->is_server && !certificate && !(mode_of(tls) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT)))
        return true;
    if (error == X509_V_OK)
        error = check_again(tls, certificate);
    if (error != X509_V_OK) {
        char text[DETAIL_BYTES];
        describe(tls, certificate, error, 0, text, sizeof text);
        set_fault(tls, error, text);
        if (!is_overridden)
            return false;
    }
    if (!tls->setup->options.verify_peer || ask_again(tls, error))
        return true;
    tls->is_rejected = true;
    return false;
}

#endif
