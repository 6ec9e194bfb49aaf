/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The keyed hash is SipHash-1-3: values of another implementation, for a key of zeros, on a machine whose lowest byte
 * comes first.
 */
#include "base/keyed_hash.h"

#include "support/unit.h"

static void it_is_siphash_1_3(void **state)
{
    (void)state;
    static const struct known {
        const char *text;
        size_t length;
        uint64_t hash;
    } known[] = {
        {"a", 1, UINT64_C(0x407448d2b89b1813)},
        {"abcdefg", 7, UINT64_C(0x6db12aae9070f506)},
        {"abcdefgh", 8, UINT64_C(0x3f7b849c0b8e35ea)},
        {"abcdefghi", 9, UINT64_C(0xf89b34a3d11eb6e5)},
    };
    const uint16_t one = 1;
    if (*(const unsigned char *)&one != 1)
        skip();
    for (size_t i = 0; i < COUNT(known); i++)
        assert_true(emi_keyed_hash((emi_hash_key){.words = {0}}, known[i].text, known[i].length) == known[i].hash);
}

static void another_key_makes_another_hash(void **state)
{
    (void)state;
    const emi_hash_key keys[] = {{{1, 2}}, {{1, 3}}, {{0, 2}}, {{2, 1}}};
    for (size_t i = 0; i < COUNT(keys); i++)
        for (size_t j = 0; j < i; j++)
            assert_true(emi_keyed_hash(keys[i], "name", 4) != emi_keyed_hash(keys[j], "name", 4));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_siphash_1_3),
        cmocka_unit_test(another_key_makes_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
