/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The system calls that names cost: none if a name is in the cache, and for many questions no socket each.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "support/system_calls.h"
#include "support/system_names.h"
#include "support/system_record.h"
#include "support/unit.h"

enum { MANY = 400, MOST_AT_ONCE = 128 };

/* What a child needs. */
typedef struct setting {
    name_server *server;
    int port;
    bool has_files;
} setting;

static setting start(em_loop *loop)
{
    system_need_transport(loop);
    return (setting){.server = name_server_start(0)};
}

/* In the child */

static unsigned ended, found;

static em_loop *create_loop(const setting *given)
{
    em_loop *loop;
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    const char *list[1];
    em_resolver_options resolver = system_ask(given->server, list);
    resolver.timeout_ns = 30 * EM_SECONDS;
    if (given->has_files)
        resolver.hosts_file = resolver.resolv_conf = NULL;
    if (em_loop_create(&options, &loop) != EM_OK || em_loop_set_resolver(loop, &resolver) != EM_OK)
        return NULL;
    ended = found = 0;
    return loop;
}

static void note(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                 void *user)
{
    (void)lookup;
    (void)addresses;
    (void)count;
    (void)user;
    ended++;
    found += status == EM_OK;
    em_loop_wake(loop);
}

static em_status begin(em_loop *loop, const char *name)
{
    return em_loop_resolve(loop, name, NULL, note, NULL, NULL, NULL);
}

static bool run_until_ended(em_loop *loop, unsigned count)
{
    while (ended < count)
        if (em_loop_run_once(loop, EM_FOREVER) != EM_OK)
            return false;
    return em_loop_run_once(loop, 0) == EM_OK;
}

static void tick(em_loop *loop, void *user)
{
    (void)user;
    ended++;
    em_loop_wake(loop);
}

/* Parts: looking up; the turn that reports it; a turn with other work. */
static bool look_up_what_is_cached(void *user)
{
    em_loop *loop = create_loop(user);
    if (!loop || begin(loop, "good.test") != EM_OK || !run_until_ended(loop, 1))
        return false;
    system_calls_begin_part();
    em_status status = begin(loop, "good.test");
    system_calls_end_part();
    system_calls_begin_part();
    bool is_fine = status == EM_OK && em_loop_run_once(loop, 0) == EM_OK;
    system_calls_end_part();
    is_fine = is_fine && ended == 2 && found == 2 && em_loop_next_tick(loop, tick, NULL, NULL) == EM_OK;
    system_calls_begin_part();
    is_fine = is_fine && em_loop_run_once(loop, 0) == EM_OK;
    system_calls_end_part();
    return is_fine && ended == 3 && em_loop_destroy(loop) == EM_OK;
}

static bool look_up_many_times(void *user)
{
    em_loop *loop = create_loop(user);
    bool is_fine = loop && begin(loop, "good.test") == EM_OK && run_until_ended(loop, 1);
    system_calls_begin_part();
    for (unsigned i = 0; is_fine && i < MANY; i++)
        is_fine = begin(loop, "good.test") == EM_OK;
    system_calls_end_part();
    return is_fine && run_until_ended(loop, 1 + MANY) && em_loop_destroy(loop) == EM_OK;
}

static void complete(em_connection *connection)
{
    ended++;
    em_connection_close(connection);
}

static void forget(em_connection *connection, em_status status)
{
    (void)connection;
    (void)status;
    ended++;
}

static const em_handler handler = {.connection_completed = complete, .unbind = forget};

static bool connect_once(em_loop *loop, const char *host, int port)
{
    ended = 0;
    system_calls_begin_part();
    bool is_fine = em_loop_connect(loop, host, port, &handler, NULL, NULL) == EM_OK;
    while (is_fine && ended < 2)
        is_fine = em_loop_run_once(loop, EM_SECONDS) == EM_OK;
    system_calls_end_part();
    return is_fine;
}

/* Parts: by address, by name, and both again: the first connection of a loop costs more. */
static bool connect_by_address_and_name(void *user)
{
    const setting *given = user;
    em_loop *loop = create_loop(given);
    if (!loop || begin(loop, "herelong.test") != EM_OK || !run_until_ended(loop, 1))
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (!connect_once(loop, "127.0.0.1", given->port) || !connect_once(loop, "herelong.test", given->port))
            return false;
    return em_loop_destroy(loop) == EM_OK;
}

static bool look_up_many(void *user)
{
    char name[32];
    em_loop *loop = create_loop(user);
    em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4};
    system_calls_begin_part();
    for (unsigned i = 0; loop && i < MANY; i++) {
        snprintf(name, sizeof name, "good-%u.test", i);
        if (em_loop_resolve(loop, name, &options, note, NULL, NULL, NULL) != EM_OK)
            return false;
    }
    bool is_fine = loop && run_until_ended(loop, MANY);
    system_calls_end_part();
    return is_fine && found == MANY && em_loop_destroy(loop) == EM_OK;
}

/* Tests */

static void a_cached_name_costs_no_system_call(void **state)
{
    setting given = start(*state);
    system_calls calls;
    system_calls_count(look_up_what_is_cached, &given, &calls);
    assert_int_equal(calls.part_count, 3);
    assert_int_equal(system_calls_sum(&calls, 0), 0);
    for (unsigned number = 0; number < SYSTEM_CALL_NUMBERS; number++)
        assert_int_equal(calls.counts[1][number], calls.counts[2][number]);
    name_server_stop(given.server);
}

/* stat(2) and openat(2), in the first part. */
static unsigned count_looks(const system_calls *calls)
{
    unsigned count = calls->counts[0][SYS_openat] + calls->counts[0][SYS_newfstatat] + calls->counts[0][SYS_statx];
#if defined(SYS_stat)
    count += calls->counts[0][SYS_stat]; /* newer architectures have only the others */
#endif
    return count;
}

static void the_files_of_names_are_looked_at_once_per_second_and_not_for_each_name(void **state)
{
    setting given = start(*state);
    system_calls calls;
    given.has_files = true;
    uint64_t begun_ns = system_now_ns();
    system_calls_count(look_up_many_times, &given, &calls);
    uint64_t seconds = (system_now_ns() - begun_ns) / EM_SECONDS + 1;
    assert_int_equal(calls.part_count, 1);
    assert_in_range(count_looks(&calls), 0, 2 * seconds);
    name_server_stop(given.server);
}

/* How often the loop waits depends on what the other end does meanwhile. */
static bool is_about_waiting(unsigned number)
{
    static const unsigned numbers[] = {
#if defined(SYS_epoll_wait)
        SYS_epoll_wait,
        SYS_poll, /* newer architectures have only those that follow */
#endif
        SYS_epoll_pwait,
        SYS_epoll_pwait2,
        SYS_ppoll,
        SYS_io_uring_enter,
    };
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static void a_connection_to_a_cached_name_costs_no_system_call_more_than_to_its_address(void **state)
{
    setting given = start(*state);
    system_calls calls;
    given.port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    system_calls_count(connect_by_address_and_name, &given, &calls);
    assert_int_equal(calls.part_count, 4);
    assert_int_equal(calls.counts[2][SYS_socket], 1);
    for (unsigned number = 0; number < SYSTEM_CALL_NUMBERS; number++)
        if (!is_about_waiting(number))
            assert_int_equal(calls.counts[3][number], calls.counts[2][number]);
    name_server_stop(given.server);
}

/* Each question is asked from another port all the same: see resolving.c. */
static void many_questions_need_few_sockets(void **state)
{
    setting given = start(*state);
    system_calls calls;
    system_calls_count(look_up_many, &given, &calls);
    assert_int_equal(calls.part_count, 1);
    assert_in_range(calls.counts[0][SYS_socket], 1, MOST_AT_ONCE);
    assert_in_range(calls.counts[0][SYS_recvfrom], MANY, MANY + MANY / 10);
    assert_in_range(calls.counts[0][SYS_sendto], MANY, MANY + MANY / 10);
    assert_int_equal(name_server_queries(given.server), MANY);
    name_server_stop(given.server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_cached_name_costs_no_system_call),
        SYSTEM_TEST(the_files_of_names_are_looked_at_once_per_second_and_not_for_each_name),
        SYSTEM_TEST(a_connection_to_a_cached_name_costs_no_system_call_more_than_to_its_address),
        SYSTEM_TEST(many_questions_need_few_sockets),
    };
    return SYSTEM_RUN(tests);
}
