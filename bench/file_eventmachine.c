/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The file server on our library: for each piece that arrives it sends the file named by BENCH_FILE. */
#include "echo_support.h"

#include <eventmachine.h>

static const char *path;

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    if (em_connection_send_file(connection, path, 0, EM_TO_END_OF_FILE, NULL) != EM_OK)
        em_connection_close(connection);
}

static const em_handler server = {.receive_data = receive_data};

int main(int argc, char **argv)
{
    int port = echo_prepare(argc, argv);
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);

    path = getenv("BENCH_FILE");
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", port, &server, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
