/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * SHA-256 digests of options. Sessions are resumed and contexts shared only where the digests are equal.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>
#include <sys/stat.h>

#include "tls/tls_private.h"

static bool add(EVP_MD_CTX *digest, const void *data, size_t length)
{
    uint64_t prefix = length;
    return EVP_DigestUpdate(digest, &prefix, sizeof prefix) == 1 && EVP_DigestUpdate(digest, data, length) == 1;
}

static bool add_text(EVP_MD_CTX *digest, const char *text)
{
    return add(digest, text ? text : "", text ? strlen(text) + 1 : 0);
}

static bool add_state(EVP_MD_CTX *digest, const char *path)
{
    struct stat state;
    if (!path || stat(path, &state) != 0)
        return add_text(digest, path);
    const int64_t parts[] = {(int64_t)state.st_dev, (int64_t)state.st_ino, (int64_t)state.st_size,
                             (int64_t)state.st_mtim.tv_sec, (int64_t)state.st_mtim.tv_nsec};
    return add_text(digest, path) && add(digest, parts, sizeof parts);
}

/* The contents of a file, not its path: other machines may have it elsewhere. */
static bool add_contents(EVP_MD_CTX *digest, const char *path)
{
    unsigned char buffer[4096];
    size_t length;
    bool is_done = true;
    BIO *file = path ? BIO_new_file(path, "r") : NULL;
    while (is_done && file && BIO_read_ex(file, buffer, sizeof buffer, &length))
        is_done = add(digest, buffer, length);
    BIO_free(file);
    ERR_clear_error();
    return is_done;
}

static bool add_policy(EVP_MD_CTX *digest, const em_tls_context_options *options)
{
    const int32_t numbers[] = {(int32_t)options->verify,          (int32_t)options->client_certificates,
                               (int32_t)options->verify_override, (int32_t)options->crl_check_chain,
                               options->verify_peer != NULL,      (int32_t)options->system_authorities};
    return add(digest, numbers, sizeof numbers) && add_contents(digest, options->ca_file) &&
           add_text(digest, options->ca_pem) && add_state(digest, options->ca_path) &&
           add_contents(digest, options->crl_file) && add_text(digest, options->crl_pem);
}

static bool add_identity(EVP_MD_CTX *digest, const emi_tls_setup *setup)
{
    unsigned char certificate[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (setup->credential && !X509_digest(setup->credential->certificate, EVP_sha256(), certificate, &length))
        return false;
    return add(digest, setup->policy, sizeof setup->policy) && add(digest, certificate, length) &&
           add(digest, setup->alpn ? setup->alpn : (const unsigned char *)"", setup->alpn_bytes);
}

bool emi_tls_digest_setup(emi_tls_setup *setup)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                   add_policy(digest, &setup->options) && EVP_DigestFinal_ex(digest, setup->policy, NULL) == 1 &&
                   EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && add_identity(digest, setup) &&
                   EVP_DigestFinal_ex(digest, setup->identity, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_done;
}

/* Options that result in equal contexts. Files count as equal if stat(2) reports no change. */

static bool add_certificate(EVP_MD_CTX *digest, const em_tls_certificate_options *options)
{
    const char *pem[] = {options->certificate_pem, options->private_key_pem, options->passphrase};
    bool is_done = add_state(digest, options->certificate_file) && add_state(digest, options->private_key_file) &&
                   add(digest, options->ocsp_response, options->ocsp_response_bytes);
    for (size_t i = 0; is_done && i < sizeof pem / sizeof *pem; i++)
        is_done = add_text(digest, pem[i]);
    return is_done;
}

static bool add_texts(EVP_MD_CTX *digest, const em_tls_context_options *options)
{
    const char *files[] = {options->ca_file, options->ca_path, options->crl_file, options->dh_file};
    const char *texts[] = {options->ca_pem, options->crl_pem, options->cipher_list, options->cipher_suites,
                           options->groups};
    bool is_done = true;
    for (size_t i = 0; is_done && i < sizeof files / sizeof *files; i++)
        is_done = add_state(digest, files[i]);
    for (size_t i = 0; is_done && i < sizeof texts / sizeof *texts; i++)
        is_done = add_text(digest, texts[i]);
    for (const char *const *protocol = options->alpn; is_done && protocol && *protocol; protocol++)
        is_done = add_text(digest, *protocol);
    return is_done && add_text(digest, options->alpn ? "alpn" : NULL);
}

static bool add_numbers(EVP_MD_CTX *digest, const em_tls_context_options *options)
{
    const uint32_t numbers[] = {options->certificate != NULL,
                                options->self_signed,
                                options->verify,
                                options->client_certificates,
                                options->system_authorities,
                                options->crl_check_chain,
                                options->verify_override,
                                options->min_version,
                                options->max_version,
                                options->versions,
                                options->session_tickets,
                                options->session_limit,
                                options->ticket_seconds,
                                options->ocsp,
                                options->ocsp_require,
                                options->refuse_unknown_names};
    return add(digest, numbers, sizeof numbers);
}

static bool add_callbacks(EVP_MD_CTX *digest, const em_tls_context_options *options)
{
    return add(digest, &options->verify_peer, sizeof options->verify_peer) &&
           add(digest, &options->choose_context, sizeof options->choose_context) &&
           add(digest, &options->key_log, sizeof options->key_log) && add(digest, &options->user, sizeof options->user);
}

bool emi_tls_digest_options(const em_tls_context_options *options, unsigned char *key)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && add_numbers(digest, options) &&
                   add_texts(digest, options) && add_callbacks(digest, options) &&
                   (!options->certificate || add_certificate(digest, options->certificate)) &&
                   EVP_DigestFinal_ex(digest, key, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_done;
}

#endif
