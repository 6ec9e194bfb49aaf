/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* Child processes in C: one after the other, each with three pipes. */
#include <eventmachine.h>

#include "processes_measure.h"

static unsigned left;

static void start(em_loop *loop);

static void unbind(em_process *process, const em_process_status *status)
{
    em_loop *loop = em_process_get_loop(process);
    if (status->end != EM_PROCESS_EXITED || status->exit_status != 0)
        exit(1);
    if (--left > 0)
        start(loop);
    else
        em_loop_stop(loop);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    (void)connection;
    (void)data;
    (void)length;
}

static const em_process_handler process_handler = {.unbind = unbind};
static const em_handler stream_handler = {.receive_data = receive_data};

static void start(em_loop *loop)
{
    static const char *const arguments[] = {"/bin/echo", "text", NULL};
    static const em_process_stream_options pipe = {
        .size = sizeof pipe, .kind = EM_PROCESS_PIPE, .handler = &stream_handler};
    static const em_process_options options = {
        .size = sizeof options, .arguments = arguments, .input = &pipe, .output = &pipe, .error = &pipe};
    if (em_status_report(em_loop_start_process(loop, &options, &process_handler, NULL)) != 0)
        exit(1);
}

int main(int count, char **arguments)
{
    unsigned children = left = processes_count(count, arguments);
    em_loop *loop;
    if (em_status_report(em_loop_create(NULL, &loop)) != 0)
        return 1;
    processes_begin();
    start(loop);
    em_loop_run(loop);
    processes_end(children);
    em_loop_destroy(loop);
    return 0;
}
