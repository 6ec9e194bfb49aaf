/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Deep copies of a context's options, for reloading.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "tls/tls_private.h"

/* The members of each struct that are texts. */
static const size_t certificate_texts[] = {
    offsetof(em_tls_certificate_options, certificate_file), offsetof(em_tls_certificate_options, certificate_pem),
    offsetof(em_tls_certificate_options, private_key_file), offsetof(em_tls_certificate_options, private_key_pem),
    offsetof(em_tls_certificate_options, passphrase),
};
static const size_t context_texts[] = {
    offsetof(em_tls_context_options, ca_file),       offsetof(em_tls_context_options, ca_path),
    offsetof(em_tls_context_options, ca_pem),        offsetof(em_tls_context_options, crl_file),
    offsetof(em_tls_context_options, crl_pem),       offsetof(em_tls_context_options, cipher_list),
    offsetof(em_tls_context_options, cipher_suites), offsetof(em_tls_context_options, groups),
    offsetof(em_tls_context_options, dh_file),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *text_at(const void *options, size_t offset)
{
    char *text;
    memcpy(&text, (const char *)options + offset, sizeof text);
    return text;
}

static void set_text(void *options, size_t offset, char *text)
{
    memcpy((char *)options + offset, &text, sizeof text);
}

static void free_text(char *text)
{
    if (text)
        OPENSSL_clear_free(text, strlen(text));
}

/* Replaces the texts by copies. On failure those that could not be copied are NULL. */
static bool copy_texts(void *options, const size_t *offsets, size_t count)
{
    bool is_complete = true;
    for (size_t i = 0; i < count; i++) {
        char *given = text_at(options, offsets[i]);
        char *copy = given ? OPENSSL_strdup(given) : NULL;
        is_complete = is_complete && (!given || copy);
        set_text(options, offsets[i], copy);
    }
    return is_complete;
}

static void free_texts(const void *options, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_text(text_at(options, offsets[i]));
}

em_status emi_tls_copy_certificate_options(em_tls_certificate_options *copy, const em_tls_certificate_options *given)
{
    *copy = *given;
    bool is_complete = copy_texts(copy, certificate_texts, COUNT(certificate_texts));
    if (given->ocsp_response_bytes > 0) {
        copy->ocsp_response = OPENSSL_memdup(given->ocsp_response, given->ocsp_response_bytes);
        is_complete = is_complete && copy->ocsp_response;
    }
    if (is_complete)
        return EM_OK;
    emi_tls_free_certificate_options(copy);
    return emi_tls_out_of_memory();
}

/* Removes const from a pointer to memory that this file has allocated, so that it can be freed. */
static void *own(const void *copy)
{
    union {
        const void *constant;
        void *own;
    } pointer = {.constant = copy};
    return pointer.own;
}

void emi_tls_free_certificate_options(em_tls_certificate_options *copy)
{
    free_texts(copy, certificate_texts, COUNT(certificate_texts));
    OPENSSL_free(own(copy->ocsp_response_bytes > 0 ? copy->ocsp_response : NULL));
    *copy = (em_tls_certificate_options){.size = sizeof *copy};
}

static const em_tls_certificate_options *copy_certificate(const em_tls_certificate_options *given)
{
    em_tls_certificate_options *copy = OPENSSL_zalloc(sizeof *copy);
    if (copy && emi_tls_copy_certificate_options(copy, given) == EM_OK)
        return copy;
    OPENSSL_free(copy);
    return NULL;
}

static void free_protocols(const char *const *alpn)
{
    for (const char *const *protocol = alpn; protocol && *protocol; protocol++)
        OPENSSL_free(own(*protocol));
    OPENSSL_free(own(alpn));
}

static const char *const *copy_protocols(const char *const *given)
{
    size_t count = 0;
    while (given[count])
        count++;
    const char **copy = OPENSSL_zalloc((count + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = OPENSSL_strdup(given[i]);
        if (!copy[i]) {
            free_protocols(copy);
            return NULL;
        }
    }
    return copy;
}

em_status emi_tls_copy_options(em_tls_context_options *copy, const em_tls_context_options *given)
{
    *copy = *given;
    bool is_complete = copy_texts(copy, context_texts, COUNT(context_texts));
    copy->certificate = given->certificate ? copy_certificate(given->certificate) : NULL;
    copy->alpn = given->alpn ? copy_protocols(given->alpn) : NULL;
    if (is_complete && !copy->certificate == !given->certificate && !copy->alpn == !given->alpn)
        return EM_OK;
    emi_tls_free_options(copy);
    return emi_tls_out_of_memory();
}

void emi_tls_free_options(em_tls_context_options *copy)
{
    free_texts(copy, context_texts, COUNT(context_texts));
    if (copy->certificate) {
        em_tls_certificate_options *certificate = own(copy->certificate);
        emi_tls_free_certificate_options(certificate);
        OPENSSL_free(certificate);
    }
    free_protocols(copy->alpn);
    *copy = (em_tls_context_options){.size = sizeof *copy};
}

#endif
