/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The hosts file and resolv.conf: what they mean, and that changes are noticed. The name server runs in a thread of the
 * test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/resolver_private.h"
#include "support/failing_allocator.h"
#include "support/system_names.h"
#include "support/unit.h"

static char folder[] = "/tmp/resolver_files.XXXXXX";
static char hosts_file[64], resolv_conf[64], other_file[64];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* resolv.conf has no ports, so servers are set by the options. */
static void use_files(em_loop *loop, const name_server *server)
{
    em_resolver_options options = {
        .size = sizeof options,
        .timeout_ns = 100000000,
        .hosts_file = hosts_file,
        .resolv_conf = resolv_conf,
    };
    const char *list[1];
    if (server) {
        list[0] = name_server_address(server);
        options.servers = list;
        options.server_count = 1;
    }
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
}

static name_server *start(em_loop *loop, const char *hosts, const char *conf)
{
    name_server *server = name_server_start(0);
    write_file(hosts_file, hosts);
    write_file(resolv_conf, conf);
    use_files(loop, server);
    return server;
}

static void note_first(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                       void *user)
{
    (void)loop;
    (void)lookup;
    if (count > 0)
        em_address_to_text(&addresses[0], user, EM_ADDRESS_TEXT_BYTES);
    else
        snprintf(user, EM_ADDRESS_TEXT_BYTES, "%s", em_status_get_name(status));
}

static const char *first_address(em_loop *loop, const char *name, const em_resolver_options *resolver)
{
    static char text[EM_ADDRESS_TEXT_BYTES];
    em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4, .resolver = resolver};
    text[0] = '\0';
    assert_int_equal(em_loop_resolve(loop, name, &options, note_first, text, NULL, NULL), EM_OK);
    while (!text[0])
        system_turn(loop);
    return text;
}

static void hosts_are_found_without_a_query(void **state)
{
    static const char hosts[] = "# comment\n192.0.2.1 one alias # more\r\n\n  2001:db8::1\tONE\n"
                                "192.0.2.1 one\nnot-an-address bad\n127.0.0.9 here\n192.0.2.2 dotted.name.";
    name_server *server = start(*state, hosts, "");
    system_found *found = system_resolve(*state, "One.");
    assert_int_equal(found->status, EM_OK);
    assert_int_equal(found->address_count, 2);
    assert_string_equal(system_resolve(*state, "ALIAS")->texts[0], "192.0.2.1:0");
    assert_string_equal(system_resolve(*state, "here")->texts[0], "127.0.0.9:0");
    assert_string_equal(system_resolve(*state, "dotted.name")->texts[0], "192.0.2.2:0");
    assert_int_equal(name_server_queries(server), 0);
    name_server_stop(server);
}

/* Sixteen addresses of one family must not hide the other. */
static void both_families_of_a_name_with_many_addresses_are_found(void **state)
{
    char hosts[2048] = "";
    for (unsigned i = 1; i <= 40; i++)
        snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "2001:db8::%x many\n", i);
    strcat(hosts, "192.0.2.1 many\n192.0.2.2 many\n");
    name_server *server = start(*state, hosts, "");
    assert_string_equal(first_address(*state, "many", NULL), "192.0.2.1:0");
    assert_int_equal(system_resolve(*state, "many")->address_count, 16);
    name_server_stop(server);
}

static void localhost_needs_neither_the_file_nor_a_server(void **state)
{
    static const char *const names[] = {"localhost", "LOCALHOST.", "any.localhost"};
    name_server *server = start(*state, "", "");
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(system_resolve(*state, names[i])->address_count, 2);
    assert_int_equal(name_server_queries(server), 0);
    name_server_stop(server);
}

static void wait_a_second(em_loop *loop)
{
    system_run_for(loop, 1050000000);
}

static void a_change_of_the_hosts_file_is_noticed(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "192.0.2.1 changing.test\n", "");
    assert_string_equal(system_resolve(*state, "changing.test")->texts[0], "192.0.2.1:0");
    assert_int_equal(system_resolve(*state, "unknown.test")->status, EM_NAME_NOT_FOUND);
    write_file(other_file, "192.0.2.22 changing.test unknown.test\n");
    assert_int_equal(rename(other_file, hosts_file), 0);
    wait_a_second(*state);
    assert_string_equal(system_resolve(*state, "changing.test")->texts[0], "192.0.2.22:0");
    /* Although "no such name" is in the cache. */
    assert_string_equal(system_resolve(*state, "unknown.test")->texts[0], "192.0.2.22:0");
    unlink(hosts_file);
    wait_a_second(*state);
    assert_int_equal(system_resolve(*state, "changing.test")->status, EM_NAME_NOT_FOUND);
    name_server_stop(server);
}

static void a_change_of_resolv_conf_empties_the_cache(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "", "");
    system_query(*state, "good.test", EM_RECORD_A);
    assert_int_equal(name_server_queries(server), 1);
    system_found *pending = system_memory(sizeof *pending);
    system_begin_query(*state, "silent.test", EM_RECORD_A, pending);
    write_file(other_file, "# changed, through a link\n");
    unlink(resolv_conf);
    assert_int_equal(symlink(other_file, resolv_conf), 0);
    wait_a_second(*state);
    unsigned queries = name_server_queries(server);
    system_query(*state, "good.test", EM_RECORD_A);
    assert_int_equal(name_server_queries(server), queries + 1);
    system_query(*state, "good.test", EM_RECORD_A);
    assert_int_equal(name_server_queries(server), queries + 1);
    system_wait_for(*state, pending);
    name_server_stop(server);
}

/* The label before the suffix decides what the server does: "x" is unknown, "good.…" is found. */
static void the_search_list_is_used_by_the_number_of_dots(void **state)
{
    static const struct searched {
        const char *conf;
        const char *name;
        em_status status;
        unsigned queries; /* of one family */
    } searched[] = {
        {"search one.test two.test\n", "x", EM_NAME_NOT_FOUND, 3},
        {"search one.test two.test\n", "x.", EM_NAME_NOT_FOUND, 1},
        {"search one.test two.test\n", "x.y", EM_NAME_NOT_FOUND, 3},
        {"search one.test two.test\n", "good", EM_OK, 1},
        {"search one.test two.test\noptions ndots:2\n", "good.y", EM_OK, 1},
        {"search one.test\nsearch two.test\n", "x", EM_NAME_NOT_FOUND, 2},
        {"domain one.test\n", "x", EM_NAME_NOT_FOUND, 2},
        {"search one.test ONE.test one.test\n", "x", EM_NAME_NOT_FOUND, 2},
        {"search a. b. c. d. e. f. g. h.\n", "x", EM_NAME_NOT_FOUND, 9},
        {"search one.test\n", "nothing", EM_NO_RECORDS, 1},
    };
    system_need_transport(*state);
    for (size_t i = 0; i < COUNT(searched); i++) {
        name_server *server = start(*state, "", searched[i].conf);
        em_status status = system_resolve(*state, searched[i].name)->status;
        unsigned queries = name_server_queries(server);
        if (status != searched[i].status || queries != 2 * searched[i].queries)
            print_error("%s: %s, %u\n", searched[i].name, em_status_get_name(status), queries);
        assert_int_equal(status, searched[i].status);
        assert_int_equal(queries, 2 * searched[i].queries);
        name_server_stop(server);
    }
}

/* Their addresses would be those of different hosts. */
static void two_families_do_not_come_from_two_names(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "", "search one.test two.test\n");
    for (unsigned i = 0; i < 2; i++) { /* the second time IPv4 is in the cache */
        system_found *found = system_resolve(*state, "halffailing");
        assert_int_equal(found->status, EM_OK);
        assert_int_equal(found->address_count, 1);
        assert_string_equal(found->texts[0], "192.0.2.1:0");
    }
    assert_int_equal(name_server_queries(server), 5); /* each attempt for IPv6, and one for IPv4 */
    name_server_stop(server);
}

static void a_failure_within_the_search_list_is_not_taken_for_no_such_name(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "", "search one.test\n");
    assert_int_equal(system_resolve(*state, "failing")->status, EM_RESOLVER_FAILED);
    name_server_stop(server);
}

static void families_that_the_file_excludes_are_not_asked_for(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "", "options no-aaaa\n");
    assert_int_equal(system_resolve(*state, "good.test")->address_count, 1);
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

/* A resolv.conf of which nothing can be read. The servers of the options are asked all the same. */
static void what_is_unknown_in_the_file_is_skipped(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "",
                                "nameserver\nnameserver ::::\nnameserver 1.2.3\nsearch\nsortlist 1.2.3.4\r\n"
                                "options edns0 trust-ad rotate single-request ndots:x timeout:-1 attempts:99 foo:bar \n"
                                "; comment\n\tbogus line\noptions");
    assert_int_equal(system_resolve(*state, "good.test")->status, EM_OK);
    name_server_stop(server);
}

static void bad_options_are_refused(void **state)
{
    const char *bad_server[] = {"name.test"}, *bad_suffix[] = {"a..b"};
    const em_resolver_options bad[] = {
        {.size = sizeof *bad, .servers = bad_server, .server_count = 1},
        {.size = sizeof *bad, .servers = bad_server, .server_count = 9},
        {.size = sizeof *bad, .search = bad_suffix, .search_count = 1},
        {.size = sizeof *bad, .search = bad_suffix, .search_count = 17},
        {.size = sizeof *bad, .ndots = 16},
        {.size = sizeof *bad, .attempts = 6},
        {.size = sizeof *bad, .timeout_ns = 1},
        {.size = sizeof *bad, .timeout_ns = UINT64_C(31000000000)},
        {.size = sizeof *bad, .rotate = (em_switch)7},
        {.size = sizeof *bad, .cache_entry_count = 2000000},
        {.size = 0},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_true(em_loop_set_resolver(*state, &bad[i]) < 0);
    assert_int_equal(em_loop_set_resolver(NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_set_resolver(*state, NULL), EM_OK);
}

static void one_lookup_can_have_a_hosts_file_of_its_own_or_none(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "192.0.2.98 good.test", "");
    write_file(other_file, "192.0.2.99 good.test");
    const char *list[1];
    em_resolver_options own = system_ask(server, list);
    own.hosts_file = other_file;
    assert_string_equal(first_address(*state, "good.test", NULL), "192.0.2.98:0");
    assert_string_equal(first_address(*state, "good.test", &own), "192.0.2.99:0");
    own.hosts_file = "";
    assert_string_equal(first_address(*state, "good.test", &own), "192.0.2.1:0");
    own.hosts_file = NULL;
    own.resolv_conf = NULL;
    assert_string_equal(first_address(*state, "good.test", &own), "192.0.2.98:0");
    name_server_stop(server);
}

/* What the servers before say of the further names of the search list must not answer lookups that begin now. */
static void a_lookup_that_began_before_the_change_shares_nothing(void **state)
{
    system_need_transport(*state);
    name_server *before = start(*state, "", "search one.test two.test\n"), *after = name_server_start(0);
    system_found *found = system_memory(sizeof *found);
    system_begin_resolve(*state, "x", found);
    use_files(*state, after);
    emi_resolver *resolver;
    assert_int_equal(emi_resolver_of(*state, &resolver), EM_OK);
    while (found->calls == 0) {
        system_turn(*state);
        assert_int_equal(resolver->cache.count, 0);
    }
    assert_int_equal(name_server_queries(before), 6);
    assert_int_equal(name_server_queries(after), 0);
    name_server_stop(before);
    name_server_stop(after);
}

static void ask_after_a_failure(name_server *server, failing_allocator *allocator, unsigned long nth)
{
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator->allocator});
    use_files(loop, server);
    em_resolver_options others = {.size = sizeof others, .hosts_file = other_file, .resolv_conf = other_file};
    failing_allocator_fail(allocator, nth, EM_DEFAULT);
    em_status status = em_loop_set_resolver(loop, &others);
    failing_allocator_fail(allocator, 0, EM_DEFAULT);
    if (status != EM_OK) {
        assert_int_equal(status, EM_NO_MEMORY);
        assert_string_equal(first_address(loop, "here", NULL), "192.0.2.98:0");
        assert_string_equal(first_address(loop, "good.test", NULL), "192.0.2.1:0");
    }
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    assert_int_equal(atomic_load(&allocator->live), 0);
}

static void options_that_cannot_be_set_change_nothing(void **state)
{
    system_need_transport(*state);
    name_server *server = start(*state, "192.0.2.98 here", "");
    write_file(other_file, "192.0.2.99 here good.test");
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    for (unsigned long nth = 1; nth < 8; nth++)
        ask_after_a_failure(server, &allocator, nth);
    name_server_stop(server);
}

static void a_zero_byte_hides_nothing_behind_its_line(void **state)
{
    static const char hosts[] = "192.0.2.1 one\n192.0.2.2 two\0garbage\n\0\0\n192.0.2.3 three\0";
    name_server *server = start(*state, "", "");
    FILE *file = fopen(hosts_file, "w");
    assert_int_equal(fwrite(hosts, 1, sizeof hosts, file), sizeof hosts);
    assert_int_equal(fclose(file), 0);
    use_files(*state, server);
    assert_string_equal(first_address(*state, "one", NULL), "192.0.2.1:0");
    assert_string_equal(first_address(*state, "two", NULL), "192.0.2.2:0");
    assert_string_equal(first_address(*state, "three", NULL), "192.0.2.3:0");
    name_server_stop(server);
}

/* Long lines, no line at all. What can be read in it counts. */
static void files_that_are_not_text_do_no_harm(void **state)
{
    enum { LENGTH = 100000 };
    char *noise = system_memory(LENGTH + 1);
    unsigned random = 1;
    for (size_t i = 0; i < LENGTH; i++)
        noise[i] = (char)((random = random * 1103515245U + 12345U) >> 16 | 0x01);
    name_server *server = start(*state, noise, noise);
    assert_int_equal(system_resolve(*state, "any.localhost")->status, EM_OK);
    memset(noise, '1', LENGTH);
    write_file(hosts_file, noise);
    write_file(resolv_conf, noise);
    use_files(*state, server);
    assert_int_equal(system_resolve(*state, "any.localhost")->status, EM_OK);
    name_server_stop(server);
}

static void a_fifo_in_the_place_of_a_file_does_not_block(void **state)
{
    name_server *server = start(*state, "", "");
    unlink(hosts_file);
    unlink(resolv_conf);
    assert_int_equal(mkfifo(hosts_file, 0600), 0);
    assert_int_equal(mkfifo(resolv_conf, 0600), 0);
    use_files(*state, server);
    assert_int_equal(system_resolve(*state, "any.localhost")->status, EM_OK);
    unlink(hosts_file);
    unlink(resolv_conf);
    name_server_stop(server);
}

static void remove_folder(void)
{
    unlink(hosts_file);
    unlink(resolv_conf);
    unlink(other_file);
    rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(hosts_are_found_without_a_query),
        SYSTEM_TEST(both_families_of_a_name_with_many_addresses_are_found),
        SYSTEM_TEST(localhost_needs_neither_the_file_nor_a_server),
        SYSTEM_TEST(a_change_of_the_hosts_file_is_noticed),
        SYSTEM_TEST(a_change_of_resolv_conf_empties_the_cache),
        SYSTEM_TEST(the_search_list_is_used_by_the_number_of_dots),
        SYSTEM_TEST(two_families_do_not_come_from_two_names),
        SYSTEM_TEST(a_failure_within_the_search_list_is_not_taken_for_no_such_name),
        SYSTEM_TEST(families_that_the_file_excludes_are_not_asked_for),
        SYSTEM_TEST(what_is_unknown_in_the_file_is_skipped),
        SYSTEM_TEST(bad_options_are_refused),
        SYSTEM_TEST(one_lookup_can_have_a_hosts_file_of_its_own_or_none),
        SYSTEM_TEST(a_lookup_that_began_before_the_change_shares_nothing),
        SYSTEM_TEST(options_that_cannot_be_set_change_nothing),
        SYSTEM_TEST(a_zero_byte_hides_nothing_behind_its_line),
        SYSTEM_TEST(files_that_are_not_text_do_no_harm),
        SYSTEM_TEST(a_fifo_in_the_place_of_a_file_does_not_block),
    };
    if (!mkdtemp(folder))
        return 1;
    snprintf(hosts_file, sizeof hosts_file, "%s/hosts", folder);
    snprintf(resolv_conf, sizeof resolv_conf, "%s/resolv.conf", folder);
    snprintf(other_file, sizeof other_file, "%s/other", folder);
    int result = SYSTEM_RUN(tests);
    remove_folder();
    return result;
}
