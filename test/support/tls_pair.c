/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Two filters back to back.
 */
#include "support/tls_pair.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

#include "support/deadline.h"

enum { WIRE_BYTES = 65536 };

char *tls_pem_of(const test_certificate *certificate)
{
    char *pem = certificate_pem(certificate);
    char *key = certificate_key_pem(certificate, NULL);
    char *both = text_join(pem, key);
    free(pem);
    free(key);
    return both;
}

const tls_credentials *tls_test_credentials(void)
{
    static tls_credentials credentials;
    if (credentials.server_pem)
        return &credentials;
    const certificate_recipe authority = {.common_name = "authority", .is_authority = true};
    const certificate_recipe server = {.common_name = "server",
                                       .alternative_names =
                                           "DNS:example.com,DNS:*.example.com,IP:192.0.2.1,IP:0:0:0:0:0:0:0:1"};
    credentials.authority = certificate_make(&authority, NULL);
    credentials.authority_pem = certificate_pem(&credentials.authority);
    credentials.server = certificate_make(&server, &credentials.authority);
    credentials.server_pem = tls_pem_of(&credentials.server);
    return &credentials;
}

em_tls_context *tls_context_make(const em_tls_context_options *options)
{
    em_tls_context *context;
    em_status status = em_tls_context_create(options, &context);
    if (status != EM_OK)
        stop_test("no context: %s: %s", em_status_get_name(status), em_status_get_detail(status));
    return context;
}

em_tls_context *tls_server_context(void)
{
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    return tls_context_make(&options);
}

em_tls_context *tls_client_context(void)
{
    em_tls_context_options options = {.size = sizeof options, .ca_pem = tls_test_credentials()->authority_pem};
    return tls_context_make(&options);
}

em_status tls_end_open(tls_end *end, const em_tls_options *options, bool is_server, const char *peer)
{
    *end = (tls_end){.result = EMI_FILTER_PROGRESS};
    failing_allocator_init(&end->allocator);
    emi_outbox_pool_init(&end->pool, &end->allocator.allocator, 0);
    const emi_tls_opening opening = {.options = options,
                                     .is_server = is_server,
                                     .peer = peer,
                                     .memory = &end->allocator.allocator,
                                     .wire_pool = &end->pool};
    return emi_tls_open(&opening, &end->filter);
}

void tls_end_close(tls_end *end)
{
    if (end->filter) {
        emi_outbox_clear(&end->filter->wire, &end->pool);
        end->filter->operations->destroy(end->filter);
    }
    if (end->pool.bytes != 0)
        stop_test("%zu bytes are left in an outbox", end->pool.bytes);
    emi_outbox_pool_clear(&end->pool);
    if (atomic_load(&end->allocator.live) != 0)
        stop_test("%ld pieces of memory are left", atomic_load(&end->allocator.live));
    bytes_free(&end->received);
    end->filter = NULL;
}

void tls_pair_open(tls_pair *pair, em_tls_context *client, em_tls_context *server)
{
    em_tls_options client_options = {.size = sizeof client_options, .context = client, .hostname = "example.com"};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    pair->step = 0;
    pair->carried = 0;
    pair->flip_at = 0;
    pair->truncate_at = 0;
    em_status status = tls_end_open(&pair->client, &client_options, false, "peer");
    if (status == EM_OK)
        status = tls_end_open(&pair->server, &server_options, true, NULL);
    if (status != EM_OK)
        stop_test("no filter: %s", em_status_get_detail(status));
}

void tls_pair_close(tls_pair *pair)
{
    tls_end_close(&pair->client);
    tls_end_close(&pair->server);
}

/* The number of calls is bounded: a filter that returns PROGRESS forever is an error. */
void tls_end_receive(tls_end *end, const void *wire, size_t length)
{
    static _Thread_local unsigned char room[EMI_FILTER_ROOM_BYTES];
    emi_bytes input = {.next = wire, .length = length};
    unsigned calls = 0;
    do {
        size_t plain = 0;
        end->result = end->filter->operations->open(end->filter, &input, room, &plain);
        bytes_append(&end->received, room, plain);
        end->calls++;
        if (++calls > 1000 + length)
            stop_test("open makes progress for ever");
    } while (end->result == EMI_FILTER_PROGRESS);
    if (input.length != 0 && end->result != EMI_FILTER_FAILED)
        stop_test("%zu bytes of the wire were left", input.length);
}

size_t tls_end_take_wire(tls_end *end, void *buffer, size_t length)
{
    size_t taken = 0;
    emi_span span;
    while (taken < length && emi_outbox_gather(&end->filter->wire, &span, 1) > 0) {
        size_t piece = span.length < length - taken ? span.length : length - taken;
        memcpy((unsigned char *)buffer + taken, span.data, piece);
        emi_outbox_consume(&end->filter->wire, &end->pool, piece);
        taken += piece;
    }
    return taken;
}

/* How many of `length` bytes are passed before the truncation. */
static size_t limit(const tls_pair *pair, size_t length)
{
    if (pair->truncate_at == 0 || pair->carried + length <= pair->truncate_at)
        return length;
    return pair->truncate_at > pair->carried ? pair->truncate_at - pair->carried : 0;
}

static bool carry(tls_pair *pair, tls_end *from, tls_end *to)
{
    enum { FLIP = 0x21 };
    static _Thread_local unsigned char wire[WIRE_BYTES];
    size_t length = tls_end_take_wire(from, wire, pair->step ? pair->step : sizeof wire);
    if (length == 0)
        return false;
    size_t arriving = limit(pair, length);
    if (pair->flip_at > pair->carried && pair->flip_at <= pair->carried + arriving)
        wire[pair->flip_at - pair->carried - 1] ^= FLIP;
    pair->carried += length;
    if (arriving > 0)
        tls_end_receive(to, wire, arriving);
    return true;
}

void tls_pair_run(tls_pair *pair)
{
    bool is_moving = true;
    if (pair->client.calls == 0) {
        tls_end_receive(&pair->client, NULL, 0);
        tls_end_receive(&pair->server, NULL, 0);
    }
    while (is_moving) {
        is_moving = carry(pair, &pair->client, &pair->server);
        is_moving = carry(pair, &pair->server, &pair->client) || is_moving;
    }
}

void tls_pair_connect(tls_pair *pair, em_tls_context *client, em_tls_context *server)
{
    tls_pair_open(pair, client, server);
    tls_pair_run(pair);
    if (!pair->client.filter->is_ready)
        stop_test("the client is not ready: %s", pair->client.filter->detail);
    if (!pair->server.filter->is_ready)
        stop_test("the server is not ready: %s", pair->server.filter->detail);
}

em_status tls_end_send(tls_end *end, const void *plain, size_t length)
{
    const unsigned char *next = plain;
    em_status status = EM_OK;
    while (length > 0 && status == EM_OK && end->filter->piece_bytes > 0) {
        size_t piece = length < end->filter->piece_bytes ? length : end->filter->piece_bytes;
        status = end->filter->operations->seal(end->filter, next, piece);
        next += piece;
        length -= piece;
    }
    return status;
}

void tls_pair_check_text(tls_pair *pair, tls_end *from, tls_end *to, const char *text)
{
    bytes_take(&to->received, NULL, bytes_length(&to->received));
    em_status status = tls_end_send(from, text, strlen(text));
    tls_pair_run(pair);
    if (status != EM_OK || !bytes_equal_text(&to->received, text))
        stop_test("the text \"%s\" has not arrived", text);
}

#endif
