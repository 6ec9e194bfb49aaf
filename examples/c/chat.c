/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A chat: whatever one says all others hear. Whoever reads too slowly is left out, by the water mark, until he has
 * caught up. Try it: chat 8082, and in several other terminals: nc localhost 8082
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct member {
    em_connection *connection;
    struct member *next;
    int is_slow;
} member;

static member *members;

static void post_init(em_connection *connection)
{
    member *new_member = calloc(1, sizeof *new_member);
    if (!new_member) {
        em_connection_close(connection);
        return;
    }
    *new_member = (member){.connection = connection, .next = members};
    members = new_member;
    em_connection_set_water_marks(connection, 4000, 64000);
    em_connection_send_text(connection, "welcome\n");
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    for (member *each = members; each; each = each->next)
        if (each->connection != connection && !each->is_slow)
            each->is_slow = em_connection_send(each->connection, data, length) == EM_UNDER_PRESSURE;
}

static void drained(em_connection *connection)
{
    for (member *each = members; each; each = each->next)
        each->is_slow = each->is_slow && each->connection != connection;
    em_connection_send_text(connection, "(you have missed something)\n");
}

static void unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    for (member **each = &members; *each; each = &(*each)->next)
        if ((*each)->connection == connection) {
            member *gone = *each;
            *each = gone->next;
            free(gone);
            break;
        }
}

static const em_handler chat = {
    .post_init = post_init, .receive_data = receive_data, .drained = drained, .unbind = unbind};

int main(int count, char **arguments)
{
    em_loop *loop;
    em_server *server;
    em_address address;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", count > 1 ? atoi(arguments[1]) : 8082, &chat, NULL, &server);
    if (status == EM_OK)
        status = em_server_get_local_address(server, &address);
    if (status == EM_OK) {
        printf("listening on 127.0.0.1:%d\n", em_address_get_port(&address));
        fflush(stdout);
        status = em_loop_run(loop);
    }
    em_loop_destroy(loop);
    return em_status_report(status);
}
