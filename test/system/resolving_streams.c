/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups over TCP only. The name server, in a thread of the test, closes each connection after one reply.
 */
#include "support/system_names.h"
#include "support/unit.h"

static name_server *start(em_loop *loop)
{
    system_need_transport(loop);
    name_server *server = name_server_start(0);
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.use_tcp = EM_ON;
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
    return server;
}

static void a_server_that_misbehaves_over_tcp_is_understood(void **state)
{
    static const struct expected {
        const char *name;
        em_status status;
        int response_code;
    } expected[] = {
        {"good.test", EM_OK, 0},
        {"long.test", EM_OK, 0},
        {"many.test", EM_OK, 0},
        {"unknown.test", EM_NAME_NOT_FOUND, 3},
        {"failing.test", EM_RESOLVER_FAILED, 2},
        {"refused.test", EM_RESOLVER_FAILED, 5},
        {"notimp.test", EM_OK, 0},
        {"formerr.test", EM_OK, 0},
        {"cut.test", EM_RESOLVER_FAILED, -1},
        {"cutovertcp.test", EM_ANSWER_TRUNCATED, 0},
        {"here.test", EM_OK, 0},
    };
    name_server *server = start(*state);
    for (size_t i = 0; i < COUNT(expected); i++) {
        const system_found *found = system_query(*state, expected[i].name, EM_RECORD_A);
        if (found->status != expected[i].status)
            print_error("%s: %s\n", expected[i].name, em_status_get_name(found->status));
        assert_int_equal(found->status, expected[i].status);
        assert_int_equal(found->response_code, expected[i].response_code);
    }
    assert_int_equal(name_server_ports(server), 0); /* of datagrams */
    name_server_stop(server);
}

static void where_no_server_listens_the_look_up_is_refused_over_tcp_too(void **state)
{
    name_server *server = start(*state);
    name_server_stop(server);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_CONNECTION_REFUSED);
}

/* It has answered, so it is not one of those that are silent. */
static void a_server_that_fails_over_tcp_comes_first_the_next_time(void **state)
{
    system_need_transport(*state);
    name_server *first = name_server_start(0), *second = name_server_start(0);
    const char *list[] = {name_server_address(first), name_server_address(second)};
    em_resolver_options options = system_ask(first, (const char *[1]){NULL});
    options.servers = list;
    options.server_count = 2;
    options.use_tcp = EM_ON;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    assert_int_equal(system_query(*state, "failing.test", EM_RECORD_A)->status, EM_RESOLVER_FAILED);
    assert_int_equal(name_server_queries(first), 1);
    assert_int_equal(name_server_queries(second), 1);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(first), 2);
    name_server_stop(first);
    name_server_stop(second);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_server_that_misbehaves_over_tcp_is_understood),
        SYSTEM_TEST(where_no_server_listens_the_look_up_is_refused_over_tcp_too),
        SYSTEM_TEST(a_server_that_fails_over_tcp_comes_first_the_next_time),
    };
    return SYSTEM_RUN(tests);
}
