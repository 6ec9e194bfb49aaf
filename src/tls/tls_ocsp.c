/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OCSP stapling (RFC 6066, section 8): servers send the response for their certificate, and clients that ask for one
 * check it. Nothing is ever fetched from an OCSP server.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <openssl/ocsp.h>

#include "tls/tls_private.h"

static const emi_tls_credential *credential_in_use(const emi_tls *tls)
{
    const X509 *certificate = SSL_get_certificate(tls->ssl);
    const emi_tls_credential *first = tls->setup->credential;
    if (first && first->certificate == certificate)
        return first;
    for (const emi_tls_named *named = tls->setup->named; named; named = named->next)
        if (named->credential->certificate == certificate)
            return named->credential;
    return NULL;
}

static int staple(emi_tls *tls)
{
    const emi_tls_credential *credential = credential_in_use(tls);
    if (!credential || !credential->ocsp_response)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(credential->ocsp_response, credential->ocsp_response_bytes);
    if (!copy)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    if (SSL_set_tlsext_status_ocsp_resp(tls->ssl, copy, (long)credential->ocsp_response_bytes) == 1)
        return SSL_TLSEXT_ERR_OK;
    OPENSSL_free(copy);
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Returns NULL if a response says that the certificate is good at this time, otherwise why not. */
static const char *judge(OCSP_BASICRESP *response, OCSP_CERTID *id)
{
    enum { CLOCKS_DIFFER_SECONDS = 300 };
    int status;
    int reason;
    ASN1_GENERALIZEDTIME *revoked_at;
    ASN1_GENERALIZEDTIME *from;
    ASN1_GENERALIZEDTIME *until;
    if (!OCSP_resp_find_status(response, id, &status, &reason, &revoked_at, &from, &until))
        return "the OCSP response is for another certificate";
    if (!OCSP_check_validity(from, until, CLOCKS_DIFFER_SECONDS, -1))
        return "the OCSP response is out of date";
    if (status == V_OCSP_CERTSTATUS_REVOKED)
        return "the certificate was revoked, says the OCSP response";
    return status == V_OCSP_CERTSTATUS_GOOD ? NULL : "the OCSP response does not know the certificate";
}

static const char *check_response(emi_tls *tls, OCSP_BASICRESP *response)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(tls->ssl);
    X509_STORE *store = tls->setup->store ? tls->setup->store : emi_tls_store_system();
    if (sk_X509_num(chain) < 1 || !store || OCSP_basic_verify(response, chain, store, 0) != 1)
        return "the OCSP response is not signed by an authority for it";
    X509 *issuer = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, sk_X509_value(chain, 0), issuer);
    const char *fault = id ? judge(response, id) : "out of memory";
    OCSP_CERTID_free(id);
    return fault;
}

static const char *check(emi_tls *tls, const unsigned char *der, long length)
{
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, length);
    OCSP_BASICRESP *basic = response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                ? OCSP_response_get1_basic(response)
                                : NULL;
    const char *fault = basic ? check_response(tls, basic) : "malformed OCSP response";
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return fault;
}

static int accept_staple(emi_tls *tls)
{
    const unsigned char *der;
    long length = SSL_get_tlsext_status_ocsp_resp(tls->ssl, &der);
    if (length <= 0 || !der)
        tls->ocsp_fault = tls->setup->options.ocsp_require == EM_ON ? "the peer has sent no OCSP response" : NULL;
    else if (tls->setup->options.verify != EM_OFF)
        tls->ocsp_fault = check(tls, der, length);
    ERR_clear_error();
    return tls->ocsp_fault ? 0 : 1;
}

/* See SSL_CTX_set_tlsext_status_cb(3): the same callback for both sides. */
static int on_status(SSL *ssl, void *unused)
{
    (void)unused;
    emi_tls *tls = emi_tls_of(ssl);
    return tls->is_server ? staple(tls) : accept_staple(tls);
}

void emi_tls_ocsp_configure(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}

bool emi_tls_ocsp_ask(emi_tls *tls)
{
    const em_tls_context_options *options = &tls->setup->options;
    if (tls->is_server || (options->ocsp != EM_ON && options->ocsp_require != EM_ON))
        return true;
    return SSL_set_tlsext_status_type(tls->ssl, TLSEXT_STATUSTYPE_ocsp) == 1;
}

const void *emi_tls_get_ocsp_response(const emi_filter *filter, size_t *length)
{
    const unsigned char *der = NULL;
    const emi_tls *tls = (const emi_tls *)filter;
    long bytes = tls->is_server ? 0 : SSL_get_tlsext_status_ocsp_resp(tls->ssl, &der);
    *length = bytes > 0 && der ? (size_t)bytes : 0;
    return *length > 0 ? der : NULL;
}

#endif
