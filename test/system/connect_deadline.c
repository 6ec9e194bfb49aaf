/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One deadline for all stages of connecting, over real sockets: an address that is silent, and a peer that accepts the
 * connection and is silent in the TLS handshake. For names that do not resolve in time: reasons.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_test.h"

#define DEADLINE_NS (200 * EM_MILLISECONDS)

static int port;
static em_status ended_with;
static char reason_text[512];

static void start_tls(em_connection *connection)
{
    em_tls_options options = {.size = sizeof options, .hostname = "peer.test"};
    assert_int_equal(em_connection_start_tls(connection, &options), EM_OK);
}

static void note(em_connection *connection, em_status status)
{
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(connection, &reason), EM_OK);
    snprintf(reason_text, sizeof reason_text, "%s", reason.text);
    ended_with = status;
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler plain = {.unbind = note};
static const em_handler secured = {.post_init = start_tls, .unbind = note};

/* The time until the connection ended, by the loop's clock. */
static uint64_t measure(em_loop *loop, const em_handler *handler)
{
    em_connect_options options = {
        .size = sizeof options, .connect_timeout_ns = DEADLINE_NS, .timeout_includes_tls = EM_ON};
    ended_with = EM_OK;
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", port, handler, &options, NULL), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    uint64_t took_ns = em_loop_get_time_ns(loop) - begun_ns;
    assert_true(took_ns >= DEADLINE_NS);
    return took_ns;
}

static uint64_t measure_silent_address(em_loop *loop)
{
    uint64_t took_ns = measure(loop, &plain);
    assert_int_equal(ended_with, EM_CONNECT_TIMEOUT);
    return took_ns;
}

static uint64_t measure_silent_handshake(em_loop *loop)
{
    uint64_t took_ns = measure(loop, &secured);
    assert_int_equal(ended_with, EM_TLS_HANDSHAKE_TIMEOUT);
    return took_ns;
}

static void a_silent_address_ends_at_the_deadline(void **state)
{
    int fillers[SYSTEM_MOST_FILLERS];
    int listener = system_listen(0, &port);
    unsigned filled = system_fill_queue(port, fillers);
    if (filled > 0)
        system_expect_at_best(DEADLINE_NS + 100 * EM_MILLISECONDS, measure_silent_address, *state);
    for (unsigned i = 0; i < filled; i++)
        close(fillers[i]);
    close(listener);
    if (filled == 0)
        system_skip("the system's queues never fill");
    assert_non_null(strstr(reason_text, "timed out while connecting"));
}

static void a_silent_tls_peer_ends_at_the_same_deadline(void **state)
{
    if (!em_has_tls())
        system_skip("built without OpenSSL");
    int listener = system_listen(64, &port); /* nobody accepts: the system does, and sends nothing */
    system_expect_at_best(DEADLINE_NS + 100 * EM_MILLISECONDS, measure_silent_handshake, *state);
    close(listener);
    assert_non_null(strstr(reason_text, "timed out during the TLS handshake"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_silent_address_ends_at_the_deadline),
        SYSTEM_TEST(a_silent_tls_peer_ends_at_the_same_deadline),
    };
    return SYSTEM_RUN(tests);
}
