/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a server chooses for a ClientHello: the context, the certificate and the application protocol.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "tls/tls_private.h"

/* The extension (RFC 6066, section 3) is a list of entries: a type, a length in two bytes, and a name. If it is
 * malformed, OpenSSL refuses it later. */
static void read_server_name(emi_tls *tls)
{
    enum { LIST_BYTES = 2, HEAD_BYTES = 3 };
    const unsigned char *data;
    size_t length;
    if (!SSL_client_hello_get0_ext(tls->ssl, TLSEXT_TYPE_server_name, &data, &length) ||
        length < LIST_BYTES + HEAD_BYTES || data[LIST_BYTES] != TLSEXT_NAMETYPE_host_name)
        return;
    const unsigned char *text = data + LIST_BYTES + HEAD_BYTES;
    size_t text_bytes = (size_t)data[LIST_BYTES + 1] << 8 | data[LIST_BYTES + 2];
    length -= LIST_BYTES + HEAD_BYTES;
    if (text_bytes == 0 || text_bytes > length || text_bytes > TLSEXT_MAXLEN_host_name || memchr(text, 0, text_bytes))
        return;
    tls->server_name = OPENSSL_strndup((const char *)text, text_bytes);
    tls->no_memory = tls->no_memory || !tls->server_name;
}

/* "*.example.com" matches names with exactly one label before "example.com". */
static bool is_below(const char *pattern, const char *name)
{
    const char *rest = strchr(name, '.');
    return strncmp(pattern, "*.", 2) == 0 && rest && rest > name && strcmp(pattern + 1, rest) == 0;
}

/* Uses all certificates for the name: there may be one for each type of key. Returns 1: done; 0: there is none; -1:
 * failed. */
static int use_named(emi_tls *tls, const char *name, bool (*is_for)(const char *pattern, const char *name))
{
    bool is_used = false;
    for (const emi_tls_named *named = tls->setup->named; named; named = named->next) {
        if (!named->name.text[0] || !is_for(named->name.text, name))
            continue;
        if (!is_used)
            SSL_certs_clear(tls->ssl);
        is_used = true;
        if (!emi_tls_credential_use_once(named->credential, tls->ssl))
            return -1;
    }
    return is_used;
}

static bool is_same(const char *pattern, const char *name)
{
    return strcmp(pattern, name) == 0;
}

static int choose_certificate(emi_tls *tls, const char *name)
{
    int used = use_named(tls, name, is_same);
    return used == 0 ? use_named(tls, name, is_below) : used;
}

static bool choose_context(emi_tls *tls)
{
    const em_tls_context_options *options = &tls->setup->options;
    if (!options->choose_context)
        return true;
    emi_tls_begin_callback();
    em_tls_context *chosen = options->choose_context(tls->connection, tls->server_name, options->user);
    emi_tls_end_callback();
    if (!chosen || chosen == tls->context)
        return true;
    em_tls_context_retain(chosen);
    tls->chosen = chosen;
    emi_tls_setup *setup = emi_tls_context_get_setup(chosen);
    bool is_used = emi_tls_use_setup(tls, setup);
    emi_tls_setup_release(setup);
    return is_used;
}

/* Sessions are resumed only for the same policy and the same name (RFC 6066, section 3). */
static bool set_session_context(emi_tls *tls, const char *name)
{
    unsigned char text[sizeof tls->setup->policy + sizeof((emi_tls_name *)NULL)->text];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;
    size_t name_bytes = strlen(name) + 1;
    memcpy(text, tls->setup->policy, sizeof tls->setup->policy);
    memcpy(text + sizeof tls->setup->policy, name, name_bytes);
    return EVP_Digest(text, sizeof tls->setup->policy + name_bytes, digest, &length, EVP_sha256(), NULL) == 1 &&
           SSL_set_session_id_context(tls->ssl, digest, length) == 1;
}

/* See SSL_CTX_set_client_hello_cb(3). A second ClientHello, after a HelloRetryRequest, changes nothing. */
static int on_client_hello(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    emi_tls *tls = emi_tls_of(ssl);
    emi_tls_name name;
    if (tls->has_hello)
        return SSL_CLIENT_HELLO_SUCCESS;
    tls->has_hello = true;
    *alert = SSL_AD_INTERNAL_ERROR;
    read_server_name(tls);
    if (tls->no_memory)
        return SSL_CLIENT_HELLO_ERROR;
    bool is_named = tls->server_name && emi_tls_name_parse("server_name", tls->server_name, &name) == EM_OK;
    if (!is_named)
        name.text[0] = '\0';
    if (!choose_context(tls) || !set_session_context(tls, name.text))
        return SSL_CLIENT_HELLO_ERROR;
    int used = is_named ? choose_certificate(tls, name.text) : 0;
    if (used == 0 && tls->server_name && tls->setup->options.refuse_unknown_names == EM_ON) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return used < 0 ? SSL_CLIENT_HELLO_ERROR : SSL_CLIENT_HELLO_SUCCESS;
}

/* Acknowledges the name, RFC 6066, section 3. */
static int on_server_name(SSL *ssl, int *alert, void *unused)
{
    (void)alert;
    (void)unused;
    return emi_tls_of(ssl)->server_name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* The server's order decides. Without a common protocol the handshake fails with alert 120 (RFC 7301, section 3.2). */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
                        const unsigned char *offered, unsigned offered_bytes, void *unused)
{
    (void)unused;
    const emi_tls_setup *setup = emi_tls_of(ssl)->setup;
    unsigned char *found;
    if (!setup->alpn)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&found, chosen_bytes, setup->alpn, setup->alpn_bytes, offered, offered_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

void emi_tls_server_configure(SSL_CTX *ctx)
{
    SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
}

#endif
