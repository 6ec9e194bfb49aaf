/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files over the simulated backend, which does not send files itself: they are read in pieces, as behind a
 * filter. Without memory, in every order of splits and delays, and with bounded memory.
 */
#include "net/files_private.h"
#include "support/filtered.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LENGTH = 300000, MOST_ALLOCATIONS = 40, SEEDS = 60 };

typedef struct report {
    unsigned calls;
    em_status status;
    uint64_t sent_bytes;
} report;

static void note(em_connection *connection, void *user, em_status status, uint64_t sent_bytes)
{
    report *own = user;
    (void)connection;
    own->calls++;
    own->status = status;
    own->sent_bytes = sent_bytes;
}

/* A file without a name, which begins with the pattern. */
static int make_file(size_t length)
{
    char path[] = "/tmp/eventmachine_file_XXXXXX";
    unsigned char *bytes = malloc(length);
    assert_non_null(bytes);
    int descriptor = mkostemp(path, O_CLOEXEC);
    assert_true(descriptor >= 0);
    unlink(path);
    pattern_fill(bytes, length, 0);
    assert_int_equal(write(descriptor, bytes, length), length);
    free(bytes);
    return descriptor;
}

static em_status send_file(em_connection *connection, int descriptor, uint64_t length, report *told)
{
    em_file_options options = {.size = sizeof options, .done = note, .user = told};
    return em_connection_send_file_descriptor(connection, descriptor, 0, length, &options);
}

/* Takes what the peer has been sent, which must be the pattern, until so much has come. Reading may be done by threads,
 * whose time no clock of ours knows. */
static void expect_pattern(simulated_loop *fixture, simulated_peer *peer, uint64_t length)
{
    static unsigned char piece[65536];
    uint64_t at = 0;
    while (at < length) {
        size_t wanted = length - at < sizeof piece ? (size_t)(length - at) : sizeof piece;
        size_t got = simulated_take(peer, piece, wanted);
        assert_true(pattern_matches(piece, got, at));
        at += got;
        run_for(fixture, EM_MILLISECONDS);
    }
}

static void a_file_arrives_whole_whatever_the_backend_does(void **state)
{
    simulated_loop *fixture = *state;
    int descriptor = make_file(LENGTH);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const simulated_options options = {.seed = seed, .window_bytes = 1 + (size_t)(seed * 997 % 30000)};
        simulated_loop_close(fixture);
        simulated_loop_open(fixture, &options, NULL);
        recorder told;
        report reported = {.calls = 0};
        recorder_init(&told, fixture);
        simulated_peer *peer = open_accepted(&told, &recording, NULL);
        assert_int_equal(send_file(told.connection, descriptor, 50000, &reported), EM_OK);
        em_connection_close_after_writing(told.connection);
        expect_pattern(fixture, peer, 50000);
        while (told.unbinds == 0)
            run_for(fixture, EM_MILLISECONDS);
        assert_int_equal(told.reason, EM_OK);
        assert_int_equal(reported.calls, 1);
        assert_int_equal(reported.sent_bytes, 50000);
        recorder_free(&told);
    }
    close(descriptor);
}

static void little_of_a_file_is_in_memory(void **state)
{
    recorder told;
    report reported = {.calls = 0};
    int descriptor = make_file(LENGTH);
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(send_file(told.connection, descriptor, LENGTH, &reported), EM_OK);
    assert_int_equal(stats_of(*state).outbox_bytes, 0);
    run_for(*state, 10 * EM_MILLISECONDS);
    assert_in_range(stats_of(*state).outbox_bytes, 0, 65536);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection) + simulated_waiting(peer), LENGTH);
    expect_pattern(*state, peer, LENGTH);
    assert_int_equal(reported.calls, 1);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    recorder_free(&told);
    close(descriptor);
}

static void behind_a_filter_little_of_a_file_is_in_memory(void **state)
{
    filtered own;
    report reported = {.calls = 0};
    int descriptor = make_file(LENGTH);
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 2);
    assert_int_equal(send_file(own.told.connection, descriptor, LENGTH, &reported), EM_OK);
    for (uint64_t received = 0; received < LENGTH; received = bytes_length(&own.plain)) {
        assert_in_range(stats_of(*state).outbox_bytes, 0, EMI_FILE_PIECE_BYTES + EMI_GATE_WIRE_BYTES + 4096);
        filtered_take(&own);
        run_for(*state, EM_MILLISECONDS);
    }
    assert_true(pattern_matches(bytes_at(&own.plain), LENGTH, 0));
    assert_int_equal(reported.status, EM_OK);
    assert_int_equal(reported.sent_bytes, LENGTH);
    bytes_take(&own.plain, NULL, SIZE_MAX);
    filtered_free(&own);
    close(descriptor);
}

static void no_filter_starts_while_a_file_waits(void **state)
{
    recorder told;
    report reported = {.calls = 0};
    int descriptor = make_file(LENGTH);
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(send_file(told.connection, descriptor, 1000, &reported), EM_OK);
    assert_int_equal(emi_gate_check(told.connection), EM_INVALID_STATE);
    while (reported.calls == 0)
        run_for(*state, EM_MILLISECONDS);
    assert_int_equal(emi_gate_check(told.connection), EM_OK);
    recorder_free(&told);
    close(descriptor);
}

static void without_memory_a_file_is_refused_and_nothing_has_happened(void **state)
{
    simulated_loop *fixture = *state;
    int descriptor = make_file(LENGTH);
    recorder told;
    report reported = {.calls = 0};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    em_status status = EM_NO_MEMORY;
    unsigned refusals = 0;
    for (unsigned n = 1; status == EM_NO_MEMORY && n < MOST_ALLOCATIONS; n++) {
        failing_allocator_fail(&fixture->allocator, n, EM_ON);
        status = send_file(told.connection, descriptor, 1000, &reported);
        failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
        refusals += status == EM_NO_MEMORY;
        if (status == EM_NO_MEMORY)
            assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    }
    assert_int_equal(status, EM_OK);
    assert_true(refusals >= 3);
    while (reported.calls == 0)
        run_for(fixture, EM_MILLISECONDS);
    assert_int_equal(reported.calls, 1);
    assert_int_equal(reported.status, EM_OK);
    recorder_free(&told);
    close(descriptor);
}

static void without_memory_for_a_piece_the_connection_ends(void **state)
{
    simulated_loop *fixture = *state;
    int descriptor = make_file(LENGTH);
    recorder told;
    report reported = {.calls = 0};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(send_file(told.connection, descriptor, LENGTH, &reported), EM_OK);
    failing_allocator_fail(&fixture->allocator, 1, EM_ON);
    while (told.unbinds == 0)
        run_for(fixture, EM_MILLISECONDS);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_int_equal(told.reason, EM_NO_MEMORY);
    assert_int_equal(reported.calls, 1);
    assert_int_equal(reported.status, EM_NO_MEMORY);
    recorder_free(&told);
    close(descriptor);
}

static int chained_descriptor;

static void send_another(em_connection *connection, void *user, em_status status, uint64_t sent_bytes)
{
    report *own = user;
    note(connection, user, status, sent_bytes);
    em_file_options options = {.size = sizeof options, .done = send_another, .user = own};
    em_status accepted = em_connection_send_file_descriptor(connection, chained_descriptor, 0, 10, &options);
    assert_int_equal(accepted, own->calls < 5 ? EM_OK : EM_CLOSED);
    if (own->calls == 4)
        em_connection_close(connection);
}

static void a_file_sent_by_done_follows(void **state)
{
    recorder told;
    report reported = {.calls = 0};
    chained_descriptor = make_file(LENGTH);
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    em_file_options options = {.size = sizeof options, .done = send_another, .user = &reported};
    assert_int_equal(em_connection_send_file_descriptor(told.connection, chained_descriptor, 0, 0, &options), EM_OK);
    while (told.unbinds == 0)
        run_for(*state, EM_MILLISECONDS);
    assert_int_equal(reported.calls, 5);
    assert_int_equal(reported.status, EM_CLOSED);
    recorder_free(&told);
    close(chained_descriptor);
}

typedef struct release_context {
    em_connection *connection;
    int descriptor;
    uint64_t length;
    report *told;
} release_context;

static void send_file_in_release(void *user, const void *data)
{
    const release_context *own = user;
    (void)data;
    assert_int_equal(send_file(own->connection, own->descriptor, own->length, own->told), EM_OK);
}

/* The borrowed bytes count as sent before the program gets them back, so the file is not taken for a part of them. */
static void a_file_sent_by_what_gives_memory_back_is_reported_when_all_of_it_has_left(void **state)
{
    static char borrowed[5000];
    const simulated_options options = {.window_bytes = 5000};
    simulated_loop *fixture = *state;
    simulated_loop_close(fixture);
    simulated_loop_open(fixture, &options, NULL);
    recorder told;
    report reported = {.calls = 0};
    int descriptor = make_file(LENGTH);
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    release_context own = {told.connection, descriptor, 20000, &reported};
    em_connection_send_borrowed(told.connection, borrowed, sizeof borrowed, send_file_in_release, &own);
    uint64_t taken = 0;
    while (taken < sizeof borrowed + own.length) {
        static char piece[1000];
        assert_true(reported.calls == 0 || taken + simulated_waiting(peer) == sizeof borrowed + own.length);
        taken += simulated_take(peer, piece, sizeof piece);
        run_for(fixture, EM_MILLISECONDS);
    }
    assert_int_equal(reported.calls, 1);
    assert_int_equal(reported.sent_bytes, own.length);
    recorder_free(&told);
    close(descriptor);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(a_file_arrives_whole_whatever_the_backend_does),
        TEST(little_of_a_file_is_in_memory),
        TEST(behind_a_filter_little_of_a_file_is_in_memory),
        TEST(no_filter_starts_while_a_file_waits),
        TEST(without_memory_a_file_is_refused_and_nothing_has_happened),
        TEST(without_memory_for_a_piece_the_connection_ends),
        TEST(a_file_sent_by_done_follows),
        TEST(a_file_sent_by_what_gives_memory_back_is_reported_when_all_of_it_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
