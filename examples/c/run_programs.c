/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Runs several shell commands at once. Prints what each of them prints, with the command before it, and how each has
 * ended.
 * Try it: run_programs 'echo one; sleep 1; echo two' 'ls /nowhere'
 */
#include <eventmachine.h>
#include <stdio.h>

static int running;

/* The user pointer of processes and streams is the argument. */
static void receive_data(em_connection *connection, const void *data, size_t length)
{
    printf("[%s] %.*s", (const char *)em_connection_get_user(connection), (int)length, (const char *)data);
    if (((const char *)data)[length - 1] != '\n')
        printf("\n");
}

static void unbind(em_process *process, const em_process_status *status)
{
    const char *command = em_process_get_user(process);
    if (status->end == EM_PROCESS_SIGNALED)
        printf("[%s] was ended by signal %d\n", command, status->signal);
    else
        printf("[%s] has exited with %d\n", command, status->exit_status);
    if (--running == 0)
        em_loop_stop(em_process_get_loop(process));
}

static const em_handler output_handler = {.receive_data = receive_data};
static const em_process_handler process_handler = {.unbind = unbind};

static em_status run_command(em_loop *loop, char *command)
{
    em_process_stream_options input = {.size = sizeof input, .kind = EM_PROCESS_NULL};
    em_process_stream_options output = {
        .size = sizeof output, .kind = EM_PROCESS_PIPE, .handler = &output_handler, .user = command};
    em_process_stream_options error = {.size = sizeof error, .kind = EM_PROCESS_TO_OUTPUT};
    em_process_options options = {.size = sizeof options,
                                  .user = command,
                                  .command = command,
                                  .input = &input,
                                  .output = &output,
                                  .error = &error,
                                  .destroy_signal = 15};
    em_status status = em_loop_start_process(loop, &options, &process_handler, NULL);
    running += status == EM_OK;
    return status;
}

int main(int count, char **arguments)
{
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    for (int i = 1; i < count && status == EM_OK; i++)
        status = run_command(loop, arguments[i]);
    if (status == EM_OK && running > 0)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
