/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Churn: connections that are paused and resumed all the time, ended at any moment with operations under way, and very
 * many of them at once.
 */
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_flow.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum {
    FLOWS = 50,
    FLOW_BYTES = 512 * 1024,
    MOST_FLOWS = 5000, /* each has two ends */
    SPARE_DESCRIPTORS = 200,
    ROUNDS = 40,
    ENDLESS_BYTES = 1 << 30,
    BLOCK_BYTES = 1 << 20
};

/* Pausing and resuming */

static void resume(em_loop *loop, void *signature)
{
    em_connection *connection = em_loop_find_connection(loop, (em_signature)(uintptr_t)signature);
    if (connection && em_connection_is_paused(connection))
        em_connection_resume(connection);
}

static void echo_and_pause(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
    assert_int_equal(em_connection_pause(connection), EM_OK);
    if (length % 3 == 0) {
        em_connection_resume(connection);
        em_connection_pause(connection);
    }
    em_loop_next_tick(em_connection_get_loop(connection), resume,
                      (void *)(uintptr_t)em_connection_get_signature(connection), NULL);
}

static const em_handler echoing_with_pauses = {.receive_data = echo_and_pause};

static void toggle_all(em_loop *loop, em_timer timer, void *user)
{
    const system_flows *flows = user;
    (void)loop;
    (void)timer;
    for (unsigned i = 0; i < flows->count; i++) {
        em_connection *connection = flows->each[i].connection;
        if (!connection)
            continue;
        bool was_paused = em_connection_is_paused(connection);
        if (was_paused)
            em_connection_resume(connection);
        for (unsigned j = 0; j < i % 10; j++) {
            em_connection_pause(connection);
            em_connection_resume(connection);
        }
        if (!was_paused && i % 4 > 0)
            em_connection_pause(connection);
    }
}

static void pausing_and_resuming_all_the_time_loses_nothing(void **state)
{
    system_flows *flows = system_new_flows(*state, FLOWS, FLOW_BYTES);
    system_start_flows(flows, 0, FLOWS, system_serve(*state, &echoing_with_pauses, NULL));
    em_timer toggling;
    assert_int_equal(em_loop_add_periodic_timer(*state, EM_MILLISECONDS, toggle_all, flows, NULL, &toggling), EM_OK);
    system_finish_flows(flows);
    assert_int_equal(em_loop_cancel_timer(*state, toggling), EM_OK);
}

/* Very many */

/* How many flows there can be: what the system allows, and fewer where each wait looks at all of them. */
static unsigned affordable_flows(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    unsigned count = strcmp(system_backend(), "poll") == 0 ? MOST_FLOWS / 10 : MOST_FLOWS;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < 2 * (rlim_t)count + SPARE_DESCRIPTORS) {
        count = (unsigned)((limit.rlim_cur - SPARE_DESCRIPTORS) / 2);
        print_message("%u connections: the system allows no more descriptors\n", 2 * count);
    }
    return count;
}

/* An orderly end would leave the port in use for a minute, and other tests without one. */
static void reset(em_connection *connection)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(em_connection_set_socket_option(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                     EM_OK);
    assert_int_equal(em_connection_close(connection), EM_OK);
}

static void ten_thousand_connections_live_side_by_side(void **state)
{
    enum { BATCH = 500, MESSAGE_BYTES = 100 };
    unsigned count = affordable_flows();
    system_flows *flows = system_new_flows(*state, count, MESSAGE_BYTES);
    int port = system_serve(*state, &system_flow_echo, NULL);
    flows->stay_open = true;
    for (unsigned begun = 0; begun < count; begun = flows->stop_at) {
        flows->stop_at = count - begun < BATCH ? count : begun + BATCH;
        system_start_flows(flows, begun, flows->stop_at, port);
        assert_int_equal(em_loop_run(*state), EM_OK);
    }
    assert_int_equal(flows->complete, count);
    assert_int_equal(flows->open, count);
    assert_true(system_stats(*state).connections_open >= 2 * (uint64_t)count);
    for (unsigned i = 0; i < count; i++)
        reset(flows->each[i].connection);
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
    assert_int_equal(flows->wrong, 0);
}

/* Ends */

static unsigned borrowed;
static unsigned given_back;

static void give_back(void *user, const void *data)
{
    (void)data;
    assert_true(*(bool *)user); /* not twice */
    *(bool *)user = false;
    given_back++;
}

static void send_borrowed(em_connection *connection)
{
    static const char block[BLOCK_BYTES];
    for (unsigned i = 0; i < 8; i++) {
        bool *is_lent = system_memory(sizeof *is_lent);
        *is_lent = true;
        borrowed++;
        em_connection_send_borrowed(connection, block, sizeof block, give_back, is_lent);
    }
}

static const em_handler lending = {.connection_completed = send_borrowed};

/* Streams both ways, streams that nobody reads, and one that is not established yet. */
static system_flows *begin_everything(em_loop *loop, int deaf_port, int full_port)
{
    system_flows *flows = system_new_flows(loop, FLOWS, ENDLESS_BYTES);
    system_start_flows(flows, 0, FLOWS, system_serve(loop, &system_flow_echo, NULL));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(em_loop_connect(loop, "127.0.0.1", deaf_port, &lending, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", full_port, &lending, NULL, NULL), EM_OK);
    return flows;
}

static void a_loop_may_end_at_any_moment(void **state)
{
    int fillers[SYSTEM_MOST_FILLERS];
    int deaf_port;
    int full_port;
    int deaf = system_listen(16, &deaf_port);
    int full = system_listen(0, &full_port);
    unsigned filling = system_fill_queue(full_port, fillers);
    (void)state;
    borrowed = given_back = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        em_loop *loop = system_create_loop((em_loop_options){.size = 0});
        system_flows *flows = begin_everything(loop, deaf_port, full_port);
        for (unsigned turns = 0; turns < round % 20; turns++)
            system_turn(loop);
        for (unsigned i = round % 2; i < FLOWS; i += 2)
            if (flows->each[i].connection)
                em_connection_close(flows->each[i].connection);
        if (round % 3 == 0)
            system_turn(loop);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        assert_int_equal(flows->wrong, 0);
        for (unsigned i = 0; i < 4; i++)
            close(system_accept(deaf));
    }
    assert_true(borrowed > 0);
    assert_int_equal(given_back, borrowed);
    while (filling > 0)
        close(fillers[--filling]);
    close(full);
    close(deaf);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(pausing_and_resuming_all_the_time_loses_nothing),
        SYSTEM_TEST(ten_thousand_connections_live_side_by_side),
        SYSTEM_TEST(a_loop_may_end_at_any_moment),
    };
    return SYSTEM_RUN(tests);
}
