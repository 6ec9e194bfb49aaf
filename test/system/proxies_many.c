/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Thousands of proxied pairs: what each of them costs, and that targets which are never read do not take more than was
 * agreed on.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "support/counted_memory.h"
#include "support/sockets.h"
#include "support/system_test.h"

enum {
    MOST_PAIRS = 5000,
    DESCRIPTORS_EACH = 4,
    SPARE_DESCRIPTORS = 300,
    IDLE_BYTES_EACH = 2600, /* both connections and both proxies */
    FULL_PAIRS = 200,
    BUFFER_BYTES = 64 * 1024,
    READ_BYTES = 64 * 1024,
    BLOCK_BYTES = 1024 /* what the outbox's blocks need beside the bytes */
};

typedef struct pair {
    em_connection *from, *to;
    int from_peer, to_peer;
} pair;

static unsigned count_pairs(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t most = (limit.rlim_max - SPARE_DESCRIPTORS) / DESCRIPTORS_EACH;
    return most < MOST_PAIRS ? (unsigned)most : MOST_PAIRS;
}

static const em_handler nothing = {0};

static void open_pair(em_loop *loop, pair *made, const em_proxy_options *options)
{
    int from[2], to[2];
    unix_pair(from);
    unix_pair(to);
    made->from_peer = from[1];
    made->to_peer = to[1];
    assert_int_equal(em_loop_attach(loop, from[0], &nothing, NULL, &made->from), EM_OK);
    assert_int_equal(em_loop_attach(loop, to[0], &nothing, NULL, &made->to), EM_OK);
    assert_int_equal(em_connection_start_proxy(made->from, made->to, options), EM_OK);
    assert_int_equal(em_connection_start_proxy(made->to, made->from, options), EM_OK);
}

static em_loop *counted_loop(void)
{
    return system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
}

static void close_pairs(em_loop *loop, const pair *pairs, unsigned count)
{
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    for (unsigned i = 0; i < count; i++) {
        close(pairs[i].from_peer);
        close(pairs[i].to_peer);
    }
}

static void expect_message(em_loop *loop, int sender, int receiver)
{
    char text[8] = "";
    assert_int_equal(send_now(sender, "message", 7), 7);
    for (size_t length = 0; length < 7;) {
        system_turn(loop);
        length += receive_now(receiver, text + length, 7 - length, NULL);
    }
    assert_string_equal(text, "message");
}

static void each_of_thousands_of_pairs_costs_little_and_works(void **state)
{
    static pair pairs[MOST_PAIRS];
    unsigned count = count_pairs();
    (void)state;
    em_loop *loop = counted_loop();
    open_pair(loop, &pairs[0], NULL);
    long before = counted_memory_get().bytes;
    for (unsigned i = 1; i < count; i++)
        open_pair(loop, &pairs[i], NULL);
    for (unsigned i = 0; i < count; i += 97) {
        expect_message(loop, pairs[i].from_peer, pairs[i].to_peer);
        expect_message(loop, pairs[i].to_peer, pairs[i].from_peer);
    }
    long each = (counted_memory_get().bytes - before) / (long)count;
    print_message("%u pairs, %ld bytes each\n", count, each);
    assert_in_range(each, 1, IDLE_BYTES_EACH);
    close_pairs(loop, pairs, count);
}

static void pairs_whose_targets_are_never_read_stay_within_their_buffers(void **state)
{
    static char bytes[READ_BYTES];
    static pair pairs[FULL_PAIRS];
    const em_proxy_options options = {.size = sizeof options, .buffer_bytes = BUFFER_BYTES};
    (void)state;
    em_loop *loop = counted_loop();
    for (unsigned i = 0; i < FULL_PAIRS; i++)
        open_pair(loop, &pairs[i], &options);
    long before = counted_memory_get().bytes;
    for (unsigned idle = 0; idle < 10;) {
        size_t sent = 0;
        for (unsigned i = 0; i < FULL_PAIRS; i++)
            sent += send_now(pairs[i].from_peer, bytes, sizeof bytes);
        assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        idle = sent > 0 ? 0 : idle + 1;
    }
    long each = (counted_memory_get().bytes - before) / FULL_PAIRS;
    assert_in_range(each, BUFFER_BYTES / 2, BUFFER_BYTES + READ_BYTES + BLOCK_BYTES);
    close_pairs(loop, pairs, FULL_PAIRS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(each_of_thousands_of_pairs_costs_little_and_works),
        SYSTEM_TEST(pairs_whose_targets_are_never_read_stay_within_their_buffers),
    };
    return SYSTEM_RUN(tests);
}
