/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * fork(2) within the receive_data that a detach calls: only the parent gets the socket.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* Clients whose first receive_data gives the sockets of all others back, and whose second forks. */
typedef struct giving_back {
    em_connection *all[8];
    unsigned count;
    unsigned calls;
    pid_t child;
} giving_back;

static void take_place(em_connection *connection)
{
    giving_back *group = em_connection_get_user(connection);
    group->all[group->count++] = connection;
}

static void detach_another(giving_back *group, em_connection *other)
{
    int descriptor;
    em_status status = em_connection_detach(other, &descriptor);
    if (group->child == 0)
        _exit(status == EM_FORKED && descriptor == -1 ? 0 : 1);
    assert_int_equal(status, EM_OK);
    close(descriptor);
}

static void detach_or_fork(em_connection *connection, const void *data, size_t length)
{
    giving_back *group = em_connection_get_user(connection);
    (void)data;
    (void)length;
    if (group->calls++ == 1)
        group->child = fork();
    for (unsigned i = 0; i < group->count && group->calls == 1; i++)
        if (group->all[i] != connection)
            detach_another(group, group->all[i]);
}

static void a_child_made_in_the_receive_data_of_a_detach_does_not_get_the_socket(void **state)
{
    static const em_handler handler = {.post_init = take_place, .receive_data = detach_or_fork};
    enum { CLIENTS = 8 };
    int clients[CLIENTS];
    giving_back *group = system_memory(sizeof *group);
    group->child = -1;
    int port = system_serve(*state, &handler, group);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (group->count < CLIENTS)
        system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "x", 1);
    while (group->calls == 0)
        system_turn(*state);
    if (group->child > 0) /* else this backend has no batches */
        assert_int_equal(system_wait(group->child), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_child_made_in_the_receive_data_of_a_detach_does_not_get_the_socket),
    };
    return SYSTEM_RUN(tests);
}
