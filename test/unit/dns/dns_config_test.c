/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading resolv.conf.
 */
#include "dns/dns_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

static emi_dns_config config;

static void read_text(const char *text)
{
    char *copied = strdup(text);
    unsetenv("LOCALDOMAIN");
    unsetenv("RES_OPTIONS");
    emi_dns_config_init(&config);
    emi_dns_config_read(&config, copied);
    free(copied);
}

static const char *server_text(unsigned i)
{
    static char text[EM_ADDRESS_TEXT_BYTES];
    em_address_to_text(&config.servers[i], text, sizeof text);
    return text;
}

static void an_empty_file_means_a_server_on_this_machine(void **state)
{
    (void)state;
    read_text("");
    emi_dns_config_complete(&config);
    assert_int_equal(config.server_count, 1);
    assert_string_equal(server_text(0), "127.0.0.1:53");
    assert_int_equal(config.ndots, 1);
    assert_int_equal(config.attempts, 2);
    assert_int_equal(config.timeout_ms, 5000);
    assert_true(config.edns);
}

static void servers_are_taken_in_their_order(void **state)
{
    (void)state;
    read_text("nameserver 192.0.2.1\nnameserver  2001:db8::53 # here\r\nnameserver bogus\nnameserver fe80::1%lo\n");
    assert_int_equal(config.server_count, 3);
    assert_string_equal(server_text(0), "192.0.2.1:53");
    assert_string_equal(server_text(1), "[2001:db8::53]:53");
    assert_string_equal(server_text(2), "[fe80::1%1]:53");
}

static void more_servers_and_suffixes_than_fit_are_left_out(void **state)
{
    (void)state;
    char text[4096];
    int length = snprintf(text, sizeof text, "search");
    for (int i = 0; i < 30; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " a.test");
    for (int i = 0; i < 30; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "\nnameserver 127.0.0.1");
    read_text(text);
    assert_int_equal(config.server_count, EMI_MOST_SERVERS);
    assert_int_equal(config.suffix_count, EMI_MOST_SUFFIXES);
}

static void the_last_search_list_counts(void **state)
{
    (void)state;
    read_text("domain one.test\nsearch two.test. three.test bad..name\n");
    assert_int_equal(config.suffix_count, 2);
    assert_string_equal(config.suffixes[0], "two.test");
    assert_string_equal(config.suffixes[1], "three.test");
}

static void options_are_limited_to_what_is_sensible(void **state)
{
    (void)state;
    read_text("options ndots:99 attempts:0 timeout:1000 rotate use-vc no-aaaa unknown edns0 trust-ad\n");
    assert_int_equal(config.ndots, 15);
    assert_int_equal(config.attempts, 1);
    assert_int_equal(config.timeout_ms, 30000);
    assert_true(config.rotate && config.use_tcp && config.no_ipv6);
    read_text("options ndots:x ndots: ndots:-1 attempts:4x timeout:-5 timeout:+3 timeout:\n");
    assert_int_equal(config.ndots, 1);
    assert_int_equal(config.attempts, 2);
    assert_int_equal(config.timeout_ms, 5000);
    read_text("options ndots:0\n");
    assert_int_equal(config.ndots, 0);
}

static void the_environment_overrides_the_file(void **state)
{
    (void)state;
    read_text("search one.test\noptions ndots:3\n");
    setenv("LOCALDOMAIN", "two.test three.test", 1);
    setenv("RES_OPTIONS", "ndots:5 attempts:1", 1);
    emi_dns_config_read_environment(&config);
    unsetenv("LOCALDOMAIN");
    unsetenv("RES_OPTIONS");
    assert_int_equal(config.suffix_count, 2);
    assert_string_equal(config.suffixes[0], "two.test");
    assert_int_equal(config.ndots, 5);
    assert_int_equal(config.attempts, 1);
}

static void servers_of_the_options_may_have_ports(void **state)
{
    (void)state;
    const char *servers[] = {"192.0.2.1:5353", "[2001:db8::1]:5353", "[::1]", "::1"};
    em_resolver_options options = {.size = sizeof options, .servers = servers, .server_count = 4, .ndots = 2};
    assert_int_equal(emi_dns_options_check(&options), EM_OK);
    read_text("nameserver 127.0.0.1\n");
    emi_dns_config_apply(&config, &options);
    assert_int_equal(config.server_count, 4);
    assert_string_equal(server_text(0), "192.0.2.1:5353");
    assert_string_equal(server_text(1), "[2001:db8::1]:5353");
    assert_string_equal(server_text(2), "[::1]:53");
    assert_int_equal(config.ndots, 2);
    static const char *const bad[] = {"",       "x",       "1.2.3.4:",    "1.2.3.4:0",   "1.2.3.4:70000", "[::1",
                                      "[::1]x", "[::1]:x", "1.2.3.4:53x", "1.2.3.4:+53", "[::1]: 53"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        servers[0] = bad[i];
        assert_int_equal(emi_dns_options_check(&options), EM_INVALID_ADDRESS);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_means_a_server_on_this_machine),
        cmocka_unit_test(servers_are_taken_in_their_order),
        cmocka_unit_test(more_servers_and_suffixes_than_fit_are_left_out),
        cmocka_unit_test(the_last_search_list_counts),
        cmocka_unit_test(options_are_limited_to_what_is_sensible),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(servers_of_the_options_may_have_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
