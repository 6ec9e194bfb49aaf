/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Addresses: from text and path, back to text, and what is refused.
 */
#include <eventmachine/address.h>

#include "support/unit.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void literals_are_read_and_written(void **state)
{
    (void)state;
    static const struct literal {
        const char *text;
        int port;
        em_address_family family;
        const char *written;
    } literals[] = {
        {"127.0.0.1", 80, EM_ADDRESS_IPV4, "127.0.0.1:80"},
        {"0.0.0.0", 0, EM_ADDRESS_IPV4, "0.0.0.0:0"},
        {"255.255.255.255", 65535, EM_ADDRESS_IPV4, "255.255.255.255:65535"},
        {"::1", 443, EM_ADDRESS_IPV6, "[::1]:443"},
        {"::", 0, EM_ADDRESS_IPV6, "[::]:0"},
        {"2001:DB8:0:0:0:0:0:1", 1, EM_ADDRESS_IPV6, "[2001:db8::1]:1"},
        {"::ffff:192.0.2.1", 9, EM_ADDRESS_IPV6, "[::ffff:192.0.2.1]:9"},
        {"1:2:3:4:5:6:7:8", 65535, EM_ADDRESS_IPV6, "[1:2:3:4:5:6:7:8]:65535"},
        {"fe80::1%7", 80, EM_ADDRESS_IPV6, "[fe80::1%7]:80"},
        {"fe80::1%4294967295", 80, EM_ADDRESS_IPV6, "[fe80::1%4294967295]:80"},
    };
    for (size_t i = 0; i < COUNT(literals); i++) {
        em_address address;
        char text[EM_ADDRESS_TEXT_BYTES];
        assert_int_equal(em_address_from_text(literals[i].text, literals[i].port, &address), EM_OK);
        assert_int_equal(em_address_get_family(&address), literals[i].family);
        assert_int_equal(em_address_get_port(&address), literals[i].port);
        assert_int_equal(em_address_to_text(&address, text, sizeof text), strlen(literals[i].written));
        assert_string_equal(text, literals[i].written);
    }
}

static void a_zone_may_be_an_interface_s_name(void **state)
{
    (void)state;
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    char expected[64];
    unsigned loopback = if_nametoindex("lo");
    assert_true(loopback > 0);
    assert_int_equal(em_address_from_text("fe80::1%lo", 80, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    snprintf(expected, sizeof expected, "[fe80::1%%%u]:80", loopback);
    assert_string_equal(text, expected);
}

static void text_that_is_no_literal_is_refused_and_leaves_an_empty_address(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",
        " ",
        "localhost",
        "example.com",
        "1.2.3",
        "1.2.3.4.5",
        "256.0.0.1",
        "1.2.3.4 ",
        " 1.2.3.4",
        "01.2.3.4x",
        ":",
        ":::",
        "1::2::3",
        "::1%",
        "::1%nonesuch0",
        "fe80::1%-1",
        "fe80::1%4294967296",
        "fe80::1%1x",
        "[::1]",
        "1:2:3:4:5:6:7:8:9",
        "12345::",
        "::1.2.3",
        "fe80::%%1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff:1111",
    };
    for (size_t i = 0; i < COUNT(malformed); i++) {
        em_address address;
        memset(&address, 0xFF, sizeof address);
        if (em_address_from_text(malformed[i], 80, &address) != EM_INVALID_ADDRESS)
            fail_msg("\"%s\" was taken for an address", malformed[i]);
        assert_int_equal(address.length, 0);
        assert_int_equal(em_address_get_family(&address), EM_ADDRESS_NONE);
    }
}

static void ports_out_of_range_are_refused(void **state)
{
    (void)state;
    em_address address;
    static const int ports[] = {-1, 65536, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(ports); i++) {
        assert_int_equal(em_address_from_text("127.0.0.1", ports[i], &address), EM_INVALID_PORT);
        assert_int_equal(em_address_from_text("::1", ports[i], &address), EM_INVALID_PORT);
    }
}

static void missing_arguments_are_refused(void **state)
{
    (void)state;
    em_address address;
    assert_int_equal(em_address_from_text(NULL, 80, &address), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_text("::1", 80, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_path(NULL, &address), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_path("/x", NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_sockaddr(NULL, 4, &address), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_sockaddr(&address, 4, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_get_family(NULL), EM_ADDRESS_NONE);
    assert_int_equal(em_address_get_port(NULL), -1);
}

static void paths_are_read_and_written(void **state)
{
    (void)state;
    static const struct path {
        const char *path;
        const char *written;
    } paths[] = {{"/run/app.sock", "unix:/run/app.sock"}, {"relative", "unix:relative"}, {"./@name", "unix:./@name"}};
    for (size_t i = 0; i < COUNT(paths); i++) {
        em_address address;
        char text[EM_ADDRESS_TEXT_BYTES];
        assert_int_equal(em_address_from_path(paths[i].path, &address), EM_OK);
        assert_int_equal(em_address_get_family(&address), EM_ADDRESS_UNIX);
        assert_int_equal(em_address_get_port(&address), -1);
        em_address_to_text(&address, text, sizeof text);
        assert_string_equal(text, paths[i].written);
    }
}

static void an_abstract_name_has_no_final_zero_and_may_be_as_long_as_fits(void **state)
{
    (void)state;
    em_address address;
    char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 2];
    char text[EM_ADDRESS_TEXT_BYTES];
    assert_int_equal(em_address_from_path("@name", &address), EM_OK);
    assert_int_equal(address.length, offsetof(struct sockaddr_un, sun_path) + 5);
    em_address_to_text(&address, text, sizeof text);
    assert_string_equal(text, "unix:@name");
    memset(name, 'n', sizeof name);
    name[0] = '@';
    name[sizeof name - 2] = '\0';
    assert_int_equal(em_address_from_path(name, &address), EM_OK);
    name[sizeof name - 2] = 'n';
    name[sizeof name - 1] = '\0';
    assert_int_equal(em_address_from_path(name, &address), EM_PATH_TOO_LONG);
    assert_int_equal(em_address_from_path("@", &address), EM_INVALID_ADDRESS);
}

static void a_name_with_a_length_may_have_zero_bytes_if_it_is_abstract(void **state)
{
    (void)state;
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    char longest[sizeof(((struct sockaddr_un *)0)->sun_path) + 1] = "";
    static const char within[] = {'\0', 'a', '\0', 'b', '\0'};
    const size_t offset = offsetof(struct sockaddr_un, sun_path);
    assert_int_equal(em_address_from_unix_name(within, sizeof within, &address), EM_OK);
    assert_int_equal(address.length, offset + sizeof within);
    assert_memory_equal(address.storage.bytes + offset, within, sizeof within);
    em_address_to_text(&address, text, sizeof text);
    assert_string_equal(text, "unix:@a@b@");
    assert_int_equal(em_address_from_unix_name("@a", 2, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    assert_string_equal(text, "unix:@a");
    assert_int_equal(address.storage.bytes[offset], '@');
    assert_int_equal(em_address_from_unix_name(longest, sizeof longest - 1, &address), EM_OK);
    assert_int_equal(em_address_from_unix_name(longest, sizeof longest, &address), EM_PATH_TOO_LONG);
    assert_int_equal(em_address_from_unix_name("a\0b", 3, &address), EM_INVALID_ADDRESS);
    assert_int_equal(em_address_from_unix_name("", 1, &address), EM_INVALID_ADDRESS);
    assert_int_equal(em_address_from_unix_name("", 0, &address), EM_INVALID_ADDRESS);
    assert_int_equal(em_address_from_unix_name(NULL, 1, &address), EM_INVALID_ARGUMENT);
    assert_int_equal(em_address_from_unix_name("a", 1, NULL), EM_INVALID_ARGUMENT);
}

static void a_path_fits_with_its_final_zero_or_is_too_long(void **state)
{
    (void)state;
    em_address address;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    char text[EM_ADDRESS_TEXT_BYTES];
    memset(path, 'p', sizeof path);
    path[sizeof path - 2] = '\0';
    assert_int_equal(em_address_from_path(path, &address), EM_OK);
    assert_int_equal(em_address_to_text(&address, text, sizeof text), 5 + strlen(path));
    path[sizeof path - 2] = 'p';
    path[sizeof path - 1] = '\0';
    assert_int_equal(em_address_from_path(path, &address), EM_PATH_TOO_LONG);
    assert_int_equal(em_address_from_path("", &address), EM_INVALID_ADDRESS);
}

static void text_is_cut_to_fit_and_its_whole_length_returned(void **state)
{
    (void)state;
    em_address address;
    char text[32];
    assert_int_equal(em_address_from_text("127.0.0.1", 8080, &address), EM_OK);
    for (size_t capacity = 1; capacity < sizeof text; capacity++) {
        memset(text, '#', sizeof text);
        assert_int_equal(em_address_to_text(&address, text, capacity), 14);
        assert_int_equal(strlen(text), capacity - 1 < 14 ? capacity - 1 : 14);
        assert_int_equal(strncmp(text, "127.0.0.1:8080", strlen(text)), 0);
        assert_int_equal(text[capacity], '#');
    }
    assert_int_equal(em_address_to_text(&address, NULL, 0), 14);
}

static void unnamed_and_empty_addresses_have_texts_too(void **state)
{
    (void)state;
    struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    assert_int_equal(em_address_from_sockaddr(&unnamed, sizeof unnamed.sun_family, &address), EM_OK);
    assert_int_equal(em_address_get_family(&address), EM_ADDRESS_UNIX);
    assert_int_equal(em_address_to_text(&address, text, sizeof text), 5);
    assert_string_equal(text, "unix:");
    address.length = 0;
    assert_int_equal(em_address_to_text(&address, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void sockaddrs_that_are_short_or_of_other_families_are_of_no_known_family(void **state)
{
    (void)state;
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr other = {.sa_family = AF_PACKET};
    unsigned char large[256] = {0};
    em_address address;
    for (size_t length = 0; length < sizeof ipv4; length++) {
        assert_int_equal(em_address_from_sockaddr(&ipv4, length, &address), EM_OK);
        assert_int_equal(em_address_get_family(&address), EM_ADDRESS_NONE);
        assert_int_equal(em_address_get_port(&address), -1);
    }
    assert_int_equal(em_address_from_sockaddr(&ipv4, sizeof ipv4, &address), EM_OK);
    assert_int_equal(em_address_get_port(&address), 80);
    assert_int_equal(em_address_from_sockaddr(&other, sizeof other, &address), EM_OK);
    assert_int_equal(em_address_get_family(&address), EM_ADDRESS_NONE);
    assert_int_equal(em_address_from_sockaddr(large, sizeof address.storage.bytes, &address), EM_OK);
    assert_int_equal(em_address_from_sockaddr(large, sizeof address.storage.bytes + 1, &address), EM_INVALID_ADDRESS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_read_and_written),
        cmocka_unit_test(a_zone_may_be_an_interface_s_name),
        cmocka_unit_test(text_that_is_no_literal_is_refused_and_leaves_an_empty_address),
        cmocka_unit_test(ports_out_of_range_are_refused),
        cmocka_unit_test(missing_arguments_are_refused),
        cmocka_unit_test(paths_are_read_and_written),
        cmocka_unit_test(an_abstract_name_has_no_final_zero_and_may_be_as_long_as_fits),
        cmocka_unit_test(a_name_with_a_length_may_have_zero_bytes_if_it_is_abstract),
        cmocka_unit_test(a_path_fits_with_its_final_zero_or_is_too_long),
        cmocka_unit_test(text_is_cut_to_fit_and_its_whole_length_returned),
        cmocka_unit_test(unnamed_and_empty_addresses_have_texts_too),
        cmocka_unit_test(sockaddrs_that_are_short_or_of_other_families_are_of_no_known_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
