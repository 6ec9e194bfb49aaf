/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several messages at once, by one system call or by one each: both do the same.
 */
#include "support/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "system/messages.h"

enum { MANY = 4, BYTES = 16 };

typedef int (*transfer)(int socket, emi_message *messages, unsigned count);

/* Messages, and memory for them. */
typedef struct batch {
    emi_message messages[MANY];
    struct iovec pieces[MANY];
    char bytes[MANY][BYTES];
} batch;

static void prepare(batch *made)
{
    memset(made, 0, sizeof *made);
    for (unsigned i = 0; i < MANY; i++) {
        made->pieces[i] = (struct iovec){.iov_base = made->bytes[i], .iov_len = BYTES};
        made->messages[i].header.msg_iov = &made->pieces[i];
        made->messages[i].header.msg_iovlen = 1;
    }
}

static void fill(batch *made)
{
    prepare(made);
    for (unsigned i = 0; i < MANY; i++) {
        made->pieces[i].iov_len = i;
        memset(made->bytes[i], 'a' + (int)i, i);
    }
}

static void check_transfer(transfer send, transfer receive)
{
    int ends[2];
    batch sent, received;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    prepare(&received);
    assert_int_equal(receive(ends[1], received.messages, MANY), -1);
    assert_int_equal(errno, EAGAIN); /* although the sockets block */
    fill(&sent);
    assert_int_equal(send(ends[0], sent.messages, MANY), MANY);
    assert_int_equal(send(ends[0], sent.messages, 1), 1); /* an empty one */
    assert_int_equal(receive(ends[1], received.messages, MANY), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(received.messages[i].length, i);
        assert_memory_equal(received.bytes[i], sent.bytes[i], i);
    }
    assert_int_equal(receive(ends[1], received.messages, MANY), 1); /* fewer than asked for */
    assert_int_equal(received.messages[0].length, 0);
    close(ends[1]);
    assert_int_equal(send(ends[0], sent.messages, MANY), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(ends[0]);
}

static void messages_are_transferred_together(void **state)
{
    (void)state;
    check_transfer(emi_messages_send, emi_messages_receive);
}

static void messages_are_transferred_singly(void **state)
{
    (void)state;
    check_transfer(emi_messages_send_singly, emi_messages_receive_singly);
}

/* The queue of the peer takes only some of them. */
static void check_full_queue(transfer send)
{
    int ends[2];
    batch sent;
    int taken = MANY;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    fill(&sent);
    while (taken == MANY)
        taken = send(ends[0], sent.messages, MANY);
    if (taken > 0)
        taken = send(ends[0], sent.messages, MANY);
    assert_int_equal(taken, -1);
    assert_int_equal(errno, EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_queue_takes_some_and_then_none(void **state)
{
    (void)state;
    check_full_queue(emi_messages_send);
    check_full_queue(emi_messages_send_singly);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_transferred_together),
        cmocka_unit_test(messages_are_transferred_singly),
        cmocka_unit_test(a_full_queue_takes_some_and_then_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
