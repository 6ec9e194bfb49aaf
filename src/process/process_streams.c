/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The standard streams of a process: opening them, and the connections at their other ends, which are made by the same
 * em_loop_attach as any others.
 */
#include <stdio.h>

#include <eventmachine/attach.h>

#include "process/process_private.h"
#include "system/child_streams.h"
#include "system/clock.h"
#include "system/socket.h"

static const em_handler no_handler = {0};

static em_status about(emi_process_setup *setup, em_status status, int descriptor)
{
    if (status != EM_OK) {
        snprintf(setup->failed_text, sizeof setup->failed_text, "descriptor %d", descriptor);
        setup->failed = setup->failed_text;
    }
    return status;
}

/* A descriptor with a number that the process's descriptors get would be overwritten before it is copied. */
static em_status give(emi_process_setup *setup, int from, int to, bool is_ours)
{
    em_status status = EM_OK;
    if (from < setup->least) {
        int copy;
        status = about(setup, emi_descriptor_copy_above(from, setup->least, &copy), from);
        if (is_ours)
            emi_socket_close(from);
        from = copy;
        is_ours = true;
    } else if (!is_ours) {
        status = about(setup, emi_descriptor_check(from), from);
    }
    if (status != EM_OK)
        return status;
    setup->descriptors[setup->count] = (emi_spawn_descriptor){.from = from, .to = to};
    setup->is_ours[setup->count++] = is_ours;
    return EM_OK;
}

/* On failure the descriptor stays the caller's. */
static em_status connect(em_loop *loop, emi_process_setup *setup, em_process_stream which, int descriptor)
{
    const em_process_stream_options *stream = &setup->streams[which];
    em_attach_options options = {.size = sizeof options, .user = stream->user, .stream = stream->stream};
    em_connection **connection = &setup->connections[which];
    em_status status = em_loop_attach(loop, descriptor, &no_handler, &options, connection);
    if (status == EM_OK && stream->handler)
        status = em_connection_set_handler(*connection, stream->handler);
    return status;
}

/* One end becomes a connection, the other is given to the process. */
static em_status open_ends(em_loop *loop, emi_process_setup *setup, em_process_stream which, int ours, int theirs)
{
    em_status status = connect(loop, setup, which, ours);
    if (status != EM_OK) {
        if (!setup->connections[which])
            emi_socket_close(ours);
        emi_socket_close(theirs);
        return status;
    }
    return give(setup, theirs, (int)which, true);
}

static em_status open_pipe(em_loop *loop, emi_process_setup *setup, em_process_stream which)
{
    int ends[2];
    em_status status = emi_child_pipe(ends);
    if (status != EM_OK)
        return status;
    bool is_input = which == EM_PROCESS_INPUT;
    return open_ends(loop, setup, which, ends[is_input ? 1 : 0], ends[is_input ? 0 : 1]);
}

static em_status open_socket(em_loop *loop, emi_process_setup *setup)
{
    int ends[2];
    em_status status = emi_child_sockets(ends);
    if (status == EM_OK)
        status = open_ends(loop, setup, EM_PROCESS_INPUT, ends[0], ends[1]);
    return status == EM_OK ? give(setup, setup->descriptors[setup->count - 1].from, EM_PROCESS_OUTPUT, false) : status;
}

/* The process opens its side itself: so the terminal becomes that of its session. */
static em_status open_terminal(em_loop *loop, emi_process_setup *setup)
{
    int master;
    em_status status = emi_child_terminal(&master, setup->terminal, sizeof setup->terminal);
    if (status != EM_OK)
        return status;
    status = emi_terminal_set_size(master, setup->options.terminal_rows, setup->options.terminal_columns);
    if (status == EM_OK)
        status = connect(loop, setup, EM_PROCESS_INPUT, master);
    if (status != EM_OK && !setup->connections[EM_PROCESS_INPUT])
        emi_socket_close(master);
    return status;
}

static em_status open_null(emi_process_setup *setup, em_process_stream which)
{
    int descriptor;
    em_status status = emi_child_null(&descriptor);
    if (status != EM_OK) {
        setup->failed = "/dev/null";
        return status;
    }
    return give(setup, descriptor, (int)which, true);
}

/* The error as the output: what was given for that, or the one that is inherited. */
static em_status share_output(emi_process_setup *setup)
{
    if (setup->terminal[0] != '\0')
        return EM_OK;
    for (size_t i = 0; i < setup->count; i++)
        if (setup->descriptors[i].to == EM_PROCESS_OUTPUT)
            return give(setup, setup->descriptors[i].from, EM_PROCESS_ERROR, false);
    return give(setup, EM_PROCESS_OUTPUT, EM_PROCESS_ERROR, false);
}

static em_status open_stream(em_loop *loop, emi_process_setup *setup, em_process_stream which)
{
    switch (setup->streams[which].kind) {
    case EM_PROCESS_INHERIT:
        return EM_OK;
    case EM_PROCESS_PIPE:
        return open_pipe(loop, setup, which);
    case EM_PROCESS_NULL:
        return open_null(setup, which);
    case EM_PROCESS_DESCRIPTOR:
        return give(setup, setup->streams[which].descriptor, (int)which, false);
    case EM_PROCESS_SOCKET:
        return open_socket(loop, setup);
    case EM_PROCESS_TERMINAL:
        return open_terminal(loop, setup);
    case EM_PROCESS_TO_OUTPUT:
        return share_output(setup);
    }
    return EM_INVALID_ARGUMENT;
}

static em_status allocate(em_loop *loop, emi_process_setup *setup)
{
    size_t most = EMI_PROCESS_STREAMS + setup->options.descriptor_count;
    setup->descriptors = emi_allocate(&loop->memory, most * (sizeof *setup->descriptors + sizeof *setup->is_ours));
    if (!setup->descriptors)
        return EM_NO_MEMORY;
    setup->is_ours = (bool *)(setup->descriptors + most);
    return EM_OK;
}

em_status emi_process_open_streams(em_loop *loop, emi_process_setup *setup)
{
    const em_process_options *options = &setup->options;
    setup->least = EMI_PROCESS_STREAMS;
    for (size_t i = 0; i < options->descriptor_count; i++)
        if (options->descriptors[i].number >= setup->least)
            setup->least = options->descriptors[i].number + 1;
    em_status status = allocate(loop, setup);
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS && status == EM_OK; i++)
        status = open_stream(loop, setup, (em_process_stream)i);
    for (size_t i = 0; i < options->descriptor_count && status == EM_OK; i++)
        status = give(setup, options->descriptors[i].descriptor, options->descriptors[i].number, false);
    return status;
}

void emi_process_close_streams(em_loop *loop, emi_process_setup *setup)
{
    for (size_t i = 0; i < setup->count; i++)
        if (setup->is_ours[i])
            emi_socket_close(setup->descriptors[i].from);
    emi_release(&loop->memory, setup->descriptors);
}

/* Its descriptor is closed now and not at the end of the turn: a callback may try many programs. */
static void drop_connection(em_connection *connection)
{
    int descriptor;
    em_connection_set_handler(connection, &no_handler);
    if (em_connection_detach(connection, &descriptor) == EM_OK)
        emi_socket_close(descriptor);
    else
        em_connection_close(connection);
}

void emi_process_drop_connections(emi_process_setup *setup)
{
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++)
        if (setup->connections[i])
            drop_connection(setup->connections[i]);
}

void emi_process_adopt_connections(em_process *process, emi_process_setup *setup)
{
    em_loop *loop = process->object.loop;
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++) {
        if (!setup->connections[i])
            continue;
        process->streams[i] = em_connection_get_signature(setup->connections[i]);
        process->open_streams++;
        emi_object_set_parent(emi_loop_find_object(loop, EMI_CONNECTION, process->streams[i]), &process->object);
    }
    em_process_stream_kind input = setup->streams[EM_PROCESS_INPUT].kind;
    if (input == EM_PROCESS_SOCKET || input == EM_PROCESS_TERMINAL)
        process->streams[EM_PROCESS_OUTPUT] = process->streams[EM_PROCESS_INPUT];
    emi_loop_begin_callback(loop);
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++) {
        const em_handler *handler = setup->streams[i].handler;
        if (setup->connections[i] && handler && handler->post_init)
            handler->post_init(setup->connections[i]);
    }
    emi_loop_end_callback(loop);
}

/* Once the process has ended */

/* The time begins now, however long the stream has been silent before. */
static void begin_silence(em_connection *connection)
{
    em_signature signature = em_connection_get_signature(connection);
    emi_loop_find_object(em_connection_get_loop(connection), EMI_CONNECTION, signature)->active_ns = emi_clock_now_ns();
}

static void limit_silence(em_connection *connection, uint64_t timeout_ns)
{
    uint64_t own_ns = em_connection_get_inactivity_timeout_ns(connection);
    if (timeout_ns == 0 || (own_ns > 0 && own_ns <= timeout_ns))
        return;
    begin_silence(connection);
    if (em_connection_set_inactivity_timeout_ns(connection, timeout_ns) == EM_NO_MEMORY)
        em_connection_close(connection);
}

void emi_process_end_streams(em_process *process)
{
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++) {
        em_connection *connection = em_process_get_stream(process, (em_process_stream)i);
        if (connection)
            limit_silence(connection, process->silence_timeout_ns);
    }
    emi_process_end_input(process);
}

void emi_process_end_input(em_process *process)
{
    em_connection *connection = em_process_get_stream(process, EM_PROCESS_INPUT);
    if (connection && !process->has_terminal)
        em_connection_close_write(connection);
}

void emi_process_drop_streams(em_process *process)
{
    for (unsigned i = 0; i < EMI_PROCESS_STREAMS; i++)
        em_connection_close(em_process_get_stream(process, (em_process_stream)i));
}
