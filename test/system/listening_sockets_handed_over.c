/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Listening sockets that were handed over, and what others do to them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/sockets.h"
#include "support/system_test.h"

static void a_descriptor_is_served_once(void **state)
{
    em_address address;
    em_server *first, *second;
    int listener = listen_on_loopback(&address);
    static const em_handler handler = {.post_init = NULL};
    assert_int_equal(em_loop_attach_server(*state, listener, &handler, NULL, &first), EM_OK);
    assert_int_equal(em_loop_attach_server(*state, listener, &handler, NULL, &second), EM_FILE_EXISTS);
    assert_null(second);
    assert_int_equal(em_server_stop(first), EM_OK);
}

static void without_memory_the_socket_stays_as_it_was(void **state)
{
    static const em_handler handler = {.post_init = NULL};
    failing_allocator *allocator = system_memory(sizeof *allocator);
    failing_allocator_init(allocator);
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator->allocator});
    em_status status = EM_NO_MEMORY;
    em_address address;
    int listener = listen_on_loopback(&address);
    int flags = fcntl(listener, F_GETFL) & ~O_NONBLOCK;
    fcntl(listener, F_SETFL, flags);
    fcntl(listener, F_SETFD, 0);
    for (unsigned long n = 1; status == EM_NO_MEMORY; n++) {
        assert_int_equal(fcntl(listener, F_GETFL), flags);
        assert_int_equal(fcntl(listener, F_GETFD), 0);
        failing_allocator_fail(allocator, n, EM_ON);
        status = em_loop_attach_server(loop, listener, &handler, NULL, NULL);
        failing_allocator_fail(allocator, 0, EM_OFF);
    }
    assert_int_equal(status, EM_OK);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

static void count_error(void *user, em_log_level level, const char *message)
{
    if (level == EM_LOG_ERROR && strstr(message, "does not accept any more"))
        ++*(unsigned *)user;
}

static void a_listening_socket_that_was_shut_down_is_reported_once(void **state)
{
    em_address address;
    unsigned *errors = system_memory(sizeof *errors);
    em_loop *loop = system_create_loop((em_loop_options){.log = count_error, .log_user = errors});
    static const em_handler handler = {.post_init = NULL};
    int listener = listen_on_loopback(&address);
    (void)state;
    assert_int_equal(em_loop_attach_server(loop, listener, &handler, NULL, NULL), EM_OK);
    system_turn(loop);
    assert_int_equal(shutdown(listener, SHUT_RDWR), 0);
    while (*errors == 0)
        system_turn(loop);
    uint64_t turns_before = system_stats(loop).turns;
    system_run_for(loop, 200 * EM_MILLISECONDS);
    assert_int_equal(*errors, 1);
    assert_in_range(system_stats(loop).turns - turns_before, 1, 20);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_descriptor_is_served_once),
        SYSTEM_TEST(without_memory_the_socket_stays_as_it_was),
        SYSTEM_TEST(a_listening_socket_that_was_shut_down_is_reported_once),
    };
    return SYSTEM_RUN(tests);
}
