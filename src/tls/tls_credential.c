/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Certificates with their keys: reads them, checks that they belong together, and passes them to OpenSSL.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>

#include "tls/tls_private.h"

/* The name of the source in error messages. */
static const char *name_of(const char *file)
{
    return file ? file : "the text given";
}

static em_status read_chain(emi_tls_credential *credential, const em_tls_certificate_options *options)
{
    BIO *source;
    em_status status =
        emi_tls_pem_open(options->certificate_file, options->certificate_pem, EM_TLS_BAD_CERTIFICATE, &source);
    if (status == EM_OK)
        status = emi_tls_pem_read_certificates(source, name_of(options->certificate_file), &credential->chain);
    BIO_free(source);
    if (status == EM_OK)
        credential->certificate = sk_X509_shift(credential->chain);
    if (credential->chain && sk_X509_num(credential->chain) == 0) {
        sk_X509_free(credential->chain); /* each connection would have a copy of it */
        credential->chain = NULL;
    }
    return status;
}

/* Whether a source that was read in vain contains no private key at all, which OpenSSL does not say in words. */
static bool has_no_key(BIO *source)
{
    char *name;
    char *header;
    unsigned char *data;
    long length;
    bool is_found = false;
    ERR_set_mark();
    (void)BIO_reset(source);
    while (!is_found && PEM_read_bio(source, &name, &header, &data, &length)) {
        is_found = strstr(name, "PRIVATE KEY") != NULL;
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)length);
    }
    bool is_at_end = !is_found && emi_tls_pem_is_at_end();
    ERR_pop_to_mark();
    return is_at_end;
}

/* OpenSSL's own words for a missing or long passphrase would mislead. */
static em_status refuse_key(const emi_tls_passphrase *passphrase, BIO *source, const char *file)
{
    const char *text = passphrase->is_too_long ? "the passphrase is too long for the encrypted private key in"
                       : passphrase->text      ? "wrong passphrase for the encrypted private key in"
                                               : "a passphrase is needed for the encrypted private key in";
    if (!passphrase->is_asked && has_no_key(source)) {
        ERR_clear_error();
        return emi_tls_refuse(EM_TLS_BAD_KEY, "there is no private key in", name_of(file));
    }
    if (!passphrase->is_asked)
        return emi_tls_refuse(EM_TLS_BAD_KEY, "cannot read the private key in", name_of(file));
    if (passphrase->is_too_long || !passphrase->text)
        ERR_clear_error();
    return emi_tls_refuse(EM_TLS_BAD_KEY, text, name_of(file));
}

static em_status refuse_pair(const char *key_file, const char *certificate_file)
{
    char text[240];
    snprintf(text, sizeof text, "the private key in %.120s does not belong to the certificate in", name_of(key_file));
    return emi_tls_refuse(EM_TLS_BAD_KEY, text, name_of(certificate_file));
}

static em_status read_key(emi_tls_credential *credential, const em_tls_certificate_options *options)
{
    BIO *source;
    bool is_apart = options->private_key_file || options->private_key_pem;
    const char *file = is_apart ? options->private_key_file : options->certificate_file;
    const char *pem = is_apart ? options->private_key_pem : options->certificate_pem;
    emi_tls_passphrase passphrase = {.text = options->passphrase};
    em_status status = emi_tls_pem_open(file, pem, EM_TLS_BAD_KEY, &source);
    if (status != EM_OK)
        return status;
    credential->key = PEM_read_bio_PrivateKey(source, NULL, emi_tls_pem_passphrase, &passphrase);
    if (!credential->key)
        status = refuse_key(&passphrase, source, file);
    BIO_free(source);
    if (status != EM_OK)
        return status;
    if (!X509_check_private_key(credential->certificate, credential->key))
        return refuse_pair(file, options->certificate_file);
    return EM_OK;
}

static em_status copy_response(emi_tls_credential *credential, const em_tls_certificate_options *options)
{
    if (options->ocsp_response_bytes == 0)
        return EM_OK;
    credential->ocsp_response = OPENSSL_memdup(options->ocsp_response, options->ocsp_response_bytes);
    credential->ocsp_response_bytes = options->ocsp_response_bytes;
    return credential->ocsp_response ? EM_OK : emi_tls_out_of_memory();
}

em_status emi_tls_credential_load(const em_tls_certificate_options *options, emi_tls_credential **credential)
{
    *credential = OPENSSL_zalloc(sizeof **credential);
    if (!*credential)
        return emi_tls_out_of_memory();
    atomic_init(&(*credential)->uses, 1);
    em_status status = read_chain(*credential, options);
    if (status == EM_OK)
        status = read_key(*credential, options);
    if (status == EM_OK)
        status = copy_response(*credential, options);
    if (status != EM_OK) {
        emi_tls_credential_release(*credential);
        *credential = NULL;
    }
    return status;
}

void emi_tls_credential_retain(emi_tls_credential *credential)
{
    atomic_fetch_add(&credential->uses, 1);
}

void emi_tls_credential_release(emi_tls_credential *credential)
{
    if (!credential || atomic_fetch_sub(&credential->uses, 1) != 1)
        return;
    X509_free(credential->certificate);
    sk_X509_pop_free(credential->chain, X509_free);
    EVP_PKEY_free(credential->key);
    OPENSSL_free(credential->ocsp_response);
    OPENSSL_free(credential);
}

em_status emi_tls_credential_use(emi_tls_credential *credential, SSL_CTX *ctx)
{
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(ctx, credential->certificate, credential->key, credential->chain, 1))
        return EM_OK;
    return emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "OpenSSL refuses the certificate", NULL);
}

bool emi_tls_credential_use_once(emi_tls_credential *credential, SSL *ssl)
{
    return SSL_use_cert_and_key(ssl, credential->certificate, credential->key, credential->chain, 1) == 1;
}

#endif
