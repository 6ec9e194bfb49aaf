/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The getters: what is known about a connection's TLS, and the peer's certificates.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include <openssl/pem.h>

#include "tls/tls_private.h"

static const emi_tls *tls_of(const emi_filter *filter)
{
    return (const emi_tls *)filter;
}

/* In OpenSSL's chain the peer's own certificate comes first, except on servers, where the chain does not contain it. A
 * server that has resumed a session knows no other certificate. */
static X509 *certificate_at(const emi_tls *tls, unsigned index)
{
    X509 *own = SSL_get0_peer_certificate(tls->ssl);
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);
    if (tls->refused_chain)
        return sk_X509_value(tls->refused_chain, (int)index);
    if (index == 0)
        return own;
    return own ? sk_X509_value(chain, (int)(tls->is_server ? index - 1 : index)) : NULL;
}

static unsigned count_certificates(const emi_tls *tls)
{
    unsigned count = 0;
    while (certificate_at(tls, count))
        count++;
    return count;
}

static void get_verdict(const emi_tls *tls, em_tls_info *info)
{
    int error = tls->verify_error != X509_V_OK ? tls->verify_error : (int)SSL_get_verify_result(tls->ssl);
    bool is_asked = SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE;
    bool has_name = tls->is_server || tls->hostname;
    info->is_checked = is_asked;
    info->verdict = is_asked ? emi_tls_verify_status(error) : EM_OK;
    info->detail = info->verdict == EM_OK ? "" : emi_tls_verify_detail(tls);
    info->is_verified =
        is_asked && has_name && tls->filter.is_ready && info->verdict == EM_OK && info->peer_chain_count > 0;
}

void emi_tls_get_info(const emi_filter *filter, em_tls_info *info)
{
    const emi_tls *tls = tls_of(filter);
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    *info = (em_tls_info){.server_name = tls->server_name, .detail = ""};
    info->peer_chain_count = count_certificates(tls);
    get_verdict(tls, info);
    if (!filter->is_ready)
        return;
    info->protocol = SSL_get_version(tls->ssl);
    info->cipher = SSL_CIPHER_get_name(cipher);
    info->cipher_bits = SSL_CIPHER_get_bits(cipher, NULL);
    info->alpn = tls->alpn;
    info->is_resumed = SSL_session_reused(tls->ssl);
}

static size_t copy_cut(const void *data, size_t length, void *buffer, size_t capacity)
{
    if (capacity > 0)
        memcpy(buffer, data, length < capacity ? length : capacity);
    return length;
}

static size_t get_der(X509 *certificate, void *buffer, size_t capacity)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    size_t copied = length > 0 ? copy_cut(der, (size_t)length, buffer, capacity) : 0;
    OPENSSL_free(der);
    return copied;
}

static size_t get_pem(X509 *certificate, char *buffer, size_t capacity)
{
    char *text;
    BIO *memory = BIO_new(BIO_s_mem());
    size_t length = 0;
    if (memory && PEM_write_bio_X509(memory, certificate))
        length = (size_t)BIO_get_mem_data(memory, &text);
    if (length > 0 && capacity > 0) {
        copy_cut(text, length, buffer, capacity - 1);
        buffer[length < capacity ? length : capacity - 1] = '\0';
    }
    BIO_free(memory);
    return length;
}

size_t emi_tls_get_peer_certificate(const emi_filter *filter, unsigned index, em_tls_format format, void *buffer,
                                    size_t capacity)
{
    X509 *certificate = certificate_at(tls_of(filter), index);
    if (!certificate)
        return 0;
    size_t length =
        format == EM_TLS_DER ? get_der(certificate, buffer, capacity) : get_pem(certificate, buffer, capacity);
    emi_tls_clear_errors();
    return length;
}

#endif
