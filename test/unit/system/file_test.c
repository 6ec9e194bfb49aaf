/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the system tells about the page cache.
 */
#include "base/features.h"

#include "support/unit.h"
#include "system/file.h"

#if EMI_HAVE_CACHED_READS

#include <sys/mman.h>
#include <unistd.h>

enum { FILE_BYTES = 1024 * 1024 };

/* It lies in tmpfs, where preadv2(2) cannot tell. */
static void a_file_in_memory_is_cached(void **state)
{
    int descriptor = memfd_create("file", MFD_CLOEXEC);
    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, FILE_BYTES), 0);
    assert_true(emi_file_is_cached(descriptor, 0, FILE_BYTES));
    close(descriptor);
}

static void what_cannot_be_read_is_not_cached(void **state)
{
    (void)state;
    assert_false(emi_file_is_cached(-1, 0, FILE_BYTES));
}

#else

static void a_file_in_memory_is_cached(void **state)
{
    (void)state;
    skip();
}

static void what_cannot_be_read_is_not_cached(void **state)
{
    (void)state;
    assert_false(emi_file_is_cached(-1, 0, 1));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_in_memory_is_cached),
        cmocka_unit_test(what_cannot_be_read_is_not_cached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
