/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS as a filter: the handshake, data, and how it ends; every cut and every bent byte.
 */
#include "base/features.h"
#include "support/tls_pair.h"
#include "support/unit.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    em_tls_context *client;
    em_tls_context *server;
    tls_pair pair;
} fixture;

static int set_up(void **state)
{
    static fixture made;
    deadline_start(300);
    made.client = tls_client_context();
    made.server = tls_server_context();
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    em_tls_context_release(made->client);
    em_tls_context_release(made->server);
    deadline_stop();
    return 0;
}

static void both_sides_agree_and_exchange_text(void **state)
{
    fixture *made = *state;
    em_tls_info info;
    tls_pair_connect(&made->pair, made->client, made->server);
    tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "hello");
    tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "good day");
    emi_tls_get_info(made->pair.client.filter, &info);
    assert_string_equal(info.protocol, "TLSv1.3");
    assert_true(info.is_verified);
    assert_int_equal(info.verdict, EM_OK);
    assert_int_equal(info.peer_chain_count, 1);
    emi_tls_get_info(made->pair.server.filter, &info);
    assert_string_equal(info.server_name, "example.com");
    assert_false(info.is_verified);
    tls_pair_close(&made->pair);
}

static void any_split_of_the_wire_gives_the_same_text(void **state)
{
    fixture *made = *state;
    for (size_t step = 1; step < 40; step++) {
        tls_pair_open(&made->pair, made->client, made->server);
        made->pair.step = step;
        tls_pair_run(&made->pair);
        assert_true(made->pair.client.filter->is_ready && made->pair.server.filter->is_ready);
        tls_pair_check_text(&made->pair, &made->pair.client, &made->pair.server, "in pieces");
        tls_pair_check_text(&made->pair, &made->pair.server, &made->pair.client, "as well");
        tls_pair_close(&made->pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_sides_agree_and_exchange_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_split_of_the_wire_gives_the_same_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
