/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups by the system, in threads. This program has a getaddrinfo(3) of its own: names that begin with "slow" hang
 * until the test lets them go, and every other name is 192.0.2.1.
 */
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "support/system_names.h"
#include "support/unit.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open;
static unsigned hanging;
static atomic_uint calls;

/* A socket address and its place in the list, in one piece of memory. */
typedef struct result {
    struct addrinfo info;
    em_address address;
} result;

static void hang(void)
{
    pthread_mutex_lock(&mutex);
    hanging++;
    while (!is_open)
        pthread_cond_wait(&changed, &mutex);
    hanging--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

/* After this, no thread is in getaddrinfo any more. */
static void let_go(void)
{
    pthread_mutex_lock(&mutex);
    is_open = true;
    pthread_cond_broadcast(&changed);
    while (hanging > 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)hints;
    atomic_fetch_add(&calls, 1);
    if (strncmp(name, "slow", 4) == 0)
        hang();
    result *made = calloc(1, sizeof *made);
    if (!made || em_address_from_text("192.0.2.1", atoi(service), &made->address) != EM_OK)
        return EAI_MEMORY;
    made->info.ai_addr = (struct sockaddr *)(void *)made->address.storage.bytes;
    made->info.ai_addrlen = made->address.length;
    *found = &made->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    free(EMI_CONTAINER(list, result, info));
}

static void use_system(em_loop *loop)
{
    is_open = false;
    const em_resolver_options options = {
        .size = sizeof options, .hosts_file = "", .resolv_conf = "", .use_system = EM_ON};
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
}

/* More than there are threads, and fewer than may be left to hang: see em_loop_options.pool_threads. */
enum { SLOW = 60 };

static system_found *begin_slow(em_loop *loop, em_lookup *lookups)
{
    system_found *found = system_memory(SLOW * sizeof *found);
    for (unsigned i = 0; i < SLOW; i++) {
        char name[32];
        snprintf(name, sizeof name, "slow-%u.test", i);
        lookups[i] = system_begin_resolve(loop, name, &found[i]);
    }
    return found;
}

/* Whatever hangs in the threads. */
static void names_that_need_no_thread_do_not_wait_for_one(void **state)
{
    static const char *const names[] = {"127.0.0.9", "::1", "localhost", "any.localhost."};
    em_lookup lookups[SLOW];
    use_system(*state);
    const system_found *slow = begin_slow(*state, lookups);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(system_resolve(*state, names[i])->status, EM_OK);
    for (unsigned i = 0; i < SLOW; i++)
        assert_int_equal(slow[i].calls, 0);
    let_go();
    for (unsigned i = 0; i < SLOW; i++)
        system_wait_for(*state, &slow[i]);
}

static void lookups_that_hang_can_be_cancelled_and_are_no_longer_in_the_way(void **state)
{
    em_lookup lookups[SLOW];
    use_system(*state);
    const system_found *slow = begin_slow(*state, lookups);
    system_turn(*state);
    for (unsigned i = 0; i < SLOW; i++) {
        assert_int_equal(em_loop_cancel_lookup(*state, lookups[i]), EM_OK);
        assert_int_equal(slow[i].disposals, 1);
    }
    assert_int_equal(system_resolve(*state, "good.test")->status, EM_OK);
    let_go();
    system_turn(*state);
    for (unsigned i = 0; i < SLOW; i++)
        assert_int_equal(slow[i].calls, 0);
}

static void a_deadline_ends_a_lookup_that_hangs(void **state)
{
    use_system(*state);
    em_lookup_options options = {.size = sizeof options, .timeout_ns = 10000000};
    system_found *found = system_memory(sizeof *found);
    system_begin_resolve_with(*state, "slow.test", &options, found);
    system_wait_for(*state, found);
    assert_int_equal(found->status, EM_RESOLVE_TIMEOUT);
    let_go();
    system_turn(*state);
    assert_int_equal(found->calls, 1);
}

static void a_loop_is_destroyed_at_once_while_lookups_hang(void **state)
{
    em_lookup lookups[SLOW];
    use_system(*state);
    const system_found *slow = begin_slow(*state, lookups);
    system_turn(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    for (unsigned i = 0; i < SLOW; i++)
        assert_int_equal(slow[i].disposals, 1);
    let_go();
}

static void thousands_of_names_are_all_found(void **state)
{
    enum { MANY = 3000 };
    use_system(*state);
    system_found *found = system_memory(MANY * sizeof *found);
    for (unsigned i = 0; i < MANY; i++)
        system_begin_resolve(*state, "good.test", &found[i]);
    for (unsigned i = 0; i < MANY; i++) {
        system_wait_for(*state, &found[i]);
        assert_int_equal(found[i].status, EM_OK);
    }
}

/* Multicast DNS belongs to the system (RFC 6762). */
static void names_under_local_are_asked_of_the_system_and_of_no_server(void **state)
{
    name_server *server = name_server_start(0);
    system_use_server(*state, server);
    unsigned before = atomic_load(&calls);
    assert_string_equal(system_resolve(*state, "printer.LOCAL.")->texts[0], "192.0.2.1:0");
    assert_int_equal(atomic_load(&calls), before + 1);
    assert_int_equal(name_server_queries(server), 0);
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(names_that_need_no_thread_do_not_wait_for_one),
        SYSTEM_TEST(lookups_that_hang_can_be_cancelled_and_are_no_longer_in_the_way),
        SYSTEM_TEST(a_deadline_ends_a_lookup_that_hangs),
        SYSTEM_TEST(a_loop_is_destroyed_at_once_while_lookups_hang),
        SYSTEM_TEST(thousands_of_names_are_all_found),
        SYSTEM_TEST(names_under_local_are_asked_of_the_system_and_of_no_server),
    };
    return SYSTEM_RUN(tests);
}
