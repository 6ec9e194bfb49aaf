/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server of EventMachine's README, in C. Try it: nc 127.0.0.1 8081
 */
#include <eventmachine.h>
#include <string.h>

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    em_connection_send_text(connection, ">>>you sent: ");
    em_connection_send(connection, data, length);
    if (length >= 4 && memcmp(data, "quit", 4) == 0)
        em_connection_close_after_writing(connection);
}

static const em_handler echo = {.receive_data = receive_data};

int main(void)
{
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", 8081, &echo, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
