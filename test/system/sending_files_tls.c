/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files over TLS, in both directions at once.
 */
#include "base/features.h"
#include "support/system_file.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <unistd.h>

enum { MIB = 1024 * 1024, LENGTH = 5 * MIB + 3 };

static void files_cross_tls_in_both_directions_at_once(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_file *file = system_new_file(LENGTH);
    system_tls_end *ends[] = {&pair->client, &pair->server};
    system_sent *sent[2];
    pair->server.echoes = false;
    system_tls_begin(pair, &system_tls_handler);
    for (unsigned i = 0; i < 2; i++) { /* the client's before the handshake */
        while (!ends[i]->connection || (i == 1 && !ends[i]->ready))
            system_turn(*state);
        sent[i] = system_new_sent();
        assert_int_equal(system_send_whole(ends[i]->connection, file, sent[i]), EM_OK);
        em_connection_send_text(ends[i]->connection, "after");
    }
    for (unsigned i = 0; i < 2; i++)
        system_tls_await_bytes(pair, ends[i], LENGTH + 5);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(pattern_matches(bytes_at(&ends[i]->received), LENGTH, 0));
        assert_memory_equal(bytes_at(&ends[i]->received) + LENGTH, "after", 5);
        while (sent[i]->done == 0)
            system_turn(*state);
        assert_int_equal(sent[i]->status, EM_OK);
        assert_int_equal(sent[i]->bytes, LENGTH);
    }
    system_file_close(file);
    system_tls_finish(pair);
}

/* The peer cannot take what it has got for the whole: no end of TLS follows. */
static void a_file_that_becomes_shorter_does_not_end_tls_in_order(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_ready(pair);
    assert_int_equal(system_send_whole(pair->server.connection, file, sent), EM_OK);
    em_connection_close_after_writing(pair->server.connection);
    assert_int_equal(ftruncate(file->descriptor, MIB), 0);
    system_tls_await_ends(pair);
    assert_int_equal(pair->server.reason, EM_FILE_TRUNCATED);
    assert_true(pair->client.reason == EM_CONNECTION_RESET || pair->client.reason == EM_TLS_TRUNCATED);
    assert_int_equal(sent->done, 1);
    assert_int_equal(sent->status, EM_FILE_TRUNCATED);
    system_file_close(file);
    system_tls_free(pair);
}

static void tls_does_not_start_before_a_file_that_waits(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_file *file = system_new_file(10);
    int port = system_tls_serve(pair);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = system_dial(*state, port, &system_recorder, record);
    assert_int_equal(system_send_whole(connection, file, system_new_sent()), EM_OK);
    assert_int_equal(em_connection_start_tls(connection, &pair->client.tls), EM_INVALID_STATE);
    em_connection_close(connection);
    system_await_unbind(*state, record);
    system_file_close(file);
    system_tls_free(pair);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(files_cross_tls_in_both_directions_at_once),
        SYSTEM_TEST(a_file_that_becomes_shorter_does_not_end_tls_in_order),
        SYSTEM_TEST(tls_does_not_start_before_a_file_that_waits),
    };
    return SYSTEM_RUN(tests);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
