/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Batches of calls: each call has the result that it would have had alone, and when a ring breaks nothing is lost.
 */
#include "io/batcher.h"

#include "support/ring.h"
#include "support/unit.h"
#include "system/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS = 8 };

typedef struct fixture {
    emi_batcher *batcher;
    int pairs[PAIRS][2];
    emi_call calls[PAIRS];
    char bytes[PAIRS][100];
} fixture;

static int set_up(void **state)
{
    static fixture made;
    memset(&made, 0, sizeof made);
    for (unsigned i = 0; i < PAIRS; i++)
        if (emi_socket_pair(made.pairs[i]) != EM_OK)
            return -1;
    em_status status = emi_batcher_create(&made.batcher);
    *state = &made;
    return status == EM_OK || status == EM_UNKNOWN_BACKEND ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *used = *state;
    emi_batcher_destroy(used->batcher);
    for (unsigned i = 0; i < PAIRS; i++) {
        emi_socket_close(used->pairs[i][0]);
        emi_socket_close(used->pairs[i][1]);
    }
    return 0;
}

static fixture *with_ring(void **state)
{
    fixture *used = *state;
    if (!used->batcher) {
        print_message("skipped: %s\n", emi_batcher_refusal());
        skip();
    }
    return used;
}

static void prepare(fixture *used, emi_call_kind kind)
{
    for (unsigned i = 0; i < PAIRS; i++)
        used->calls[i] = (emi_call){
            .kind = kind, .descriptor = used->pairs[i][0], .bytes = used->bytes[i], .length = sizeof used->bytes[i]};
}

static void send_all(int fd, const void *bytes, size_t length)
{
    size_t sent;
    assert_int_equal(emi_socket_send_bytes(fd, bytes, length, &sent), EM_OK);
    assert_int_equal(sent, length);
}

static void write_to_each(fixture *used)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        char text[20];
        int length = snprintf(text, sizeof text, "for number %u", i);
        send_all(used->pairs[i][1], text, (size_t)length);
    }
}

static void expect_each(const fixture *used)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        char text[20];
        int length = snprintf(text, sizeof text, "for number %u", i);
        assert_int_equal(used->calls[i].status, EM_OK);
        assert_int_equal(used->calls[i].done, length);
        assert_memory_equal(used->bytes[i], text, length);
    }
}

static void every_receive_gets_its_own_bytes(void **state)
{
    fixture *used = with_ring(state);
    for (unsigned round = 0; round < 100; round++) {
        write_to_each(used);
        prepare(used, EMI_CALL_RECEIVE);
        assert_true(emi_batcher_run(used->batcher, used->calls, PAIRS));
        expect_each(used);
    }
}

static void an_empty_socket_an_end_and_a_wrong_descriptor_are_told_apart(void **state)
{
    fixture *used = with_ring(state);
    prepare(used, EMI_CALL_RECEIVE);
    emi_socket_shutdown_write(used->pairs[1][1]);
    used->calls[2].descriptor = EMI_NO_SOCKET;
    send_all(used->pairs[3][1], "xyz", 3);
    assert_true(emi_batcher_run(used->batcher, used->calls, PAIRS));
    assert_int_equal(used->calls[0].status, EM_WOULD_BLOCK);
    assert_int_equal(used->calls[1].status, EM_OK);
    assert_int_equal(used->calls[1].done, 0);
    assert_int_equal(used->calls[2].status, EM_BAD_DESCRIPTOR);
    assert_int_equal(used->calls[3].status, EM_OK);
    assert_int_equal(used->calls[3].done, 3);
    assert_int_equal(used->calls[PAIRS - 1].status, EM_WOULD_BLOCK);
}

static void sends_arrive_and_a_full_or_closed_peer_affects_no_other(void **state)
{
    static char fill[65536];
    fixture *used = with_ring(state);
    char received[100];
    size_t length;
    prepare(used, EMI_CALL_SEND);
    memset(used->bytes[0], 'a', sizeof used->bytes[0]);
    size_t sent;
    while (emi_socket_send_bytes(used->pairs[1][0], fill, sizeof fill, &sent) == EM_OK)
        continue;
    emi_socket_close(used->pairs[2][1]);
    used->pairs[2][1] = EMI_NO_SOCKET;
    assert_true(emi_batcher_run(used->batcher, used->calls, PAIRS));
    assert_int_equal(used->calls[0].done, sizeof used->bytes[0]);
    assert_int_equal(used->calls[1].status, EM_WOULD_BLOCK);
    assert_int_equal(used->calls[2].status, EM_BROKEN_PIPE);
    assert_int_equal(emi_socket_receive(used->pairs[0][1], received, sizeof received, &length), EM_OK);
    assert_int_equal(length, sizeof received);
    assert_memory_equal(received, used->bytes[0], sizeof received);
}

static void a_broken_ring_is_reported_and_its_calls_are_made_plainly(void **state)
{
    fixture *used = with_ring(state);
    assert_int_equal(break_rings(), 1);
    write_to_each(used);
    prepare(used, EMI_CALL_RECEIVE);
    assert_false(emi_batcher_run(used->batcher, used->calls, PAIRS));
    expect_each(used);
}

static void a_ring_that_is_not_used_any_more_serves_the_next(void **state)
{
    fixture *used = with_ring(state);
    emi_batcher *first = used->batcher;
    emi_batcher_destroy(first);
    assert_int_equal(emi_batcher_create(&used->batcher), EM_OK);
    assert_ptr_equal(used->batcher, first);
    every_receive_gets_its_own_bytes(state);
}

static void a_ring_that_broke_meanwhile_does_not_serve_the_next(void **state)
{
    fixture *used = with_ring(state);
    emi_batcher_destroy(used->batcher);
    assert_int_equal(break_rings(), 1);
    assert_int_equal(emi_batcher_create(&used->batcher), EM_OK);
    every_receive_gets_its_own_bytes(state);
}

/* As in a program that closes all descriptors and then makes a ring of its own, which gets the old number. */
static void a_ring_of_the_program_itself_is_not_used(void **state)
{
    fixture *used = with_ring(state);
    emi_batcher *kept = used->batcher;
    assert_int_equal(emi_batcher_create(&used->batcher), EM_OK);
    int own = highest_ring();
    int number = lowest_ring();
    assert_true(own > number);
    emi_batcher_destroy(kept);
    assert_int_equal(dup2(own, number), number); /* a ring, but another one */
    emi_batcher *next;
    assert_int_equal(emi_batcher_create(&next), EM_OK);
    assert_true(fcntl(number, F_GETFD) >= 0);
    emi_batcher_destroy(next);
    close(number);
}

/* A ring that is closed interrupts its thread. */
static void destroying_a_batcher_interrupts_no_thread(void **state)
{
    fixture *used = with_ring(state);
    for (unsigned i = 0; i < 10; i++) {
        every_receive_gets_its_own_bytes(state);
        emi_batcher_destroy(used->batcher);
        assert_int_equal(poll(NULL, 0, 10), 0);
        assert_int_equal(emi_batcher_create(&used->batcher), EM_OK);
    }
}

static void a_forked_child_has_a_ring_of_its_own(void **state)
{
    fixture *used = with_ring(state);
    pid_t child = fork();
    if (child == 0) {
        emi_batcher *own = NULL;
        emi_batcher_destroy(used->batcher);
        bool fine = emi_batcher_create(&own) == EM_OK;
        prepare(used, EMI_CALL_RECEIVE);
        fine = fine && emi_batcher_run(own, used->calls, PAIRS) && used->calls[0].status == EM_WOULD_BLOCK;
        _exit(fine ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    every_receive_gets_its_own_bytes(state);
}

static void plain_calls_have_the_same_results(void **state)
{
    fixture *used = *state;
    write_to_each(used);
    prepare(used, EMI_CALL_RECEIVE);
    emi_calls_run(used->calls, PAIRS);
    expect_each(used);
    emi_calls_run(used->calls, 1);
    assert_int_equal(used->calls[0].status, EM_WOULD_BLOCK);
    assert_int_equal(used->calls[0].done, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_receive_gets_its_own_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_socket_an_end_and_a_wrong_descriptor_are_told_apart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sends_arrive_and_a_full_or_closed_peer_affects_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_ring_is_reported_and_its_calls_are_made_plainly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ring_that_is_not_used_any_more_serves_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ring_that_broke_meanwhile_does_not_serve_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ring_of_the_program_itself_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(destroying_a_batcher_interrupts_no_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forked_child_has_a_ring_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_calls_have_the_same_results, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
