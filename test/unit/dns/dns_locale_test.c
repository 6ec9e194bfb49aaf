/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names are compared by the letters of ASCII, whatever the program's locale. Turkish has two letters that look like i,
 * and in its 8-bit encoding bytes of UTF-8 are letters, too. The locales are made for this test by localedef(1).
 */
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dns_cache.h"
#include "dns/dns_hosts.h"
#include "dns/dns_name.h"
#include "support/unit.h"

static const char *const encodings[] = {"UTF-8", "ISO-8859-9"};
static char folder[] = "/tmp/dns_locale_test.XXXXXX";

static void use_locale(const char *encoding)
{
    char command[128], name[32];
    snprintf(name, sizeof name, "tr_TR.%s", encoding);
    snprintf(command, sizeof command, "localedef -c -i tr_TR -f %s %s/%s >/dev/null 2>&1", encoding, folder, name);
    if (system(command) != 0 || !setlocale(LC_ALL, name))
        skip();
    assert_int_not_equal(tolower('I'), 'i'); /* this is Turkish */
}

static void reserved_names_are_recognised(void **state)
{
    use_locale(*state);
    assert_int_equal(emi_name_check("a.INVALID"), EM_NAME_NOT_FOUND);
    assert_int_equal(emi_name_check("a.ONION"), EM_NAME_NOT_FOUND);
    assert_int_equal(emi_name_check("\xc3\x85\xc2\xa0.test"), EM_OK);
}

static void names_in_the_hosts_file_are_found(void **state)
{
    use_locale(*state);
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    emi_hosts hosts = {.memory = NULL};
    emi_addresses addresses;
    static const char lines[] = "192.0.2.1 ISTANBUL.test \xc3\xa9.test\n";
    char *text = emi_allocate(&allocator.allocator, sizeof lines);
    memcpy(text, lines, sizeof lines);
    assert_int_equal(emi_hosts_read(&hosts, &allocator.allocator, text), EM_OK);
    assert_true(emi_hosts_find(&hosts, "istanbul.TEST", 0, &addresses));
    assert_true(emi_hosts_find(&hosts, "\xc3\xa9.test", 0, &addresses));
    assert_false(emi_hosts_find(&hosts, "\xe3\xa9.test", 0, &addresses));
    emi_hosts_clear(&hosts);
}

static void cached_names_are_found_and_not_mixed_up(void **state)
{
    use_locale(*state);
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    emi_dns_config config = {.references = 1, .memory = &allocator.allocator};
    emi_dns_cache cache;
    emi_dns_cache_init(&cache, &allocator.allocator, 8);
    emi_cache_entry *entry = emi_cache_entry_create(&allocator.allocator, "I\xc3.test", EM_RECORD_A, &config);
    assert_int_equal(emi_dns_cache_add(&cache, entry), EM_OK);
    assert_ptr_equal(emi_dns_cache_find(&cache, "i\xc3.TEST", EM_RECORD_A, 0), entry);
    assert_null(emi_dns_cache_find(&cache, "i\xe3.test", EM_RECORD_A, 0));
    emi_dns_cache_remove(&cache, entry);
    emi_cache_entry_free(&cache, entry);
    emi_dns_cache_free(&cache);
}

static void names_in_messages_are_compared(void **state)
{
    use_locale(*state);
    static const unsigned char bytes[] = "............\1I\0\1i\0\1\xc3\0\1\xe3";
    const emi_message message = {bytes, sizeof bytes};
    assert_true(emi_message_same_names(message, 12, 15));
    assert_false(emi_message_same_names(message, 18, 21));
}

#define LOCALE_TESTS(encoding)                                                                                         \
    cmocka_unit_test_prestate(reserved_names_are_recognised, (void *)(uintptr_t)(encoding)),                           \
        cmocka_unit_test_prestate(names_in_the_hosts_file_are_found, (void *)(uintptr_t)(encoding)),                   \
        cmocka_unit_test_prestate(cached_names_are_found_and_not_mixed_up, (void *)(uintptr_t)(encoding)),             \
        cmocka_unit_test_prestate(names_in_messages_are_compared, (void *)(uintptr_t)(encoding))

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    setenv("LOCPATH", folder, 1);
    const struct CMUnitTest tests[] = {LOCALE_TESTS(encodings[0]), LOCALE_TESTS(encodings[1])};
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? result : 1;
}
