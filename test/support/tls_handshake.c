/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A handshake between a client and a server, and some data.
 */
#include "support/tls_handshake.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <string.h>

#include "support/deadline.h"

static em_tls_context *make_context(em_tls_context_options options, const char *pem, const char *authority)
{
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = pem};
    options.size = sizeof options;
    options.certificate = pem ? &certificate : NULL;
    if (!options.ca_pem)
        options.ca_pem = authority;
    return tls_context_make(&options);
}

void tls_handshake_run(const tls_handshake *given, tls_pair *pair)
{
    const char *authority = given->authority_pem ? given->authority_pem : tls_test_credentials()->authority_pem;
    em_tls_context *client = make_context(given->client, given->client_pem, authority);
    em_tls_context *server = make_context(given->server, given->server_pem, authority);
    em_tls_options client_options = {.size = sizeof client_options, .context = client, .hostname = given->hostname};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    *pair = (tls_pair){.step = 0};
    if (tls_end_open(&pair->client, &client_options, false, NULL) != EM_OK ||
        tls_end_open(&pair->server, &server_options, true, NULL) != EM_OK)
        stop_test("no filter");
    em_tls_context_release(client);
    em_tls_context_release(server);
    tls_pair_run(pair);
    if (pair->client.filter->is_ready && pair->client.filter->failure == EM_OK)
        tls_end_send(&pair->client, "data", 4);
    tls_pair_run(pair);
}

void tls_handshake_expect(const tls_handshake *given, em_status status, const char *detail)
{
    tls_pair pair;
    em_tls_info info;
    tls_handshake_run(given, &pair);
    if (pair.client.filter->failure != status)
        stop_test("%s for %s: %s", em_status_get_name(pair.client.filter->failure), given->hostname,
                  pair.client.filter->detail ? pair.client.filter->detail : "");
    emi_tls_get_info(pair.client.filter, &info);
    if (info.is_verified != (status == EM_OK && given->client.verify != EM_OFF))
        stop_test("is_verified is %d for %s", info.is_verified, given->hostname);
    if (bytes_length(&pair.server.received) != (status == EM_OK ? 4 : 0))
        stop_test("%zu bytes have arrived", bytes_length(&pair.server.received));
    if (status != EM_OK && pair.server.filter->failure != EM_TLS_ALERT)
        stop_test("the server got no alert");
    if (status != EM_OK && !strstr(pair.client.filter->detail, detail))
        stop_test("\"%s\" does not say \"%s\"", pair.client.filter->detail, detail);
    tls_pair_close(&pair);
}

#endif
