/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sessions that clients keep for later connections. Each context has its own, so a session is never used by a
 * connection with other rules. Within a context it is used for the same peer, the same names and the same setup. A
 * session of TLS 1.3 is used once (RFC 8446, appendix C.4).
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "tls/tls_private.h"

typedef struct kept_session {
    emi_list link;
    unsigned char key[32];
    SSL_SESSION *session;
} kept_session;

void emi_tls_sessions_init(emi_tls_sessions *sessions)
{
    emi_list_init(&sessions->oldest_first);
    sessions->count = 0;
}

static void free_session(kept_session *kept)
{
    SSL_SESSION_free(kept->session);
    OPENSSL_free(kept);
}

void emi_tls_sessions_clear(emi_tls_sessions *sessions)
{
    emi_list *link;
    while ((link = emi_list_take_first(&sessions->oldest_first)))
        free_session(EMI_CONTAINER(link, kept_session, link));
    sessions->count = 0;
}

bool emi_tls_sessions_name(emi_tls *tls, const char *peer)
{
    const char *texts[] = {peer, tls->hostname ? tls->hostname : "", tls->server_name ? tls->server_name : ""};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(digest, tls->setup->identity, sizeof tls->setup->identity) == 1;
    for (size_t i = 0; is_done && i < sizeof texts / sizeof *texts; i++)
        is_done = EVP_DigestUpdate(digest, texts[i], strlen(texts[i]) + 1) == 1;
    tls->has_session_key = is_done && EVP_DigestFinal_ex(digest, tls->session_key, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return tls->has_session_key;
}

static bool is_usable(SSL_SESSION *session)
{
    int64_t age = (int64_t)time(NULL) - (int64_t)SSL_SESSION_get_time(session);
    return age >= 0 && age < (int64_t)SSL_SESSION_get_timeout(session) && SSL_SESSION_is_resumable(session);
}

/* Removes the newest session with this key from the list. */
static kept_session *take(em_tls_context *context, const unsigned char *key)
{
    kept_session *found = NULL;
    emi_tls_sessions *sessions = &context->sessions;
    emi_tls_lock_take(&context->lock);
    for (emi_list *link = sessions->oldest_first.previous; link != &sessions->oldest_first; link = link->previous) {
        kept_session *kept = EMI_CONTAINER(link, kept_session, link);
        if (memcmp(kept->key, key, sizeof kept->key) != 0)
            continue;
        emi_list_remove(link);
        sessions->count--;
        found = kept;
        break;
    }
    emi_tls_lock_give(&context->lock);
    return found;
}

/* Adds a session as the newest. Returns the one to be freed in its place, or NULL. */
static kept_session *put(em_tls_context *context, kept_session *kept)
{
    emi_tls_sessions *sessions = &context->sessions;
    unsigned limit = context->options.session_limit ? context->options.session_limit : EMI_TLS_SESSIONS;
    emi_list *oldest = NULL;
    emi_tls_lock_take(&context->lock);
    emi_list_append(&sessions->oldest_first, &kept->link);
    if (++sessions->count > limit) {
        oldest = emi_list_take_first(&sessions->oldest_first);
        sessions->count--;
    }
    emi_tls_lock_give(&context->lock);
    return oldest ? EMI_CONTAINER(oldest, kept_session, link) : NULL;
}

static void keep(em_tls_context *context, kept_session *kept)
{
    kept_session *oldest = put(context, kept);
    if (oldest)
        free_session(oldest);
}

static bool keep_new(emi_tls *tls, SSL_SESSION *session)
{
    kept_session *kept = OPENSSL_malloc(sizeof *kept);
    if (!kept)
        return false;
    emi_list_init(&kept->link);
    memcpy(kept->key, tls->session_key, sizeof kept->key);
    kept->session = session;
    keep(tls->context, kept);
    return true;
}

/* See SSL_CTX_sess_set_new_cb(3). Returns 1 if it keeps the reference to the session. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    emi_tls *tls = emi_tls_of(ssl);
    return tls->has_session_key && keep_new(tls, session);
}

void emi_tls_sessions_renew(emi_tls *tls)
{
    SSL_SESSION *session = SSL_get0_session(tls->ssl);
    bool is_renewed = tls->offered && session != tls->offered && SSL_version(tls->ssl) != TLS1_3_VERSION;
    if (is_renewed && SSL_SESSION_up_ref(session) && !keep_new(tls, session))
        SSL_SESSION_free(session);
    SSL_SESSION_free(tls->offered);
    tls->offered = NULL;
}

void emi_tls_sessions_offer(emi_tls *tls)
{
    kept_session *kept;
    while (tls->has_session_key && (kept = take(tls->context, tls->session_key))) {
        bool is_offered = is_usable(kept->session) && emi_tls_verify_session(tls, kept->session) &&
                          SSL_set_session(tls->ssl, kept->session) == 1;
        if (is_offered && SSL_SESSION_up_ref(kept->session))
            tls->offered = kept->session;
        if (is_offered && SSL_SESSION_get_protocol_version(kept->session) != TLS1_3_VERSION)
            keep(tls->context, kept);
        else
            free_session(kept);
        if (is_offered)
            return;
    }
}

void emi_tls_sessions_forget(emi_tls *tls)
{
    kept_session *kept;
    while (tls->offered && (kept = take(tls->context, tls->session_key)))
        free_session(kept);
}

void emi_tls_sessions_configure(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
}

#endif
