/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending several spans over real sockets: small ones, large ones that go to the system at once, and more than it
 * takes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/filtered_connections.h"
#include "support/bytes.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* Sends a pattern, cut into spans of equal length, and expects that it arrives. */
static void expect_transfer(em_loop *loop, size_t bytes, size_t span_bytes)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(loop, &system_recorder, served);
    unsigned char *pattern = malloc(bytes);
    unsigned char *received = malloc(bytes);
    size_t count = (bytes + span_bytes - 1) / span_bytes;
    em_span *spans = calloc(count, sizeof *spans);
    assert_true(pattern && received && spans);
    pattern_fill(pattern, bytes, 0);
    for (size_t i = 0; i < count; i++)
        spans[i] = (em_span){pattern + i * span_bytes, i + 1 < count ? span_bytes : bytes - i * span_bytes};
    assert_true(em_connection_send_spans(served->connection, spans, count) >= EM_OK);
    memset(pattern, 0, bytes); /* was copied */
    assert_int_equal(system_read(loop, client, received, bytes), bytes);
    assert_true(pattern_matches(received, bytes, 0));
    free(pattern);
    free(received);
    free(spans);
    close(client);
}

static void small_spans_arrive(void **state)
{
    expect_transfer(*state, 100, 7);
}

static void more_spans_than_the_system_takes_in_one_call_arrive(void **state)
{
    expect_transfer(*state, 100000, 9);
}

static void more_than_the_system_takes_at_once_arrives(void **state)
{
    expect_transfer(*state, (size_t)20 * 1024 * 1024, (size_t)3 * 1024 * 1024 + 1);
}

static void large_spans_leave_within_the_call_if_nothing_waits(void **state)
{
    if (connections_are_filtered())
        system_skip("a filter sends nothing within the call");
    static const char page[4096];
    static const em_span spans[] = {{page, 100}, {page, sizeof page}};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_send_spans(served->connection, spans, 2), EM_OK);
    assert_int_equal(em_connection_get_outbound_bytes(served->connection), 0);
    uint64_t sent;
    em_connection_get_byte_counts(served->connection, NULL, &sent);
    assert_int_equal(sent, 100 + sizeof page);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(small_spans_arrive),
        SYSTEM_TEST(more_spans_than_the_system_takes_in_one_call_arrive),
        SYSTEM_TEST(more_than_the_system_takes_at_once_arrives),
        SYSTEM_TEST(large_spans_leave_within_the_call_if_nothing_waits),
    };
    return SYSTEM_RUN(tests);
}
