/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reference for TLS: an echo server on a bare epoll and OpenSSL. One read for what arrives, OpenSSL over buffers
 * that all connections share, one write for everything that it makes of it. Session tickets are on, as by default, and
 * buffers of OpenSSL are released whenever they are empty. It shows what the kernel and OpenSSL cost together.
 */
#include "echo_bare.h"
#include "tls_bio.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>

enum { EVENTS = 256 };

static SSL_CTX *context;
static BIO_METHOD *method;
static SSL **connections; /* by descriptor */

static _Noreturn void fail_of_openssl(const char *what)
{
    fprintf(stderr, "%s failed:\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void open_context(const char *certificate, const char *key)
{
    method = tls_bio_method();
    context = SSL_CTX_new(TLS_server_method());
    if (!method || !context)
        fail_of_openssl("starting OpenSSL");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
        fail_of_openssl("configuring TLS");
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        fail_of_openssl("loading the certificate and its key");
}

static void open_table(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        connections = calloc(limit.rlim_cur, sizeof(SSL *));
    if (!connections)
        echo_fail("making a table of the connections");
}

static void discard(int fd)
{
    ERR_clear_error();
    SSL_free(connections[fd]);
    close(fd);
}

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(method);

    if (!ssl || !bio)
        fail_of_openssl("accepting a connection");
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    connections[fd] = ssl;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = echo_accept(listener)) >= 0)
        add(epoll, fd);
}

/* Uses up the input. Returns false if the connection has ended or failed. */
static bool echo(SSL *ssl)
{
    static char plain[TLS_RECORD_BYTES];
    size_t length, written;

    while (SSL_read_ex(ssl, plain, sizeof plain, &length))
        if (!SSL_write_ex(ssl, plain, length, &written))
            return false;
    if (SSL_get_error(ssl, 0) == SSL_ERROR_WANT_READ)
        return true;
    if (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)
        SSL_shutdown(ssl);
    return false;
}

static void serve(int fd)
{
    static char input[TLS_INPUT_BYTES];
    ssize_t n = read(fd, input, sizeof input);
    bool is_open;

    if (n < 0 && errno == EAGAIN)
        return;
    tls_input.next = input;
    tls_input.length = n > 0 ? (size_t)n : 0;
    tls_output.length = 0;
    is_open = n > 0 && echo(connections[fd]);
    if (bare_write_rest(fd, tls_output.bytes, (ssize_t)tls_output.length) != 0 || !is_open)
        discard(fd);
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare_tls(argc, argv));
    int epoll = bare_open(listener);
    struct epoll_event events[EVENTS];

    open_table();
    open_context(argv[2], argv[3]);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
