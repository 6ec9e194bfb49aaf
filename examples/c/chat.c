/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* A chat. Who reads too slowly is disconnected, so nobody waits. Try it: chat 8082, and elsewhere: nc 127.0.0.1 8082 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct member {
    em_connection *connection; /* NULL: this place is free */
    char name[20];             /* empty until it is given */
    char line[400];            /* what is longer counts as several lines */
    size_t length;
} member;

enum { MEMBERS = 100 };
static member members[MEMBERS], nobody;

static void announce(const member *from, const char *verb, const char *text)
{
    char message[sizeof from->name + sizeof from->line + 16];
    snprintf(message, sizeof message, "%s%s%s\n", from->name, verb, text);
    for (member *each = members; each < members + MEMBERS; each++)
        if (from->name[0] && each->name[0] && each != from)
            em_connection_send_text(each->connection, message);
}

static void receive_line(member *mine)
{
    mine->line[mine->length] = '\0';
    mine->length = 0;
    if (mine->name[0])
        announce(mine, ": ", mine->line);
    else if (snprintf(mine->name, sizeof mine->name, "%.19s", mine->line) > 0)
        announce(mine, " has come", "");
}

static void post_init(em_connection *connection)
{
    for (member *mine = members; mine < members + MEMBERS; mine++)
        if (!mine->connection) {
            mine->connection = connection;
            em_connection_set_user(connection, mine);
            em_connection_send_text(connection, "Your name?\n");
            return;
        }
    em_connection_close(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    member *mine = em_connection_get_user(connection);
    for (const char *byte = data, *end = byte + length; byte < end; byte++) {
        if (*byte == '\n' || mine->length == sizeof mine->line - 1)
            receive_line(mine);
        if (*byte != '\n')
            mine->line[mine->length++] = *byte;
    }
}

static void unbind(em_connection *connection, em_status reason)
{
    member *mine = em_connection_get_user(connection);
    announce(mine, reason == EM_OUTBOX_LIMIT ? " was too slow" : " has left", "");
    *mine = nobody;
}

static const em_handler chat = {.post_init = post_init, .receive_data = receive_data, .unbind = unbind};

int main(int count, char **arguments)
{
    em_stream_options stream = {.size = sizeof stream, .outbox_limit_bytes = 1 << 20};
    em_server_options options = {.size = sizeof options, .user = &nobody, .stream = &stream};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", count > 1 ? atoi(arguments[1]) : 8082, &chat, &options, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
