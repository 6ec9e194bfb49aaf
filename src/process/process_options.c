/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading and checking the options of a process. An option that does not apply is refused, never ignored.
 */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/status_detail.h"
#include "process/process_private.h"

enum { DEFAULT_ROWS = 24, DEFAULT_COLUMNS = 80, MOST_ROWS = 65535 };

static em_status refuse(const char *text)
{
    char detail[160];
    snprintf(detail, sizeof detail, "em_process_options: %s", text);
    emi_set_status_detail(EM_INVALID_ARGUMENT, detail);
    return EM_INVALID_ARGUMENT;
}

static bool is_connected(const em_process_stream_options *stream)
{
    return stream->kind == EM_PROCESS_PIPE || stream->kind == EM_PROCESS_SOCKET || stream->kind == EM_PROCESS_TERMINAL;
}

static bool includes_output(const em_process_stream_options *stream)
{
    return stream->kind == EM_PROCESS_SOCKET || stream->kind == EM_PROCESS_TERMINAL;
}

static em_status check_stream(const em_process_stream_options *stream, em_process_stream which)
{
    if (stream->kind < EM_PROCESS_INHERIT || stream->kind > EM_PROCESS_TO_OUTPUT)
        return refuse("the kind of a stream is none");
    if (includes_output(stream) && which != EM_PROCESS_INPUT)
        return refuse("a socket or a terminal must be that of the input");
    if (stream->kind == EM_PROCESS_TO_OUTPUT && which != EM_PROCESS_ERROR)
        return refuse("only the error can be the same as the output");
    if (stream->descriptor != 0 && stream->kind != EM_PROCESS_DESCRIPTOR)
        return refuse("a stream has a descriptor, but not that kind");
    if ((stream->handler || stream->user || stream->stream) && !is_connected(stream))
        return refuse("a stream without a connection has options of one");
    return EM_OK;
}

static em_status read_streams(emi_process_setup *setup)
{
    const em_process_stream_options *given[] = {setup->options.input, setup->options.output, setup->options.error};
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++) {
        em_process_stream_options *own = &setup->streams[i];
        em_status status = emi_read_named_options("em_process_stream_options", own, sizeof *own, given[i]);
        if (status == EM_OK)
            status = check_stream(own, (em_process_stream)i);
        if (status != EM_OK)
            return status;
    }
    if (includes_output(&setup->streams[EM_PROCESS_INPUT]) && setup->options.output)
        return refuse("the input includes the output, which is given, too");
    return EM_OK;
}

static em_status check_program(const em_process_options *options)
{
    if (options->command)
        return options->arguments || options->program ? refuse("both a command and a program") : EM_OK;
    return options->arguments && options->arguments[0] ? EM_OK : refuse("neither arguments nor a command");
}

static bool is_used_before(const em_process_options *options, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (options->descriptors[i].number == options->descriptors[index].number)
            return true;
    return false;
}

static em_status check_descriptors(const em_process_options *options)
{
    if (options->descriptor_count > 0 && !options->descriptors)
        return refuse("descriptors is NULL");
    if (options->descriptor_count > EMI_HIGHEST_DESCRIPTOR)
        return refuse("too many descriptors");
    for (size_t i = 0; i < options->descriptor_count; i++) {
        int number = options->descriptors[i].number;
        if (number < EMI_PROCESS_STREAMS || number > EMI_HIGHEST_DESCRIPTOR)
            return refuse("the number of a descriptor is not 3 to 255");
        if (is_used_before(options, i))
            return refuse("two descriptors have one number");
    }
    return EM_OK;
}

static em_status check_rest(emi_process_setup *setup)
{
    em_process_options *options = &setup->options;
    bool has_terminal = setup->streams[EM_PROCESS_INPUT].kind == EM_PROCESS_TERMINAL;
    if (!emi_is_switch(options->inherit_descriptors) || !emi_is_switch(options->new_group) ||
        !emi_is_switch(options->new_session))
        return refuse("a switch is none of EM_ON and EM_OFF");
    if (options->destroy_signal < 0)
        return refuse("destroy_signal is negative");
    if (!has_terminal)
        return options->terminal_rows || options->terminal_columns ? refuse("a size, but no terminal") : EM_OK;
    if (options->new_session == EM_OFF)
        return refuse("a terminal needs a new session");
    options->new_session = EM_ON;
    if (options->terminal_rows > MOST_ROWS || options->terminal_columns > MOST_ROWS)
        return refuse("the terminal is too large");
    options->terminal_rows = options->terminal_rows ? options->terminal_rows : DEFAULT_ROWS;
    options->terminal_columns = options->terminal_columns ? options->terminal_columns : DEFAULT_COLUMNS;
    return EM_OK;
}

em_status emi_process_read_options(emi_process_setup *setup, const em_process_options *given)
{
    em_process_options *options = &setup->options;
    if (!given)
        return refuse("required");
    em_status status = emi_read_named_options("em_process_options", options, sizeof *options, given);
    if (status == EM_OK)
        status = check_program(options);
    if (status == EM_OK)
        status = read_streams(setup);
    if (status == EM_OK)
        status = check_descriptors(options);
    return status == EM_OK ? check_rest(setup) : status;
}
