/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OpenSSL as a peer.
 */
#include "support/tls_raw.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include <openssl/err.h>

#include "support/deadline.h"

void tls_raw_open(tls_raw *raw)
{
    const tls_credentials *credentials = tls_test_credentials();
    *raw = (tls_raw){.ctx = SSL_CTX_new(TLS_method())};
    if (!raw->ctx || SSL_CTX_use_certificate(raw->ctx, credentials->server.certificate) != 1 ||
        SSL_CTX_use_PrivateKey(raw->ctx, credentials->server.key) != 1)
        stop_test("no SSL_CTX");
}

void tls_raw_start(tls_raw *raw, bool is_server)
{
    raw->ssl = SSL_new(raw->ctx);
    raw->arriving = BIO_new(BIO_s_mem());
    raw->leaving = BIO_new(BIO_s_mem());
    if (!raw->ssl || !raw->arriving || !raw->leaving)
        stop_test("no SSL");
    BIO_set_mem_eof_return(raw->arriving, -1);
    SSL_set_bio(raw->ssl, raw->arriving, raw->leaving);
    if (is_server)
        SSL_set_accept_state(raw->ssl);
    else
        SSL_set_connect_state(raw->ssl);
}

void tls_raw_close(tls_raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ctx);
    bytes_free(&raw->received);
    ERR_clear_error();
}

void tls_raw_advance(tls_raw *raw)
{
    unsigned char plain[16384];
    int length;
    ERR_clear_error();
    while ((length = SSL_read(raw->ssl, plain, sizeof plain)) > 0)
        bytes_append(&raw->received, plain, (size_t)length);
    raw->error = SSL_get_error(raw->ssl, length);
    ERR_clear_error();
}

size_t tls_raw_take_wire(tls_raw *raw, void *buffer, size_t length)
{
    int taken = BIO_read(raw->leaving, buffer, (int)length);
    return taken > 0 ? (size_t)taken : 0;
}

void tls_raw_run(tls_raw *raw, tls_end *end)
{
    static unsigned char wire[65536];
    size_t from_raw;
    size_t from_end;
    if (end->calls == 0)
        tls_end_receive(end, NULL, 0);
    do {
        tls_raw_advance(raw);
        from_raw = tls_raw_take_wire(raw, wire, sizeof wire);
        if (from_raw > 0)
            tls_end_receive(end, wire, from_raw);
        from_end = tls_end_take_wire(end, wire, sizeof wire);
        if (from_end > 0)
            BIO_write(raw->arriving, wire, (int)from_end);
    } while (from_raw > 0 || from_end > 0);
}

void tls_raw_send(tls_raw *raw, const char *text)
{
    if (SSL_write(raw->ssl, text, (int)strlen(text)) <= 0)
        stop_test("SSL_write failed");
}

int tls_raw_set_up(void **state)
{
    static tls_raw_fixture made;
    deadline_start(300);
    made = (tls_raw_fixture){.client = tls_client_context(), .server = tls_server_context()};
    tls_raw_open(&made.raw);
    *state = &made;
    return 0;
}

int tls_raw_tear_down(void **state)
{
    tls_raw_fixture *made = *state;
    tls_raw_close(&made->raw);
    tls_end_close(&made->end);
    em_tls_context_release(made->client);
    em_tls_context_release(made->server);
    deadline_stop();
    return 0;
}

#endif
