/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of a socket in the kernel.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/sockets.h"
#include "support/unit.h"
#include "system/socket.h"
#include "system/socket_state.h"

static void input_and_room_are_seen(void **state)
{
    (void)state;
    int pair[2];
    tcp_pair(pair);
    assert_int_equal(emi_socket_look(pair[0]), EMI_SOCKET_TAKES_MORE);
    assert_int_equal(write(pair[1], "x", 1), 1);
    wait_until_readable(pair[0], -1);
    assert_int_equal(emi_socket_look(pair[0]), EMI_SOCKET_TAKES_MORE | EMI_SOCKET_HAS_INPUT);
    close(pair[0]);
    close(pair[1]);
}

static void an_end_and_a_reset_are_input(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        int pair[2];
        tcp_pair(pair);
        if (i == 0)
            shutdown(pair[1], SHUT_WR);
        else
            assert_int_equal(emi_socket_set_linger(pair[1], 0), EM_OK);
        if (i == 1)
            close(pair[1]);
        wait_until_readable(pair[0], -1);
        assert_true(emi_socket_look(pair[0]) & EMI_SOCKET_HAS_INPUT);
        close(pair[0]);
        if (i == 0)
            close(pair[1]);
    }
}

static void a_full_socket_takes_no_more_and_says_how_much_is_left(void **state)
{
    (void)state;
    static char bytes[65536];
    int pair[2];
    size_t sent = 0;
    size_t length;
    tcp_pair(pair);
    emi_span span = {.data = bytes, .length = sizeof bytes};
    assert_int_equal(emi_socket_unacknowledged(pair[0]), 0);
    /* The peer goes on acknowledging until its buffer is full, too. */
    while (emi_socket_unacknowledged(pair[0]) < 100000 || (emi_socket_look(pair[0]) & EMI_SOCKET_TAKES_MORE))
        if (emi_socket_send(pair[0], &span, 1, &length) == EM_OK)
            sent += length;
    assert_int_equal(emi_socket_look(pair[0]), 0);
    assert_in_range(emi_socket_unacknowledged(pair[0]), 1, sent);
    close(pair[0]);
    close(pair[1]);
}

static void a_socket_that_is_not_connected_has_decided_nothing(void **state)
{
    (void)state;
    em_address address;
    int fd;
    assert_int_equal(em_address_from_text("127.0.0.1", 1, &address), EM_OK);
    assert_int_equal(emi_socket_open(&address, &fd), EM_OK);
    assert_false(emi_socket_look(fd) & EMI_SOCKET_TAKES_MORE);
    close(fd);
    assert_int_equal(emi_socket_look(EMI_NO_SOCKET), 0);
    assert_int_equal(emi_socket_unacknowledged(EMI_NO_SOCKET), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_and_room_are_seen),
        cmocka_unit_test(an_end_and_a_reset_are_input),
        cmocka_unit_test(a_full_socket_takes_no_more_and_says_how_much_is_left),
        cmocka_unit_test(a_socket_that_is_not_connected_has_decided_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
