/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Starting a process. Everything that can fail is done before the program is executed, and undone if it fails.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "process/process_private.h"
#include "system/program.h"
#include "system/system_error.h"

#define SHELL "/bin/sh"

/* Says what a failure is about: a descriptor, the directory, the program or its interpreter. */
static em_status explain(const emi_process_setup *setup, const char *program, em_status status)
{
    char detail[400];
    int error = em_status_get_system_error(status);
    const char *text = error != 0 ? emi_system_error_text(error) : em_status_get_text(status);
    if (setup->failed)
        snprintf(detail, sizeof detail, "%s: %s", setup->failed, text);
    else if (status == EM_LIMIT)
        snprintf(detail, sizeof detail, "cannot start \"%.200s\": the system allows no more processes", program);
    else if (status == EM_NO_SUCH_FILE && emi_program_exists(program, setup->options.directory) == EM_OK)
        snprintf(detail, sizeof detail, "cannot execute \"%.200s\": its interpreter does not exist", program);
    else
        snprintf(detail, sizeof detail, "cannot execute \"%.200s\": %s", program, text);
    emi_set_status_detail(status, detail);
    return status;
}

static em_status check_directory(emi_process_setup *setup)
{
    const char *directory = setup->options.directory;
    em_status status = directory ? emi_directory_check(directory) : EM_OK;
    if (status != EM_OK) {
        snprintf(setup->failed_text, sizeof setup->failed_text, "directory \"%.40s\"", directory);
        setup->failed = setup->failed_text;
    }
    return status;
}

/* The C library does not change the arguments, but its type says so. */
typedef union arguments {
    const char *const *given;
    char *const *expected;
} arguments;

static em_status execute(emi_process_setup *setup, char *const *environment, int *pid)
{
    const em_process_options *options = &setup->options;
    const char *const shell[] = {SHELL, "-c", options->command, NULL};
    arguments words = {.given = options->command ? shell : options->arguments};
    const char *name = options->program ? options->program : words.given[0];
    char program[PATH_MAX];
    emi_spawn_request request = {
        .program = program,
        .arguments = words.expected,
        .environment = environment,
        .directory = options->directory,
        .terminal = setup->terminal[0] != '\0' ? setup->terminal : NULL,
        .descriptors = setup->descriptors,
        .count = setup->count,
        .leaks_descriptors = options->inherit_descriptors == EM_ON,
        .new_group = options->new_group == EM_ON,
        .new_session = options->new_session == EM_ON,
    };
    em_status status = check_directory(setup);
    const char *folders = emi_environment_get(environment, "PATH");
    if (status == EM_OK)
        status = emi_program_find(name, folders, options->directory, program, sizeof program);
    if (status != EM_OK)
        return explain(setup, name, status);
    status = emi_spawn(&request, pid);
    return status == EM_OK ? EM_OK : explain(setup, program, status);
}

static em_status execute_in_environment(em_loop *loop, emi_process_setup *setup, int *pid)
{
    void *allocation;
    char *const *environment = emi_process_environment(&loop->memory, &setup->options, &allocation);
    if (!environment)
        return EM_NO_MEMORY;
    em_status status = execute(setup, environment, pid);
    emi_release(&loop->memory, allocation);
    return status;
}

static em_status start(em_process *process, emi_process_setup *setup)
{
    em_loop *loop = process->object.loop;
    int pid;
    em_status status = emi_process_open_streams(loop, setup);
    if (status != EM_OK && setup->failed)
        explain(setup, "", status);
    if (status == EM_OK)
        status = execute_in_environment(loop, setup, &pid);
    emi_process_close_streams(loop, setup);
    if (status != EM_OK) {
        emi_process_drop_connections(setup);
        return status;
    }
    process->has_terminal = setup->terminal[0] != '\0';
    emi_process_watch_exit(process, pid);
    return EM_OK;
}

static em_status check_handler(const em_process_handler *handler)
{
    return !handler || EMI_IS_HANDLER(handler) ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

em_status em_loop_start_process(em_loop *loop, const em_process_options *given, const em_process_handler *handler,
                                em_process **made)
{
    if (made)
        *made = NULL;
    emi_process_setup setup = {0};
    em_process *process;
    em_status status = emi_loop_check(loop);
    if (status == EM_OK)
        status = check_handler(handler);
    if (status == EM_OK)
        status = emi_process_read_options(&setup, given);
    if (status == EM_OK)
        status = emi_process_create(loop, &setup.options, handler, &process);
    if (status != EM_OK)
        return status;
    status = start(process, &setup);
    if (status != EM_OK) {
        emi_process_free(process);
        return status;
    }
    if (made)
        *made = process;
    emi_process_adopt_connections(process, &setup);
    return EM_OK;
}
