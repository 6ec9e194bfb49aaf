/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The self-signed certificate of the process, which is made when it is first needed and kept until the process ends.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tls/tls_private.h"

enum { SECONDS_PER_DAY = 24 * 60 * 60, DAYS = 3650 };

static bool set_serial(X509 *certificate)
{
    uint64_t serial = 0;
    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
}

static bool set_name(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) &&
           X509_set_issuer_name(certificate, name);
}

static bool add_alternative_name(X509 *certificate)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    bool is_added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) && set_name(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -SECONDS_PER_DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), (long)DAYS * SECONDS_PER_DAY) &&
           X509_set_pubkey(certificate, key) && add_alternative_name(certificate) &&
           X509_sign(certificate, key, EVP_sha256());
}

static emi_tls_credential *make(void)
{
    emi_tls_credential *credential = OPENSSL_zalloc(sizeof *credential);
    if (!credential)
        return NULL;
    atomic_init(&credential->uses, 1);
    credential->key = EVP_EC_gen("P-256");
    credential->certificate = X509_new();
    credential->chain = sk_X509_new_null();
    if (credential->key && credential->certificate && credential->chain &&
        fill(credential->certificate, credential->key))
        return credential;
    emi_tls_credential_release(credential);
    return NULL;
}

em_status emi_tls_credential_self_signed(emi_tls_credential **credential)
{
    static _Atomic(emi_tls_credential *) kept;
    emi_tls_credential *none = NULL;
    *credential = atomic_load(&kept);
    if (!*credential) {
        ERR_clear_error();
        *credential = make();
        if (!*credential)
            return emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "cannot make a certificate", NULL);
        if (!atomic_compare_exchange_strong(&kept, &none, *credential)) {
            emi_tls_credential_release(*credential);
            *credential = none;
        }
    }
    emi_tls_credential_retain(*credential);
    return EM_OK;
}

#endif
