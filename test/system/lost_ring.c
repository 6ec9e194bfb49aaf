/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop whose descriptor is taken away, as by a program that closes what it does not own. Over io_uring nothing can be done
 * any more: the connections are told so, the loop neither spins nor hangs, and ends. The other backends are left alone here.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static void take_ring_away(em_loop *loop)
{
    int ring;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(em_loop_get_descriptor(loop, &ring), EM_OK);
    assert_true(dup2(nothing, ring) >= 0);
    close(nothing);
}

static void connections_fail_and_the_loop_does_not_spin(void **state)
{
    if (strcmp(system_backend(), "uring") != 0)
        return;
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connect(system_serve(*state, &system_recorder, served));
    while (!served->connection)
        system_turn(*state);
    take_ring_away(*state);
    system_write(client, "x", 1);
    while (!served->unbind)
        system_turn(*state);
    assert_true(served->reason != EM_OK);
    uint64_t turns_before = system_stats(*state).turns;
    uint64_t used_before_ns = system_cpu_ns();
    system_run_for(*state, 300 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 100);
    assert_in_range(system_cpu_ns() - used_before_ns, 0, 60 * EM_MILLISECONDS);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(connections_fail_and_the_loop_does_not_spin),
    };
    return SYSTEM_RUN(tests);
}
