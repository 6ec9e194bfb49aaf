/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library built without OpenSSL.
 */
#include "support/unit.h"
#include "tls/tls.h"

#include <string.h>

static void without_openssl_all_functions_return_unsupported(void **state)
{
    (void)state;
    em_tls_context *context;
    emi_filter *filter;
    const emi_tls_opening opening = {.is_server = false};
    if (em_has_tls()) {
        print_message("skipped: built with OpenSSL\n");
        skip();
    }
    assert_int_equal(em_tls_context_create(NULL, &context), EM_UNSUPPORTED);
    assert_null(context);
    assert_non_null(strstr(em_status_get_detail(EM_UNSUPPORTED), "OpenSSL"));
    assert_int_equal(em_tls_context_create_shared(NULL, &context), EM_UNSUPPORTED);
    assert_int_equal(em_tls_context_reload(NULL), EM_UNSUPPORTED);
    assert_int_equal(em_tls_context_add_certificate(NULL, NULL, NULL), EM_UNSUPPORTED);
    assert_int_equal(em_tls_context_set_ticket_keys(NULL, NULL, 0), EM_UNSUPPORTED);
    assert_int_equal(em_tls_share_ticket_keys(), EM_UNSUPPORTED);
    assert_int_equal(emi_tls_open(&opening, &filter), EM_UNSUPPORTED);
    assert_null(filter);
    assert_false(emi_tls_is(NULL));
    em_tls_context_retain(NULL);
    em_tls_context_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_openssl_all_functions_return_unsupported)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
