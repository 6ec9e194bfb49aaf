/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Rings and buffers that are far too small for what goes on: with io_uring everything runs out all the time, and nothing but
 * speed may suffer. The other backends have neither and do the same.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/system_flow.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { FLOWS = 200, FLOW_BYTES = 64 * 1024, SMALL_FLOW_BYTES = 1024, PEERS = 300, ROUNDS = 10, MESSAGE_BYTES = 100 };

static const em_loop_options tiny = {.ring_entries = 1, .ring_buffers = 1};

static void carry(em_loop_options options, uint64_t bytes)
{
    em_loop *loop = system_create_loop(options);
    system_flows *flows = system_new_flows(loop, FLOWS, bytes);
    system_start_flows(flows, 0, FLOWS, system_serve(loop, &system_flow_echo, NULL));
    system_finish_flows(flows);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

static void two_hundred_connections_share_one_buffer(void **state)
{
    (void)state;
    carry(tiny, FLOW_BYTES);
}

static void two_hundred_connections_share_one_buffer_of_a_few_bytes(void **state)
{
    (void)state;
    em_loop_options options = tiny;
    options.receive_buffer_bytes = 64;
    carry(options, SMALL_FLOW_BYTES);
}

static void two_hundred_connections_share_many_buffers_of_odd_length(void **state)
{
    (void)state;
    carry((em_loop_options){.ring_entries = 2, .ring_buffers = 64, .receive_buffer_bytes = 1021}, FLOW_BYTES);
}

/* Bare sockets that all speak before the loop looks at any of them. */
typedef struct crowd {
    em_loop *loop;
    int peers[PEERS];
} crowd;

static void speak_at_once(const crowd *all, unsigned round)
{
    unsigned char message[MESSAGE_BYTES];
    for (unsigned i = 0; i < PEERS; i++) {
        pattern_fill(message, sizeof message, (uint64_t)round * PEERS + i);
        system_write(all->peers[i], message, sizeof message);
    }
}

static void expect_answers(const crowd *all, unsigned round)
{
    unsigned char answer[MESSAGE_BYTES];
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(system_read(all->loop, all->peers[i], answer, sizeof answer), sizeof answer);
        assert_true(pattern_matches(answer, sizeof answer, (uint64_t)round * PEERS + i));
    }
}

/* With one entry there is room for 16 results in the ring; the kernel has to keep all others. */
static void hundreds_of_peers_that_speak_at_once_are_all_heard(void **state)
{
    em_loop *loop = system_create_loop(tiny);
    crowd *all = system_memory(sizeof *all);
    all->loop = loop;
    int port = system_serve(loop, &system_flow_echo, NULL);
    for (unsigned i = 0; i < PEERS; i++)
        all->peers[i] = system_connect(port); /* all of them before the first is accepted */
    for (unsigned round = 0; round < ROUNDS; round++) {
        speak_at_once(all, round);
        expect_answers(all, round);
    }
    speak_at_once(all, ROUNDS); /* nobody waits for these answers */
    for (unsigned i = 0; i < PEERS; i++)
        close(all->peers[i]);
    while (system_stats(loop).connections_open > 0)
        system_turn(loop);
    assert_int_equal(system_stats(loop).connections_accepted, PEERS);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

static void hundreds_of_ends_at_once_are_all_heard(void **state)
{
    em_loop *loop = system_create_loop(tiny);
    system_record *served = system_new_record(SYSTEM_NONE);
    int *peers = system_memory(PEERS * sizeof *peers);
    int port = system_serve(loop, &system_recorder, served);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = system_connect(port);
    while (served->post_init < PEERS)
        system_turn(loop);
    for (unsigned i = 0; i < PEERS; i++) {
        system_write(peers[i], "bye", 3);
        if (i % 2 > 0)
            close(peers[i]);
        else
            shutdown(peers[i], SHUT_WR);
    }
    while (served->unbind < PEERS)
        system_turn(loop);
    assert_int_equal(served->bytes, 3 * PEERS);
    for (unsigned i = 0; i < PEERS; i += 2)
        close(peers[i]);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

/* Every other way in which a number of the options may be wrong or odd. */
static void sizes_that_no_ring_can_have_are_refused_or_rounded(void **state)
{
    (void)state;
    const em_loop_options wrong[] = {{.ring_entries = 32769}, {.ring_buffers = 32769}, {.ring_entries = UINT32_MAX}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        em_loop_options options = wrong[i];
        em_loop *loop;
        options.size = sizeof options;
        options.backend = system_backend();
        assert_int_equal(em_loop_create(&options, &loop), EM_INVALID_ARGUMENT);
        assert_null(loop);
    }
    carry((em_loop_options){.ring_entries = 3, .ring_buffers = 5}, MESSAGE_BYTES);
    carry((em_loop_options){.ring_entries = 32768, .ring_buffers = 1024, .receive_buffer_bytes = 100}, MESSAGE_BYTES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(two_hundred_connections_share_one_buffer),
        SYSTEM_TEST(two_hundred_connections_share_one_buffer_of_a_few_bytes),
        SYSTEM_TEST(two_hundred_connections_share_many_buffers_of_odd_length),
        SYSTEM_TEST(hundreds_of_peers_that_speak_at_once_are_all_heard),
        SYSTEM_TEST(hundreds_of_ends_at_once_are_all_heard),
        SYSTEM_TEST(sizes_that_no_ring_can_have_are_refused_or_rounded),
    };
    return SYSTEM_RUN(tests);
}
