/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups while descriptors are short. The name server runs in a thread of the test.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dns/resolver_private.h"
#include "support/system_names.h"
#include "support/unit.h"

static char hosts_file[] = "/tmp/resolving_shortages.XXXXXX";

static void write_hosts(const char *text)
{
    FILE *file = fopen(hosts_file, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* The limit of descriptors, which is lowered so that all can be taken. */
typedef struct shortage {
    struct rlimit before;
    int taken[512];
    unsigned count;
} shortage;

static void limit_descriptors(shortage *made, rlim_t limit)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &made->before), 0);
    struct rlimit lower = {.rlim_cur = limit, .rlim_max = made->before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
}

static void take_all_descriptors(shortage *made)
{
    limit_descriptors(made, 256);
    for (made->count = 0; (made->taken[made->count] = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;)
        made->count++;
}

static void end_shortage(shortage *made)
{
    while (made->count > 0)
        close(made->taken[--made->count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &made->before), 0);
}

static em_status try_to_resolve(em_loop *loop, const char *name)
{
    em_status status = EM_IN_PROGRESS;
    em_status begun = em_loop_resolve(loop, name, NULL, system_note_status, &status, NULL, NULL);
    while (begun == EM_OK && status == EM_IN_PROGRESS)
        system_turn(loop);
    return begun == EM_OK ? status : begun;
}

/* Otherwise every name would be unknown until the file changes. */
static void files_are_read_once_there_are_descriptors_again(void **state)
{
    shortage all = {.count = 0};
    em_resolver_options options = {.size = sizeof options, .hosts_file = hosts_file, .resolv_conf = ""};
    write_hosts("192.0.2.1 here.localhost.test\n");
    take_all_descriptors(&all);
    em_status status = em_loop_set_resolver(*state, &options);
    end_shortage(&all);
    assert_int_equal(status, EM_NO_DESCRIPTORS);
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    assert_int_equal(try_to_resolve(*state, "here.localhost.test"), EM_OK);
}

static void a_file_that_cannot_be_opened_now_is_not_forgotten(void **state)
{
    shortage all = {.count = 0};
    em_resolver_options options = {.size = sizeof options, .hosts_file = hosts_file, .resolv_conf = ""};
    write_hosts("192.0.2.1 here.localhost.test\n");
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    write_hosts("192.0.2.1 here.localhost.test there.localhost.test\n");
    system_run_for(*state, 1050000000);
    take_all_descriptors(&all);
    em_status status = try_to_resolve(*state, "here.localhost.test");
    end_shortage(&all);
    assert_int_equal(status, EM_OK);
    assert_int_equal(try_to_resolve(*state, "there.localhost.test"), EM_OK);
}

static name_server *start(em_loop *loop)
{
    system_need_transport(loop);
    name_server *server = name_server_start_apart();
    system_use_server(loop, server);
    return server;
}

/* There are fewer descriptors than questions under way. */
static void names_wait_for_descriptors(void **state)
{
    enum { MANY = 1000 };
    name_server *server = start(*state);
    const char *list[1];
    em_resolver_options patient = system_ask(server, list);
    patient.timeout_ns = 5 * EM_SECONDS;
    assert_int_equal(em_loop_set_resolver(*state, &patient), EM_OK);
    em_status *statuses = system_memory(MANY * sizeof *statuses);
    const em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4};
    shortage made = {.count = 0};
    limit_descriptors(&made, 64);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "good-%zu.test", i);
        statuses[i] = EM_IN_PROGRESS;
        assert_int_equal(em_loop_resolve(*state, name, &options, system_note_status, &statuses[i], NULL, NULL), EM_OK);
    }
    unsigned found = 0;
    for (size_t i = 0; i < MANY; i++) {
        while (statuses[i] == EM_IN_PROGRESS)
            system_turn(*state);
        found += statuses[i] == EM_OK;
    }
    end_shortage(&made);
    assert_int_equal(found, MANY);
    name_server_stop(server);
}

static bool has_rank(em_loop *loop, const char *name, unsigned type)
{
    emi_resolver *resolver;
    assert_int_equal(emi_resolver_of(loop, &resolver), EM_OK);
    const emi_cache_entry *entry = emi_dns_cache_find(&resolver->cache, name, type, loop->now_ns);
    assert_non_null(entry);
    return entry->answer->ranks && entry->answer->ranks[0] != 0;
}

/* Which addresses have a route is kept with the answer, but not what could not be found out. */
static void the_order_of_addresses_without_descriptors_is_not_kept(void **state)
{
    name_server *server = start(*state);
    system_query(*state, "good.test", EM_RECORD_A);
    system_query(*state, "good.test", EM_RECORD_AAAA);
    shortage all = {.count = 0};
    take_all_descriptors(&all);
    em_status status = try_to_resolve(*state, "good.test");
    end_shortage(&all);
    assert_int_equal(status, EM_OK);
    assert_false(has_rank(*state, "good.test", EM_RECORD_A));
    assert_int_equal(try_to_resolve(*state, "good.test"), EM_OK);
    assert_true(has_rank(*state, "good.test", EM_RECORD_A));
    assert_true(has_rank(*state, "good.test", EM_RECORD_AAAA));
    name_server_stop(server);
}

static void without_any_descriptor_a_name_fails(void **state)
{
    name_server *server = start(*state);
    shortage all = {.count = 0};
    take_all_descriptors(&all);
    em_status status = try_to_resolve(*state, "good.test");
    end_shortage(&all);
    assert_int_equal(status, EM_NO_DESCRIPTORS);
    assert_int_equal(try_to_resolve(*state, "good.test"), EM_OK);
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(files_are_read_once_there_are_descriptors_again),
        SYSTEM_TEST(a_file_that_cannot_be_opened_now_is_not_forgotten),
        SYSTEM_TEST(names_wait_for_descriptors),
        SYSTEM_TEST(the_order_of_addresses_without_descriptors_is_not_kept),
        SYSTEM_TEST(without_any_descriptor_a_name_fails),
    };
    int file = mkstemp(hosts_file);
    if (file < 0)
        return 1;
    close(file);
    int result = SYSTEM_RUN(tests);
    unlink(hosts_file);
    return result;
}
