/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The echo server on our library. */
#include "echo_support.h"

#include <eventmachine.h>

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static const em_handler echo = {.receive_data = receive_data};

int main(int argc, char **argv)
{
    int port = echo_prepare(argc, argv);
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);

    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", port, &echo, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
