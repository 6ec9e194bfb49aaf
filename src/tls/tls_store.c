/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Trusted authorities and certificate revocation lists. Reading the system's authorities takes milliseconds, so it is
 * done once per process, when a client first needs them.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/tls_private.h"

/* OpenSSL reads the extensions of a certificate when it is first used, which several threads may do at the same time.
 */
static void read_extensions(X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (authority)
            X509_check_purpose(authority, -1, 0);
    }
    ERR_clear_error();
}

X509_STORE *emi_tls_store_system(void)
{
    static _Atomic(X509_STORE *) kept;
    X509_STORE *store = atomic_load(&kept);
    X509_STORE *none = NULL;
    if (store)
        return store;
    store = X509_STORE_new();
    if (store && X509_STORE_set_default_paths(store) != 1) {
        X509_STORE_free(store);
        store = NULL;
    }
    ERR_clear_error();
    if (store)
        read_extensions(store);
    if (store && !atomic_compare_exchange_strong(&kept, &none, store)) {
        X509_STORE_free(store);
        return none;
    }
    return store;
}

static em_status add_directory(X509_STORE *store, const char *path)
{
    struct stat state;
    if (stat(path, &state) != 0 || !S_ISDIR(state.st_mode) || !X509_STORE_load_path(store, path))
        return emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "not a directory of authorities:", path);
    return EM_OK;
}

static em_status add_certificates(X509_STORE *store, const char *file, const char *pem)
{
    BIO *source;
    STACK_OF(X509) *certificates = NULL;
    em_status status = emi_tls_pem_open(file, pem, EM_TLS_BAD_CERTIFICATE, &source);
    if (status != EM_OK || !source)
        return status;
    status = emi_tls_pem_read_certificates(source, file ? file : "the text of ca_pem", &certificates);
    for (int i = 0; status == EM_OK && i < sk_X509_num(certificates); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(certificates, i)))
            status = emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "cannot trust an authority of", file ? file : "ca_pem");
    sk_X509_pop_free(certificates, X509_free);
    BIO_free(source);
    return status;
}

static em_status add_lists(X509_STORE *store, const char *file, const char *pem)
{
    BIO *source;
    X509_CRL *list;
    unsigned count = 0;
    bool is_added = true;
    em_status status = emi_tls_pem_open(file, pem, EM_TLS_BAD_CERTIFICATE, &source);
    if (status != EM_OK || !source)
        return status;
    while (is_added && (list = PEM_read_bio_X509_CRL(source, NULL, emi_tls_pem_passphrase, NULL))) {
        is_added = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
        count++;
    }
    BIO_free(source);
    unsigned long code = ERR_peek_last_error();
    if (!is_added || count == 0 || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
        return emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "no usable list of revoked certificates in",
                              file ? file : "crl_pem");
    ERR_clear_error();
    return EM_OK;
}

static unsigned long flags_of(const em_tls_context_options *options)
{
    if (!options->crl_file && !options->crl_pem)
        return 0;
    return options->crl_check_chain == EM_ON ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL
                                             : X509_V_FLAG_CRL_CHECK;
}

static bool has_authorities(const em_tls_context_options *options)
{
    return options->ca_file || options->ca_path || options->ca_pem;
}

/* Whether the system's authorities are trusted, alone or in addition to others. */
static bool wants_system(const em_tls_context_options *options)
{
    if (has_authorities(options))
        return options->system_authorities == EM_ON;
    return options->system_authorities != EM_OFF && options->verify != EM_OFF;
}

static em_status fill(X509_STORE *store, const em_tls_context_options *options)
{
    em_status status = EM_OK;
    X509_STORE_set_flags(store, flags_of(options));
    if (wants_system(options) && X509_STORE_set_default_paths(store) != 1)
        return emi_tls_refuse(EM_TLS_BAD_CERTIFICATE, "cannot read the system's authorities", NULL);
    if (options->ca_path)
        status = add_directory(store, options->ca_path);
    if (status == EM_OK)
        status = add_certificates(store, options->ca_file, NULL);
    if (status == EM_OK)
        status = add_certificates(store, NULL, options->ca_pem);
    if (status == EM_OK)
        status = add_lists(store, options->crl_file, NULL);
    if (status == EM_OK)
        status = add_lists(store, NULL, options->crl_pem);
    return status;
}

em_status emi_tls_store_load(const em_tls_context_options *options, X509_STORE **store)
{
    *store = NULL;
    if (!has_authorities(options) && flags_of(options) == 0 && wants_system(options))
        return EM_OK;
    ERR_clear_error();
    *store = X509_STORE_new();
    if (!*store)
        return emi_tls_out_of_memory();
    em_status status = fill(*store, options);
    if (status == EM_OK) {
        read_extensions(*store);
    } else {
        X509_STORE_free(*store);
        *store = NULL;
    }
    return status;
}

#endif
