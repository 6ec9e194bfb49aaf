/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS servers as peers of the simulated backend. See simulated_tls.h.
 */
#include "support/simulated_tls.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>

static em_tls_context *contexts[MANNERS];
static em_tls_context *client_context;
static char *wrong_pem;
static test_certificate wrong_certificate;

int simulated_tls_set_up(void **state)
{
    (void)state;
    const certificate_recipe recipe = {.common_name = "other", .alternative_names = "DNS:other.example"};
    wrong_certificate = certificate_make(&recipe, &tls_test_credentials()->authority);
    wrong_pem = tls_pem_of(&wrong_certificate);
    em_tls_certificate_options certificate = {.size = sizeof certificate, .certificate_pem = wrong_pem};
    em_tls_context_options options = {.size = sizeof options, .certificate = &certificate};
    contexts[WRONG_NAME] = tls_context_make(&options);
    contexts[GOOD] = tls_server_context();
    client_context = tls_client_context();
    return 0;
}

int simulated_tls_tear_down(void **state)
{
    (void)state;
    em_tls_context_release(client_context);
    for (unsigned i = 0; i < MANNERS; i++)
        em_tls_context_release(contexts[i]);
    certificate_free(&wrong_certificate);
    free(wrong_pem);
    return 0;
}

em_tls_context *simulated_tls_client(void)
{
    return client_context;
}

/* In place, because the filter refers to its end. */
void simulated_tls_accept(tls_server *made, simulated_peer *peer, manner how)
{
    const em_tls_options options = {.size = sizeof options, .context = contexts[how]};
    *made = (tls_server){.peer = peer, .manner = how, .has_tls = contexts[how] != NULL};
    if (made->has_tls)
        assert_int_equal(tls_end_open(&made->end, &options, true, NULL), EM_OK);
    simulated_accept_connect(peer);
}

static void pass_wire(tls_server *server)
{
    unsigned char wire[4096];
    size_t length;
    while ((length = simulated_take(server->peer, wire, sizeof wire)) > 0)
        tls_end_receive(&server->end, wire, length);
    while ((length = tls_end_take_wire(&server->end, wire, sizeof wire)) > 0)
        simulated_feed(server->peer, wire, length);
}

static void act_without_tls(tls_server *server)
{
    if (server->has_acted || simulated_waiting(server->peer) == 0)
        return;
    server->has_acted = true;
    if (server->manner == NOT_TLS)
        feed_text(server->peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    else if (server->manner == ENDS)
        simulated_end(server->peer);
    else if (server->manner == RESETS)
        simulated_reset(server->peer);
}

void simulated_tls_go_on(tls_server *server)
{
    if (!server->peer || simulated_saw_close(server->peer))
        return;
    if (server->has_tls)
        pass_wire(server);
    else
        act_without_tls(server);
}

void simulated_tls_close(tls_server *server)
{
    if (server->has_tls)
        tls_end_close(&server->end);
}

em_status simulated_tls_begin(recorder *told, simulated_loop *fixture, const int *numbers, size_t count)
{
    const em_tls_options tls = {.size = sizeof tls, .context = client_context, .hostname = "example.com"};
    const em_connect_options options = {.size = sizeof options, .tls = &tls};
    recorder_init(told, fixture);
    return simulated_race_begin(told, numbers, count, &options);
}

void simulated_tls_play(recorder *told, tls_server *servers, unsigned count, size_t events)
{
    for (unsigned i = 0; i < 200 && told->event_count < events; i++) {
        for (unsigned n = 0; n < count; n++)
            simulated_tls_go_on(&servers[n]);
        run_turns(told->fixture, 1);
    }
}

#endif
