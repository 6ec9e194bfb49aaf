/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Contexts and connections of the tests of sessions. See tls_resumption.h.
 */
#include "support/tls_resumption.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include "support/deadline.h"
#include "support/unit.h"

em_tls_context *tls_resumption_server(em_tls_context_options options)
{
    em_tls_certificate_options certificate = {.size = sizeof certificate,
                                              .certificate_pem = tls_test_credentials()->server_pem};
    options.size = sizeof options;
    options.certificate = &certificate;
    return tls_context_make(&options);
}

em_tls_context *tls_resumption_client(em_tls_context_options options)
{
    options.size = sizeof options;
    options.ca_pem = options.verify == EM_OFF ? NULL : tls_test_credentials()->authority_pem;
    return tls_context_make(&options);
}

bool tls_resumption_connect(em_tls_context *client, em_tls_context *server, tls_resumption_wish wanted)
{
    tls_pair pair = {.step = 0};
    em_tls_info ours;
    em_tls_info theirs;
    em_tls_options client_options = {.size = sizeof client_options, .context = client};
    em_tls_options server_options = {.size = sizeof server_options, .context = server};
    client_options.hostname = wanted.hostname ? wanted.hostname : "example.com";
    assert_int_equal(tls_end_open(&pair.client, &client_options, false, wanted.peer ? wanted.peer : "192.0.2.1:443"),
                     EM_OK);
    assert_int_equal(tls_end_open(&pair.server, &server_options, true, NULL), EM_OK);
    tls_pair_run(&pair);
    if (!pair.client.filter->is_ready || !pair.server.filter->is_ready)
        stop_test("not connected: %s, %s", pair.client.filter->detail, pair.server.filter->detail);
    tls_pair_check_text(&pair, &pair.client, &pair.server, "question");
    tls_pair_check_text(&pair, &pair.server, &pair.client, "answer");
    emi_tls_get_info(pair.client.filter, &ours);
    emi_tls_get_info(pair.server.filter, &theirs);
    assert_int_equal(ours.is_resumed, theirs.is_resumed);
    if (!wanted.ends_badly) {
        pair.client.filter->operations->seal_end(pair.client.filter);
        pair.server.filter->operations->seal_end(pair.server.filter);
        tls_pair_run(&pair);
    }
    tls_pair_close(&pair);
    return ours.is_resumed;
}

#endif
