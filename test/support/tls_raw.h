/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A peer that is OpenSSL itself, over memory BIOs, for what our own side never does. Without OpenSSL these functions do
 * not exist.
 */
#ifndef TEST_TLS_RAW_H
#define TEST_TLS_RAW_H

#include "base/features.h"
#include "support/tls_pair.h"

#if EMI_HAVE_OPENSSL

#include <openssl/ssl.h>

typedef struct tls_raw {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *arriving; /* from the other side */
    BIO *leaving;
    byte_buffer received; /* plain bytes */
    int error;            /* SSL_get_error(3) of the last call that read */
} tls_raw;

/** It has the tests' certificate and verifies nothing. Change `ctx` before tls_raw_start. */
void tls_raw_open(tls_raw *raw);
void tls_raw_start(tls_raw *raw, bool is_server);
void tls_raw_close(tls_raw *raw);

/** Continues the handshake and reads until OpenSSL needs more input. */
void tls_raw_advance(tls_raw *raw);

/** Passes bytes back and forth until there are none. */
void tls_raw_run(tls_raw *raw, tls_end *end);

/** Takes up to `length` bytes that the raw side has to send. Returns how many. */
size_t tls_raw_take_wire(tls_raw *raw, void *buffer, size_t length);

void tls_raw_send(tls_raw *raw, const char *text);

/** Our end and OpenSSL's, for set-up functions of cmocka: *state becomes the fixture. */
typedef struct tls_raw_fixture {
    em_tls_context *client; /* a test may put others in place of the two */
    em_tls_context *server;
    tls_raw raw;
    tls_end end;
} tls_raw_fixture;

int tls_raw_set_up(void **state);
int tls_raw_tear_down(void **state);

#endif

#endif
