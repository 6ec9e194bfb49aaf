/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An OpenSSL BIO without buffers of its own, for a program with one thread: all connections read what is in
 * `tls_input` and append to `tls_output`. The program fills the one from a socket before it calls OpenSSL and writes
 * the other to the socket afterwards. So a connection needs no memory for bytes on their way, and they are copied only
 * by OpenSSL itself.
 */
#ifndef BENCH_TLS_BIO_H
#define BENCH_TLS_BIO_H

#include <openssl/bio.h>
#include <stddef.h>
#include <string.h>

enum {
    TLS_RECORD_BYTES = 16384, /* the most plain bytes of a record (RFC 8446, section 5.1) */
    TLS_INPUT_BYTES = 65536,
    TLS_OUTPUT_BYTES = 2 * TLS_INPUT_BYTES /* enough for an echo of a whole input, with all tickets and alerts */
};

static struct {
    const char *next;
    size_t length;
} tls_input;

static struct {
    char bytes[TLS_OUTPUT_BYTES];
    size_t length;
} tls_output;

static int tls_bio_read(BIO *bio, char *to, size_t size, size_t *taken)
{
    BIO_clear_retry_flags(bio);
    if (tls_input.length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *taken = size < tls_input.length ? size : tls_input.length;
    memcpy(to, tls_input.next, *taken);
    tls_input.next += *taken;
    tls_input.length -= *taken;
    return 1;
}

static int tls_bio_write(BIO *bio, const char *from, size_t length, size_t *written)
{
    BIO_clear_retry_flags(bio);
    if (length > sizeof tls_output.bytes - tls_output.length)
        return 0;
    memcpy(tls_output.bytes + tls_output.length, from, length);
    tls_output.length += length;
    *written = length;
    return 1;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int tls_bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* Returns NULL if there is no memory. */
static inline BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shared buffers");

    if (method && BIO_meth_set_read_ex(method, tls_bio_read) && BIO_meth_set_write_ex(method, tls_bio_write) &&
        BIO_meth_set_ctrl(method, tls_bio_control) && BIO_meth_set_create(method, tls_bio_create))
        return method;
    BIO_meth_free(method);
    return NULL;
}

#endif
