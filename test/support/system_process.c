/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
#include "support/system_process.h"

#include "support/system_test.h"

static unsigned count_streams(const em_process *process)
{
    unsigned count = 0;
    for (int stream = EM_PROCESS_INPUT; stream <= EM_PROCESS_ERROR; stream++)
        count += em_process_get_stream(process, (em_process_stream)stream) != NULL;
    return count;
}

static void exited(em_process *process, const em_process_status *status)
{
    system_process *record = em_process_get_user(process);
    record->exited++;
    record->status = *status;
    record->exited_ns = em_loop_get_time_ns(em_process_get_loop(process));
    record->open_streams = count_streams(process);
}

static void unbind(em_process *process, const em_process_status *status)
{
    system_process *record = em_process_get_user(process);
    record->unbind++;
    record->status = *status;
    record->unbind_ns = em_loop_get_time_ns(em_process_get_loop(process));
    record->process = NULL;
    assert_int_equal(count_streams(process), 0);
}

const em_process_handler system_process_recorder = {.exited = exited, .unbind = unbind};

system_process *system_new_process(void)
{
    system_process *record = system_memory(sizeof *record);
    record->input = system_new_record(SYSTEM_NONE);
    record->output = system_new_record(SYSTEM_NONE);
    record->error = system_new_record(SYSTEM_NONE);
    return record;
}

static em_process_stream_options recorded_pipe(system_record *record)
{
    return (em_process_stream_options){.size = sizeof(em_process_stream_options),
                                       .kind = EM_PROCESS_PIPE,
                                       .handler = &system_recorder,
                                       .user = record};
}

system_process *system_start_shell_with(em_loop *loop, const char *command, em_process_options options)
{
    system_process *record = system_new_process();
    em_process_stream_options input = recorded_pipe(record->input);
    em_process_stream_options output = recorded_pipe(record->output);
    em_process_stream_options error = recorded_pipe(record->error);
    bool includes_output = options.input && options.input->kind >= EM_PROCESS_SOCKET;
    options.size = sizeof options;
    options.user = record;
    options.command = command;
    options.input = options.input ? options.input : &input;
    options.output = options.output || includes_output ? options.output : &output;
    options.error = options.error ? options.error : &error;
    em_status status = em_loop_start_process(loop, &options, &system_process_recorder, &record->process);
    if (status != EM_OK)
        fail_msg("%s", em_status_get_detail(status));
    return record;
}

system_process *system_start_shell(em_loop *loop, const char *command)
{
    return system_start_shell_with(loop, command, (em_process_options){0});
}

void system_await_process_unbind(em_loop *loop, const system_process *process)
{
    while (!process->unbind)
        system_turn(loop);
    assert_int_equal(process->unbind, 1);
}

int system_run_shell(em_loop *loop, const char *command)
{
    system_process *process = system_start_shell(loop, command);
    system_await_process_unbind(loop, process);
    assert_int_equal(process->exited, 1);
    assert_int_equal(process->status.end, EM_PROCESS_EXITED);
    return process->status.exit_status;
}
