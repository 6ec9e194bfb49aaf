/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Certificates made at test time, valid and invalid in many ways. Without OpenSSL none of these functions exist.
 */
#ifndef TEST_CERTIFICATES_H
#define TEST_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

/** The contents of a certificate. Zero: a certificate for servers and clients, valid now, with an ECDSA key. */
typedef struct certificate_recipe {
    const char *common_name;       /* NULL: "test" */
    const char *alternative_names; /* such as "DNS:a.example,IP:192.0.2.1"; NULL: none */
    const char *usage;             /* "serverAuth" or "clientAuth"; NULL: both */
    const char *name_constraints;  /* such as "permitted;DNS:a.example"; NULL: none */
    long valid_from;               /* in seconds from now; 0: since yesterday */
    long valid_until;              /* in seconds from now; 0: until tomorrow */
    bool is_authority;
    bool is_rsa; /* 2048 bits */
} certificate_recipe;

typedef struct test_certificate {
    void *certificate; /* X509 */
    void *key;         /* EVP_PKEY */
} test_certificate;

/** issuer: NULL for a self-signed certificate. Free it with certificate_free. */
test_certificate certificate_make(const certificate_recipe *recipe, const test_certificate *issuer);
void certificate_free(test_certificate *certificate);

/** Return PEM, to be freed. passphrase: NULL: not encrypted. */
char *certificate_pem(const test_certificate *certificate);
char *certificate_key_pem(const test_certificate *certificate, const char *passphrase);

/** A certificate revocation list in PEM, signed by `issuer`, to be freed. revoked: NULL for an empty list. */
char *certificate_crl_pem(const test_certificate *issuer, const test_certificate *revoked);

/** An OCSP response in DER, signed by the issuer, to be freed. valid_until: in seconds from now. */
unsigned char *certificate_ocsp(const test_certificate *issuer, const test_certificate *about, bool is_revoked,
                                long valid_until, size_t *length);

/** The common name of a certificate in DER, to be freed. */
char *certificate_name(const unsigned char *der, size_t length);

/** Concatenates two texts. To be freed. */
char *text_join(const char *first, const char *second);

/** Writes a file in the directory for temporary files. Returns its path, to be freed. */
char *text_to_file(const char *name, const char *text);

/** Writes a file at this path. */
void text_write(const char *path, const char *text);

#endif
