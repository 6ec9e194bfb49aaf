/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * fork(2) in the midst of traffic: whatever the children do with the loop, the parent's connections carry every byte.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_flow.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { FLOWS = 8, FLOW_BYTES = 2 * 1024 * 1024, FORKS = 9, PIECES_BETWEEN_FORKS = 20 };

static void destroy_at_once(void *loop)
{
    system_child_check(em_loop_destroy(loop) == EM_OK, "a child may destroy its copy at any time");
}

static void do_nothing(void *loop)
{
    (void)loop;
}

/* A loop of the child's own, with the parent's destroyed or not. */
static void carry_own_flows(void)
{
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *own;
    em_server *server;
    system_child_check(em_loop_create(&options, &own) == EM_OK, "the child makes a loop");
    em_status status = em_loop_start_server(own, "127.0.0.1", 0, &system_flow_echo, NULL, &server);
    system_child_check(status == EM_OK, "with a server");
    system_flows *flows = system_new_flows(own, FLOWS, FLOW_BYTES / 4);
    system_start_flows(flows, 0, FLOWS, system_port_of(server));
    while (flows->open > 0)
        system_child_check(em_loop_run(own) == EM_OK, "which runs");
    system_child_check(flows->complete == FLOWS && flows->wrong == 0, "and carries everything");
    system_child_check(em_loop_destroy(own) == EM_OK, "and ends");
}

static void live_beside_loop(void *loop)
{
    carry_own_flows();
    system_child_check(em_loop_destroy(loop) == EM_OK, "and then the parent's");
}

static void live_after_loop(void *loop)
{
    system_child_check(em_loop_destroy(loop) == EM_OK, "the parent's loop ends");
    carry_own_flows();
}

static void children_made_between_turns_leave_the_traffic_alone(void **state)
{
    static void (*const lives[])(void *loop) = {do_nothing, destroy_at_once, live_beside_loop, live_after_loop};
    pid_t children[FORKS];
    system_flows *flows = system_new_flows(*state, FLOWS, FLOW_BYTES);
    system_start_flows(flows, 0, FLOWS, system_serve(*state, &system_flow_echo, NULL));
    for (unsigned i = 0; i < FORKS; i++) {
        for (unsigned turns = 0; turns < i; turns++)
            system_turn(*state);
        children[i] = system_fork(lives[i % 4], *state);
    }
    system_finish_flows(flows);
    for (unsigned i = 0; i < FORKS; i++)
        assert_int_equal(system_wait(children[i]), 0);
}

/* What forks in the midst of it. */
static struct {
    unsigned pieces;
    unsigned forks;
    pid_t children[FORKS];
} forker;

static void echo_and_fork(em_connection *connection, const void *data, size_t length)
{
    bool before = forker.forks % 2 > 0;
    if (before)
        em_connection_send(connection, data, length);
    if (++forker.pieces % PIECES_BETWEEN_FORKS == 0 && forker.forks < FORKS)
        forker.children[forker.forks++] = system_fork(destroy_at_once, em_connection_get_loop(connection));
    if (!before)
        em_connection_send(connection, data, length);
}

static void children_made_in_receive_data_leave_the_traffic_alone(void **state)
{
    static const em_handler forking = {.receive_data = echo_and_fork};
    forker.pieces = 0;
    forker.forks = 0;
    system_flows *flows = system_new_flows(*state, FLOWS, FLOW_BYTES);
    system_start_flows(flows, 0, FLOWS, system_serve(*state, &forking, NULL));
    system_finish_flows(flows);
    assert_int_equal(forker.forks, FORKS);
    for (unsigned i = 0; i < FORKS; i++)
        assert_int_equal(system_wait(forker.children[i]), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(children_made_between_turns_leave_the_traffic_alone),
        SYSTEM_TEST(children_made_in_receive_data_leave_the_traffic_alone),
    };
    return SYSTEM_RUN(tests);
}
