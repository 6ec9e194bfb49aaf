/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading PEM (RFC 7468) from files and texts.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/pem.h>

#include "tls/tls_private.h"

/* Opening a directory succeeds, and reading it fails for a reason that OpenSSL does not report. */
static bool is_directory(const char *file)
{
    struct stat state;
    return stat(file, &state) == 0 && S_ISDIR(state.st_mode);
}

static em_status refuse_directory(const char *file, em_status failure)
{
    char text[200];
    snprintf(text, sizeof text, "%.160s is a directory", file);
    return emi_tls_refuse(failure, text, NULL);
}

em_status emi_tls_pem_open(const char *file, const char *pem, em_status failure, BIO **source)
{
    ERR_clear_error();
    *source = NULL;
    if (!file && !pem)
        return EM_OK;
    if (pem && strlen(pem) > INT_MAX)
        return emi_tls_refuse(failure, "PEM text too long", NULL);
    if (file && is_directory(file))
        return refuse_directory(file, failure);
    *source = file ? BIO_new_file(file, "r") : BIO_new_mem_buf(pem, -1);
    return *source ? EM_OK : emi_tls_refuse(failure, "cannot read", file ? file : "PEM text");
}

int emi_tls_pem_passphrase(char *buffer, int capacity, int is_writing, void *user)
{
    (void)is_writing;
    emi_tls_passphrase *passphrase = user;
    if (!passphrase)
        return -1;
    passphrase->is_asked = true;
    if (!passphrase->text || capacity <= 0)
        return -1;
    size_t length = OPENSSL_strlcpy(buffer, passphrase->text, (size_t)capacity);
    passphrase->is_too_long = length >= (size_t)capacity;
    return passphrase->is_too_long ? -1 : (int)length;
}

/* For OpenSSL the end of the file is an error like others: there is no further "-----BEGIN". */
bool emi_tls_pem_is_at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

em_status emi_tls_pem_read_certificates(BIO *source, const char *name, STACK_OF(X509) * *certificates)
{
    X509 *certificate;
    *certificates = sk_X509_new_null();
    if (!*certificates)
        return emi_tls_out_of_memory();
    ERR_clear_error();
    while ((certificate = PEM_read_bio_X509(source, NULL, emi_tls_pem_passphrase, NULL)))
        if (sk_X509_push(*certificates, certificate) <= 0) {
            X509_free(certificate);
            break;
        }
    if (!certificate && emi_tls_pem_is_at_end() && sk_X509_num(*certificates) > 0) {
        ERR_clear_error();
        return EM_OK;
    }
    sk_X509_pop_free(*certificates, X509_free);
    *certificates = NULL;
    return emi_tls_refuse(certificate ? EM_NO_MEMORY : EM_TLS_BAD_CERTIFICATE, "no usable certificate in", name);
}

#endif
