/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Certificates by OpenSSL's functions. Keys are made once per program, since RSA takes long.
 */
#include "support/certificates.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "support/deadline.h"

enum { KEYS = 16 };

static const long DAY_SECONDS = 86400;

static void *must(void *made, const char *what)
{
    if (!made)
        stop_test("cannot make %s: %s", what, ERR_reason_error_string(ERR_peek_error()));
    return made;
}

static void must_be(bool is_done, const char *what)
{
    if (!is_done)
        stop_test("cannot make %s: %s", what, ERR_reason_error_string(ERR_peek_error()));
}

/* Keys in turn, so that two certificates that follow each other have different ones. */
static EVP_PKEY *next_key(bool is_rsa)
{
    static EVP_PKEY *keys[2][KEYS];
    static unsigned used[2];
    unsigned limit = is_rsa ? 2 : KEYS;
    EVP_PKEY **key = &keys[is_rsa][used[is_rsa]++ % limit];
    if (!*key)
        *key = must(is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), "a key");
    EVP_PKEY_up_ref(*key);
    return *key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    if (!value)
        return;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = must(X509V3_EXT_conf_nid(NULL, &context, nid, value), value);
    must_be(X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static void fill(X509 *certificate, const certificate_recipe *recipe, X509 *issuer)
{
    static long serial = 1000;
    const char *name = recipe->common_name ? recipe->common_name : "test";
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_gmtime_adj(X509_getm_notBefore(certificate), recipe->valid_from ? recipe->valid_from : -DAY_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(certificate), recipe->valid_until ? recipe->valid_until : DAY_SECONDS);
    add_extension(certificate, issuer, NID_basic_constraints, recipe->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(certificate, issuer, NID_key_usage,
                  recipe->is_authority ? "keyCertSign,cRLSign,digitalSignature" : "digitalSignature,keyEncipherment");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    add_extension(certificate, issuer, NID_subject_alt_name, recipe->alternative_names);
    add_extension(certificate, issuer, NID_ext_key_usage, recipe->usage);
    add_extension(certificate, issuer, NID_name_constraints, recipe->name_constraints);
}

test_certificate certificate_make(const certificate_recipe *recipe, const test_certificate *issuer)
{
    test_certificate made = {.certificate = must(X509_new(), "a certificate"), .key = next_key(recipe->is_rsa)};
    must_be(X509_set_pubkey(made.certificate, made.key) == 1, "a certificate");
    fill(made.certificate, recipe, issuer ? issuer->certificate : made.certificate);
    must_be(X509_sign(made.certificate, issuer ? issuer->key : made.key, EVP_sha256()) > 0, "a signature");
    return made;
}

void certificate_free(test_certificate *certificate)
{
    X509_free(certificate->certificate);
    EVP_PKEY_free(certificate->key);
    *certificate = (test_certificate){.key = NULL};
}

static char *text_of(BIO *memory)
{
    char *data;
    long length = BIO_get_mem_data(memory, &data);
    char *text = must(malloc((size_t)length + 1), "text");
    memcpy(text, data, (size_t)length);
    text[length] = '\0';
    BIO_free(memory);
    return text;
}

char *certificate_pem(const test_certificate *certificate)
{
    BIO *memory = must(BIO_new(BIO_s_mem()), "a BIO");
    must_be(PEM_write_bio_X509(memory, certificate->certificate) == 1, "PEM");
    return text_of(memory);
}

char *certificate_key_pem(const test_certificate *certificate, const char *passphrase)
{
    BIO *memory = must(BIO_new(BIO_s_mem()), "a BIO");
    must_be(PEM_write_bio_PKCS8PrivateKey(memory, certificate->key, passphrase ? EVP_aes_256_cbc() : NULL, passphrase,
                                          passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) == 1,
            "PEM");
    return text_of(memory);
}

char *certificate_crl_pem(const test_certificate *issuer, const test_certificate *revoked)
{
    X509_CRL *list = must(X509_CRL_new(), "a CRL");
    ASN1_TIME *now = must(X509_gmtime_adj(NULL, -60), "a time");
    ASN1_TIME *tomorrow = must(X509_gmtime_adj(NULL, DAY_SECONDS), "a time");
    BIO *memory = must(BIO_new(BIO_s_mem()), "a BIO");
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->certificate));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, tomorrow);
    if (revoked) {
        X509_REVOKED *entry = must(X509_REVOKED_new(), "an entry");
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate));
        X509_REVOKED_set_revocationDate(entry, now);
        must_be(X509_CRL_add0_revoked(list, entry) == 1, "an entry");
    }
    must_be(X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0 && PEM_write_bio_X509_CRL(memory, list) == 1, "a CRL");
    ASN1_TIME_free(now);
    ASN1_TIME_free(tomorrow);
    X509_CRL_free(list);
    return text_of(memory);
}

unsigned char *certificate_ocsp(const test_certificate *issuer, const test_certificate *about, bool is_revoked,
                                long valid_until, size_t *length)
{
    unsigned char *der = NULL;
    ASN1_TIME *from = must(X509_gmtime_adj(NULL, valid_until - 2 * DAY_SECONDS), "a time");
    ASN1_TIME *until = must(X509_gmtime_adj(NULL, valid_until), "a time");
    OCSP_BASICRESP *basic = must(OCSP_BASICRESP_new(), "a response");
    OCSP_CERTID *id = must(OCSP_cert_to_id(NULL, about->certificate, issuer->certificate), "an id");
    must(OCSP_basic_add1_status(basic, id, is_revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
                                OCSP_REVOKED_STATUS_NOSTATUS, is_revoked ? from : NULL, from, until),
         "a status");
    must_be(OCSP_basic_sign(basic, issuer->certificate, issuer->key, EVP_sha256(), NULL, 0) == 1, "a signature");
    OCSP_RESPONSE *response = must(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic), "a response");
    int bytes = i2d_OCSP_RESPONSE(response, &der);
    must_be(bytes > 0, "DER");
    unsigned char *copy = must(malloc((size_t)bytes), "memory");
    memcpy(copy, der, (size_t)bytes);
    *length = (size_t)bytes;
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return copy;
}

char *certificate_name(const unsigned char *der, size_t length)
{
    char name[100] = "";
    X509 *certificate = must(d2i_X509(NULL, &der, (long)length), "a certificate");
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    X509_free(certificate);
    return text_join(name, "");
}

char *text_join(const char *first, const char *second)
{
    size_t length = strlen(first) + strlen(second) + 1;
    char *text = must(malloc(length), "text");
    snprintf(text, length, "%s%s", first, second);
    return text;
}

void text_write(const char *path, const char *text)
{
    FILE *file = must(fopen(path, "w"), path);
    must_be(fputs(text, file) >= 0 && fclose(file) == 0, path);
}

char *text_to_file(const char *name, const char *text)
{
    char path[256];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/eventmachine-%ld-%s", folder ? folder : "/tmp", (long)getpid(), name);
    text_write(path, text);
    return text_join(path, "");
}

#endif
