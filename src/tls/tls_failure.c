/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Why TLS failed on a connection: a status, and a text that is never empty.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/sslerr.h>

#include "tls/tls_private.h"

/* The number of the alert that the peer has sent; -1: none. */
static int alert_of(unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    bool is_alert = code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
                    reason < SSL_AD_REASON_OFFSET + 256;
    return is_alert ? reason - SSL_AD_REASON_OFFSET : -1;
}

/* OpenSSL 3.0 has no name for the newest ones, but a reason. */
static const char *name_alert(int alert, const char *reason)
{
    const char *name = SSL_alert_desc_string_long(alert);
    return strcmp(name, "unknown") == 0 ? reason : name;
}

static bool is_about_certificate(unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) == ERR_LIB_SSL &&
           (reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
}

static em_status status_of(const emi_tls *tls, unsigned long code, em_status otherwise)
{
    if (tls->no_memory || emi_tls_is_memory_error(code))
        return EM_NO_MEMORY;
    if (tls->is_rejected)
        return EM_TLS_REJECTED;
    if (alert_of(code) >= 0)
        return EM_TLS_ALERT;
    if (tls->ocsp_fault)
        return EM_TLS_UNTRUSTED;
    if (is_about_certificate(code))
        return tls->verify_error != X509_V_OK ? emi_tls_verify_status(tls->verify_error) : EM_TLS_UNTRUSTED;
    return otherwise;
}

static void describe(const emi_tls *tls, unsigned long code, const char *reason, char *text, size_t capacity)
{
    int alert = alert_of(code);
    if (tls->no_memory)
        snprintf(text, capacity, "out of memory");
    else if (tls->is_rejected)
        snprintf(text, capacity, "%s", em_status_get_text(EM_TLS_REJECTED));
    else if (alert >= 0)
        snprintf(text, capacity, "alert %d: %s", alert, name_alert(alert, reason));
    else if (tls->ocsp_fault)
        snprintf(text, capacity, "%s", tls->ocsp_fault);
    else if (is_about_certificate(code) && tls->verify_error != X509_V_OK)
        snprintf(text, capacity, "%s: %s", reason, emi_tls_verify_detail(tls));
    else
        snprintf(text, capacity, "%s", reason);
}

void emi_tls_fail(emi_tls *tls, em_status status, const char *text)
{
    char reason[160];
    char detail[400];
    unsigned long code;
    bool has_reason = ERR_peek_error() != 0;
    emi_tls_take_error(reason, sizeof reason, &code);
    describe(tls, code, has_reason ? reason : text, detail, sizeof detail);
    tls->filter.failure = status_of(tls, code, status);
    OPENSSL_free(tls->detail);
    tls->detail = OPENSSL_strdup(detail);
    tls->filter.detail = tls->detail ? tls->detail : text;
}

static bool looks_like_http(const emi_bytes *first)
{
    static const char beginnings[][5] = {"GET ", "HEAD", "POST", "PUT ", "DELE", "CONN",
                                         "OPTI", "TRAC", "PATC", "PRI ", "HTTP"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (first->length >= 4 && memcmp(first->next, beginnings[i], 4) == 0)
            return true;
    return false;
}

static bool looks_like_text(const emi_bytes *first)
{
    enum { ENOUGH_BYTES = 8 };
    for (size_t i = 0; i < first->length && i < ENOUGH_BYTES; i++) {
        unsigned char byte = first->next[i];
        if (byte != '\r' && byte != '\n' && byte != '\t' && (byte < ' ' || byte > '~'))
            return false;
    }
    return true;
}

/* The hello in the form of SSL 2: a length with the highest bit set, and the type 1 (RFC 5246, appendix E.2). */
static bool looks_like_ssl_2(const emi_bytes *first)
{
    return (first->next[0] & 0x80) && (first->length < 3 || first->next[2] == 1);
}

void emi_tls_fail_without_tls(emi_tls *tls, const emi_bytes *first)
{
    const char *text = "the peer does not speak TLS: the first bytes are not those of a record";
    if (looks_like_http(first))
        text = "the peer does not speak TLS: the first bytes look like HTTP";
    else if (looks_like_text(first))
        text = "the peer does not speak TLS: the first bytes look like plain text";
    else if (looks_like_ssl_2(first))
        text = "the peer does not speak TLS: the first bytes look like SSL 2";
    emi_tls_fail(tls, EM_TLS_FAILED, text);
}

em_status emi_tls_explain_end(emi_tls *tls)
{
    tls->filter.detail = tls->filter.is_ready ? "the connection ended without close_notify"
                                              : "the peer has ended the connection in the handshake";
    return EM_TLS_TRUNCATED;
}

#endif
