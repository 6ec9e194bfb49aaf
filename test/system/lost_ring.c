/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A ring of io_uring(7) that is taken away under a loop, as by a program that closes what it does not own: the loop
 * says so once and goes on with plain calls. The other backends have none and go on as well.
 */
#include <string.h>

#include "support/ring.h"
#include "support/system_flow.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { FLOWS = 100, FLOW_BYTES = 256 * 1024 };

static void count_complaint(void *user, em_log_level level, const char *message)
{
    unsigned *complaints = user;
    assert_int_equal(level, EM_LOG_WARNING);
    assert_non_null(strstr(message, "ring"));
    ++*complaints;
}

static void everything_goes_on_without_it_and_it_is_logged_once(void **state)
{
    unsigned *complaints = system_memory(sizeof *complaints);
    em_loop *loop = system_create_loop((em_loop_options){.log = count_complaint, .log_user = complaints});
    system_share_descriptors(); /* what takes the rings' place */
    bool has_ring = strcmp(system_backend(), "uring") == 0;
    system_flows *flows = system_new_flows(loop, FLOWS, FLOW_BYTES);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;                                 /* it has a ring of its own */
    assert_int_equal(break_rings() > 0, has_ring); /* the one that was kept, too */
    system_start_flows(flows, 0, FLOWS, system_serve(loop, &system_flow_echo, NULL));
    system_finish_flows(flows);
    assert_int_equal(*complaints, has_ring ? 1 : 0);
    if (has_ring)
        assert_non_null(strstr(em_loop_get_backend_reason(loop), "broke"));
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(everything_goes_on_without_it_and_it_is_logged_once),
    };
    return SYSTEM_RUN(tests);
}
