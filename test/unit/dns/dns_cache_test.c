/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The cache of answers: names in any case are found, answers expire, and their number is bounded.
 */
#include "dns/dns_cache.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"

static failing_allocator allocator;
static emi_dns_cache cache;
static emi_dns_config config;

static const emi_memory *memory(void)
{
    return &allocator.allocator;
}

static int set_up(void **state)
{
    (void)state;
    failing_allocator_init(&allocator);
    config.references = 1;
    config.memory = memory();
    emi_dns_cache_init(&cache, memory(), 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    emi_dns_cache_free(&cache);
    assert_int_equal(config.references, 1);
    assert_int_equal(atomic_load(&allocator.live), 0);
    return 0;
}

static emi_cache_entry *add(const char *name, unsigned type)
{
    emi_cache_entry *entry = emi_cache_entry_create(memory(), name, type, &config);
    assert_non_null(entry);
    assert_int_equal(emi_dns_cache_add(&cache, entry), EM_OK);
    return entry;
}

static void keep(const char *name, unsigned type, uint64_t expires_ns)
{
    emi_cache_entry *entry = add(name, type);
    assert_int_equal(emi_answer_make_failure(memory(), name, EM_NO_RECORDS, 0, &entry->answer), EM_OK);
    entry->expires_ns = expires_ns;
    emi_dns_cache_keep(&cache, entry);
}

static bool has(const char *name, unsigned type, uint64_t now_ns)
{
    return emi_dns_cache_find(&cache, name, type, now_ns) != NULL;
}

static void names_are_found_whatever_their_case_and_final_dot(void **state)
{
    (void)state;
    keep("Good.Test", EM_RECORD_A, 100);
    assert_true(has("good.test", EM_RECORD_A, 1));
    assert_true(has("GOOD.TEST.", EM_RECORD_A, 1));
    assert_false(has("good.test", EM_RECORD_AAAA, 1));
    assert_false(has("good.tes", EM_RECORD_A, 1));
}

/* So that nobody can choose names that all fall into one bucket. */
static void the_hash_of_a_name_cannot_be_predicted(void **state)
{
    (void)state;
    emi_dns_cache other;
    emi_dns_cache_init(&other, memory(), 8);
    uint32_t hash = add("good.test", EM_RECORD_A)->hash;
    emi_cache_entry *entry = emi_cache_entry_create(memory(), "good.test", EM_RECORD_A, &config);
    assert_int_equal(emi_dns_cache_add(&other, entry), EM_OK);
    assert_int_not_equal(entry->hash, hash);
    emi_dns_cache_remove(&other, entry);
    emi_cache_entry_free(&other, entry);
    emi_dns_cache_free(&other);
    entry = emi_dns_cache_find(&cache, "good.test", EM_RECORD_A, 1);
    emi_dns_cache_remove(&cache, entry);
    emi_cache_entry_free(&cache, entry);
}

static void an_answer_expires(void **state)
{
    (void)state;
    keep("good.test", EM_RECORD_A, 100);
    assert_true(has("good.test", EM_RECORD_A, 99));
    assert_false(has("good.test", EM_RECORD_A, 100));
    assert_int_equal(cache.kept, 0);
    assert_int_equal(cache.kept_bytes, 0);
}

static void the_least_recently_used_answers_make_room(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        keep(name, EM_RECORD_A, 100);
    }
    assert_true(has("0.test", EM_RECORD_A, 1));
    keep("more.test", EM_RECORD_A, 100);
    assert_int_equal(cache.kept, 8);
    assert_true(has("0.test", EM_RECORD_A, 1));
    assert_false(has("1.test", EM_RECORD_A, 1));
}

static void many_names_are_found_quickly_and_forgotten(void **state)
{
    (void)state;
    char name[32];
    cache.most_entries = 1000;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        keep(name, EM_RECORD_A, 100);
    }
    assert_int_equal(cache.kept, 1000);
    assert_int_equal(cache.count, 1000);
    assert_true(cache.bucket_count >= 1000);
    emi_dns_cache_clear(&cache);
    assert_int_equal(cache.count, 0);
}

static void what_is_being_asked_for_survives_a_change_of_servers(void **state)
{
    (void)state;
    emi_cache_entry *entry = add("good.test", EM_RECORD_A);
    emi_dns_cache_clear(&cache);
    assert_false(has("good.test", EM_RECORD_A, 1));
    assert_false(entry->is_in_cache);
    emi_cache_entry_free(&cache, entry);
}

static void without_memory_nothing_is_added(void **state)
{
    (void)state;
    emi_cache_entry *entry = emi_cache_entry_create(memory(), "good.test", EM_RECORD_A, &config);
    failing_allocator_fail(&allocator, 1, EM_DEFAULT);
    assert_int_equal(emi_dns_cache_add(&cache, entry), EM_NO_MEMORY);
    emi_cache_entry_free(&cache, entry);
}

#define CACHE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CACHE_TEST(names_are_found_whatever_their_case_and_final_dot),
        CACHE_TEST(the_hash_of_a_name_cannot_be_predicted),
        CACHE_TEST(an_answer_expires),
        CACHE_TEST(the_least_recently_used_answers_make_room),
        CACHE_TEST(many_names_are_found_quickly_and_forgotten),
        CACHE_TEST(what_is_being_asked_for_survives_a_change_of_servers),
        CACHE_TEST(without_memory_nothing_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
