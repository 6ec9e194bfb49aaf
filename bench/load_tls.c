/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS in the load generator: a client of OpenSSL that offers only TLS 1.3 with AES-128-GCM and X25519, so that every
 * server does the same work. It trusts every certificate: a client's trust costs the server nothing. It asks the kernel
 * for input once per event, for the same reason as bench/tls_epoll.c: the less it costs, the busier the server is.
 */
#include "load.h"
#include "tls_bio.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* With the rest of a record that OpenSSL holds from the last time, it never makes more plain bytes than a chunk. */
enum { WIRE_BYTES = LOAD_CHUNK_BYTES / 2 };

static SSL_CTX *context;
static BIO_METHOD *method;

static _Noreturn void fail_of_openssl(const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    fprintf(stderr, "load: %s: %s\n", what, reason ? reason : "the server ended the connection");
    exit(1);
}

/* Called with each ticket that a server sends. The newest is kept for the next handshake. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct load_stream *stream = SSL_get_app_data(ssl);

    SSL_SESSION_free(stream->session);
    stream->session = session;
    return 1;
}

static void open_context(bool resume)
{
    method = tls_bio_method();
    context = SSL_CTX_new(TLS_client_method());
    if (!method || !context)
        fail_of_openssl("starting OpenSSL");
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
        fail_of_openssl("configuring TLS");
    if (resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
}

/* A ticket is used once (RFC 8446, appendix C.4). */
static void offer_session(struct load_stream *stream)
{
    if (!stream->session)
        return;
    if (!SSL_set_session(stream->tls, stream->session))
        fail_of_openssl("offering a session");
    SSL_SESSION_free(stream->session);
    stream->session = NULL;
}

void load_tls_start(struct load_stream *stream, const struct load_options *options)
{
    BIO *input, *socket;

    if (!context)
        open_context(options->resume);
    stream->tls = SSL_new(context);
    input = BIO_new(method);
    socket = BIO_new_socket(stream->fd, BIO_NOCLOSE);
    if (!stream->tls || !input || !socket)
        fail_of_openssl("opening a connection");
    if (fcntl(stream->fd, F_SETFL, O_NONBLOCK) != 0)
        load_fail("making a socket non-blocking");
    SSL_set_bio(stream->tls, input, socket);
    SSL_set_app_data(stream->tls, stream);
    SSL_set_connect_state(stream->tls);
    offer_session(stream);
    if (SSL_do_handshake(stream->tls) == 1 || SSL_get_error(stream->tls, -1) != SSL_ERROR_WANT_READ)
        fail_of_openssl("beginning a handshake");
}

void load_tls_complete_handshake(struct load_stream *stream)
{
    static unsigned char nothing[LOAD_CHUNK_BYTES];

    while (!SSL_is_init_finished(stream->tls)) {
        load_stream_wait(stream);
        if (load_tls_receive(stream, nothing) < 0 && errno == EAGAIN)
            continue;
        errno = 0;
        load_fail("the server ended a handshake");
    }
}

bool load_tls_is_resumed(const struct load_stream *stream)
{
    return SSL_session_reused(stream->tls) == 1;
}

ssize_t load_tls_send(struct load_stream *stream, const void *data, size_t length)
{
    size_t sent;
    int error;

    if (SSL_write_ex(stream->tls, data, length, &sent))
        return (ssize_t)sent;
    error = SSL_get_error(stream->tls, 0);
    if (error == SSL_ERROR_SYSCALL)
        return -1;
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail_of_openssl("sending");
    errno = EAGAIN;
    return -1;
}

/* Uses up the input. Returns how many plain bytes it contained. */
static size_t decrypt(SSL *ssl, unsigned char *buffer)
{
    size_t length = 0, n;

    while (SSL_read_ex(ssl, buffer + length, LOAD_CHUNK_BYTES - length, &n))
        length += n;
    if (SSL_get_error(ssl, 0) != SSL_ERROR_WANT_READ)
        fail_of_openssl("receiving");
    return length;
}

ssize_t load_tls_receive(struct load_stream *stream, unsigned char *buffer)
{
    static char wire[WIRE_BYTES];
    size_t length;

    do {
        ssize_t n = recv(stream->fd, wire, sizeof wire, MSG_DONTWAIT);

        stream->is_drained = n < WIRE_BYTES;
        if (n <= 0)
            return n;
        tls_input.next = wire;
        tls_input.length = (size_t)n;
        length = decrypt(stream->tls, buffer);
    } while (length == 0 && !stream->is_drained);
    errno = EAGAIN;
    return length > 0 ? (ssize_t)length : -1;
}

/* Says that close_notify was sent and received: OpenSSL does not resume the session of a connection without. */
void load_tls_free(struct load_stream *stream)
{
    SSL_set_shutdown(stream->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stream->tls);
    stream->tls = NULL;
}
