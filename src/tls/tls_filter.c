/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The functions of the TLS filter: the handshake, receiving and sending records, the end. OpenSSL is always called with
 * an empty error queue, and never for a connection that has failed.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "tls/tls_private.h"

enum {
    RENEGOTIATION_COST = EMI_TLS_MOST_UNASKED / 4, /* so a few attempts are too many */
    SMALL_PIECE_BYTES = 1369,  /* one TCP segment over Ethernet, with the record's header and tag, and TCP options */
    LARGE_PIECE_BYTES = 16384, /* the most that a record holds, RFC 8446, section 5.1 */
    SMALL_FOR_BYTES = 40000,   /* a peer can decrypt only whole records, so they are small while TCP's window is */
    QUIET_SECONDS = 2          /* after which records are small again */
};

static emi_tls *tls_of(emi_filter *filter)
{
    return EMI_CONTAINER(filter, emi_tls, filter);
}

static void drop(emi_bytes *input)
{
    input->next += input->length;
    input->length = 0;
}

static emi_filter_result fail(emi_tls *tls, em_status status, const char *text)
{
    if (!tls->filter.is_ready)
        emi_tls_sessions_forget(tls);
    emi_tls_fail(tls, status, text);
    return EMI_FILTER_FAILED;
}

/* The handshake */

/* What a peer sends first is a handshake's record, or an alert's: the type, and a version that begins with 3 (RFC 8446,
 * section 5.1). OpenSSL would wait for more of anything else, or take it for a hello in the form of SSL 2. */
static bool begins_record(emi_tls *tls)
{
    enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, MAJOR_VERSION = 3 };
    for (size_t i = 0; i < tls->input->length && tls->first_count < 2; i++) {
        unsigned char byte = tls->input->next[i];
        bool is_good =
            tls->first_count++ == 0 ? byte == RECORD_ALERT || byte == RECORD_HANDSHAKE : byte == MAJOR_VERSION;
        if (!is_good)
            return false;
    }
    return true;
}

/*
 * OpenSSL's buffers are 33 KB. While data flows, OpenSSL keeps them, until release_buffers. Otherwise it frees them as
 * soon as they are empty: many handshakes at the same time would not only need much memory, but leave holes between
 * long-lived blocks, which malloc does not return to the system.
 */
static void keep_buffers(emi_tls *tls)
{
    if (tls->keeps_buffers)
        return;
    tls->keeps_buffers = true;
    SSL_clear_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
}

/* Counts the peer's messages without data, see SSL_CTX_set_info_callback(3). */
static void on_event(const SSL *ssl, int where, int value)
{
    emi_tls *tls = emi_tls_of(ssl);
    if (where == SSL_CB_WRITE_ALERT) {
        if ((value & 0xff) == SSL_AD_NO_RENEGOTIATION)
            tls->unasked += RENEGOTIATION_COST;
    } else if (where & SSL_CB_LOOP) {
        OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
        if (state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE || state == TLS_ST_CR_SESSION_TICKET)
            tls->unasked++;
    }
}

static bool is_offered(const emi_tls *tls, const unsigned char *protocol, unsigned length)
{
    const unsigned char *end = tls->setup->alpn + tls->setup->alpn_bytes;
    for (const unsigned char *offered = tls->setup->alpn; offered < end; offered += *offered + 1)
        if (*offered == length && memcmp(offered + 1, protocol, length) == 0)
            return true;
    return false;
}

static bool note_protocol(emi_tls *tls)
{
    const unsigned char *protocol;
    unsigned length;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &length);
    if (length == 0)
        return true;
    tls->alpn = OPENSSL_strndup((const char *)protocol, length);
    tls->no_memory = tls->no_memory || !tls->alpn;
    return tls->alpn && (tls->is_server || is_offered(tls, protocol, length));
}

static emi_filter_result finish_handshake(emi_tls *tls)
{
    emi_tls_clear_errors();
    if (!note_protocol(tls))
        return fail(tls, EM_TLS_FAILED, "the server has chosen a protocol that was not offered");
    /* OpenSSL cannot send an alert any more, and a close_notify would pass for a good end. */
    if (emi_tls_verify_misses_certificate(tls))
        return fail(tls, EM_TLS_UNTRUSTED, "the peer has shown no certificate");
    if (SSL_session_reused(tls->ssl) && !emi_tls_verify_resumed(tls))
        return fail(tls, emi_tls_verify_status(tls->verify_error), emi_tls_verify_detail(tls));
    emi_tls_sessions_renew(tls);
    SSL_set_info_callback(tls->ssl, on_event);
    SSL_free_buffers(tls->ssl); /* one may be left */
    tls->filter.is_ready = true;
    return EMI_FILTER_PROGRESS;
}

static emi_filter_result after_call(emi_tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    if (error == SSL_ERROR_WANT_READ && tls->unasked > EMI_TLS_MOST_UNASKED)
        return fail(tls, EM_TLS_FAILED, "too many messages of the peer's without data");
    if (error == SSL_ERROR_WANT_READ) {
        tls->is_starved = true;
        return EMI_FILTER_STARVED;
    }
    if (error == SSL_ERROR_ZERO_RETURN && tls->filter.is_ready) {
        tls->has_ended = true;
        drop(tls->input);
        return EMI_FILTER_ENDED;
    }
    return fail(tls, EM_TLS_FAILED,
                error == SSL_ERROR_ZERO_RETURN ? "the peer has ended the handshake" : "protocol error");
}

static emi_filter_result continue_handshake(emi_tls *tls)
{
    if (!tls->has_started && tls->is_server && tls->input->length == 0) {
        tls->is_starved = true; /* the client begins, and OpenSSL would allocate a buffer of 16 KB to wait for it */
        return EMI_FILTER_STARVED;
    }
    if (!tls->has_started && !tls->is_server)
        emi_tls_sessions_offer(tls);
    tls->has_started = true;
    emi_tls_clear_errors();
    if (!begins_record(tls)) {
        emi_tls_fail_without_tls(tls, tls->input);
        return EMI_FILTER_FAILED;
    }
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? finish_handshake(tls) : after_call(tls, result);
}

/* Sending */

static void note_sealed(emi_tls *tls, size_t length)
{
    keep_buffers(tls);
    tls->unasked = 0;
    tls->sealed_bytes += length;
    tls->filter.piece_bytes = tls->sealed_bytes < SMALL_FOR_BYTES ? SMALL_PIECE_BYTES : LARGE_PIECE_BYTES;
}

/* Records are small again after a quiet time. The piece at hand was still asked for with the size from before. */
static void note_time(emi_tls *tls)
{
    int64_t now = (int64_t)time(NULL);
    int64_t quiet = now - tls->sealed_at;
    tls->sealed_at = now;
    if (quiet < QUIET_SECONDS && quiet >= 0)
        return;
    tls->sealed_bytes = 0;
    tls->filter.piece_bytes = SMALL_PIECE_BYTES;
}

/* The peer has sent a part of a message such as a key update. OpenSSL writes nothing until it is complete. */
static em_status hold(emi_tls *tls, const void *plain, size_t length)
{
    tls->filter.piece_bytes = 0;
    em_status status = emi_outbox_append(&tls->filter.held, tls->filter.pool, plain, length);
    if (status == EM_OK)
        return EM_OK;
    tls->no_memory = true;
    emi_tls_fail(tls, EM_NO_MEMORY, "out of memory");
    return tls->filter.failure;
}

static em_status write_piece(emi_tls *tls, const void *plain, size_t length, bool *is_written)
{
    size_t written;
    emi_tls_clear_errors();
    int result = SSL_write_ex(tls->ssl, plain, length, &written);
    *is_written = result == 1;
    if (result == 1) {
        note_sealed(tls, length);
        return EM_OK;
    }
    if (SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
        return EM_OK;
    emi_tls_fail(tls, EM_TLS_FAILED, "cannot write");
    return tls->filter.failure;
}

static em_status seal(emi_filter *filter, const void *plain, size_t length)
{
    emi_tls *tls = tls_of(filter);
    const unsigned char *next = plain;
    bool is_written = true;
    if (tls->filter.failure != EM_OK)
        return tls->filter.failure;
    if (length > 0 && tls->filter.held.bytes > 0)
        return hold(tls, plain, length);
    note_time(tls);
    while (length > 0) {
        size_t piece = length < tls->filter.piece_bytes ? length : tls->filter.piece_bytes;
        em_status status = write_piece(tls, next, piece, &is_written);
        if (status != EM_OK || !is_written)
            return status == EM_OK ? hold(tls, next, length) : status;
        next += piece;
        length -= piece;
    }
    return EM_OK;
}

static em_status write_end(emi_tls *tls)
{
    emi_tls_clear_errors();
    int result = SSL_shutdown(tls->ssl);
    tls->wants_end = result < 0 && SSL_in_init(tls->ssl);
    emi_tls_clear_errors();
    tls->filter.piece_bytes = tls->wants_end ? 0 : SMALL_PIECE_BYTES;
    if (tls->no_memory)
        emi_tls_fail(tls, EM_NO_MEMORY, "out of memory");
    return tls->filter.failure;
}

static em_status seal_end(emi_filter *filter)
{
    emi_tls *tls = tls_of(filter);
    if (!tls->filter.is_ready || tls->filter.failure != EM_OK)
        return tls->filter.failure;
    tls->wants_end = tls->filter.held.bytes > 0;
    return tls->wants_end ? EM_OK : write_end(tls);
}

/* Writes what was held, if OpenSSL can write again. */
static em_status write_held(emi_tls *tls)
{
    emi_span span;
    bool is_written = true;
    em_status status = EM_OK;
    while (status == EM_OK && is_written && emi_outbox_gather(&tls->filter.held, &span, 1) > 0) {
        size_t length = span.length < LARGE_PIECE_BYTES ? span.length : LARGE_PIECE_BYTES;
        status = write_piece(tls, span.data, length, &is_written);
        if (is_written)
            emi_outbox_consume(&tls->filter.held, tls->filter.pool, length);
    }
    if (tls->filter.held.bytes > 0)
        tls->filter.piece_bytes = 0;
    else if (status == EM_OK && tls->wants_end)
        status = write_end(tls);
    return status;
}

/* Receiving */

static emi_filter_result receive(emi_tls *tls, unsigned char *plain, size_t *length)
{
    emi_filter_result result = EMI_FILTER_PROGRESS;
    tls->is_starved = false;
    while (result == EMI_FILTER_PROGRESS && *length < EMI_FILTER_ROOM_BYTES) {
        size_t piece;
        emi_tls_clear_errors();
        int read = SSL_read_ex(tls->ssl, plain + *length, EMI_FILTER_ROOM_BYTES - *length, &piece);
        if (read != 1) {
            result = after_call(tls, read);
            break;
        }
        keep_buffers(tls);
        tls->unasked = 0;
        *length += piece;
        tls->is_starved = tls->input->length == 0 && !SSL_has_pending(tls->ssl);
        if (tls->is_starved)
            break;
    }
    if ((tls->filter.held.bytes > 0 || tls->wants_end) && result != EMI_FILTER_FAILED && write_held(tls) != EM_OK)
        result = EMI_FILTER_FAILED;
    return result;
}

static emi_filter_result open_input(emi_filter *filter, emi_bytes *input, void *plain, size_t *length)
{
    emi_tls *tls = tls_of(filter);
    size_t wire_bytes = filter->wire.bytes;
    emi_filter_result result = tls->has_ended ? EMI_FILTER_ENDED : EMI_FILTER_FAILED;
    *length = 0;
    if (tls->has_ended || filter->failure != EM_OK) {
        drop(input);
        return result;
    }
    if (input->length == 0 && tls->is_starved)
        return EMI_FILTER_STARVED;
    tls->input = input;
    result = filter->is_ready ? receive(tls, plain, length) : continue_handshake(tls);
    tls->input = NULL;
    return *length > 0 || (result == EMI_FILTER_STARVED && filter->wire.bytes != wire_bytes) ? EMI_FILTER_PROGRESS
                                                                                             : result;
}

/* The end */

static em_status check_end(emi_filter *filter)
{
    emi_tls *tls = tls_of(filter);
    if (tls->has_ended || filter->failure != EM_OK)
        return filter->failure;
    return emi_tls_explain_end(tls);
}

/* Between records only: before OpenSSL 3.0.14 the buffer was freed in the middle of one (CVE-2024-4741). */
static void release_buffers(emi_filter *filter)
{
    emi_tls *tls = tls_of(filter);
    bool is_between = strcmp(SSL_rstate_string(tls->ssl), "RH") == 0; /* the next thing to read is a head */
    if (!is_between || !filter->is_ready || filter->failure != EM_OK)
        return;
    SSL_free_buffers(tls->ssl);
    SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
    tls->keeps_buffers = false;
}

/* OpenSSL does not resume sessions of connections without close_notify, so it is told that both have sent it. */
static void destroy(emi_filter *filter)
{
    emi_tls *tls = tls_of(filter);
    if (tls->ssl && filter->is_ready && filter->failure == EM_OK)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    SSL_SESSION_free(tls->offered);
    sk_X509_pop_free(tls->refused_chain, X509_free);
    emi_outbox_clear(&filter->held, filter->pool);
    emi_tls_setup_release(tls->setup);
    em_tls_context_release(tls->chosen);
    em_tls_context_release(tls->context);
    OPENSSL_free(tls->server_name);
    OPENSSL_free(tls->alpn);
    OPENSSL_free(tls->detail);
    OPENSSL_free(tls->hostname);
    OPENSSL_free(tls->verify_detail);
    emi_release(tls->memory, tls);
}

static const emi_filter_operations operations = {.open = open_input,
                                                 .seal = seal,
                                                 .seal_end = seal_end,
                                                 .check_end = check_end,
                                                 .release_buffers = release_buffers,
                                                 .destroy = destroy};

bool emi_tls_is(const emi_filter *filter)
{
    return filter && filter->operations == &operations;
}

emi_tls *emi_tls_allocate(const emi_memory *memory, emi_outbox_pool *pool)
{
    emi_tls *tls = emi_allocate_zeroed(memory, sizeof *tls);
    if (tls) {
        tls->memory = memory;
        tls->filter = (emi_filter){.operations = &operations, .pool = pool, .piece_bytes = SMALL_PIECE_BYTES};
    }
    return tls;
}

#endif
