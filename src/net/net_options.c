/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Options that users give, read and checked before anything is made of them.
 */
#include "net/net_private.h"

em_status emi_check_handler(const em_handler *handler)
{
    if (!handler)
        return EM_INVALID_ARGUMENT;
    for (size_t i = 0; i < sizeof handler->reserved / sizeof handler->reserved[0]; i++)
        if (handler->reserved[i])
            return EM_INVALID_ARGUMENT;
    return EM_OK;
}

static bool is_switch(em_switch given)
{
    return given == EM_DEFAULT || given == EM_ON || given == EM_OFF;
}

static bool are_water_marks(size_t low_bytes, size_t high_bytes)
{
    return low_bytes <= (high_bytes > 0 ? high_bytes : EMI_DEFAULT_HIGH_WATER_BYTES);
}

/* A time without the switch would be dropped in silence. */
static bool is_linger(const em_stream_options *options)
{
    return is_switch(options->linger) && options->linger_seconds >= 0 &&
           (options->linger == EM_ON || options->linger_seconds == 0);
}

static bool are_sensible(const em_stream_options *options)
{
    return are_water_marks(options->low_water_bytes, options->high_water_bytes) && is_switch(options->no_delay) &&
           is_switch(options->keepalive) && is_linger(options) && options->send_buffer_bytes >= 0 &&
           options->receive_buffer_bytes >= 0;
}

static em_status read_stream_options(em_stream_options *own, const em_stream_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    return status == EM_OK && !are_sensible(own) ? EM_INVALID_ARGUMENT : status;
}

em_status emi_read_server_options(em_server_options *own, em_stream_options *stream, const em_server_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    if (status == EM_OK)
        status = read_stream_options(stream, own->stream);
    own->stream = stream;
    if (status != EM_OK)
        return status;
    bool sensible = own->backlog >= 0 && is_switch(own->reuse_address) && is_switch(own->reuse_port) &&
                    is_switch(own->v6_only) && is_switch(own->replace_socket_file);
    return sensible ? EM_OK : EM_INVALID_ARGUMENT;
}

em_status emi_read_connect_options(em_connect_options *own, em_stream_options *stream, emi_local_end *local,
                                   const em_connect_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    if (status == EM_OK)
        status = read_stream_options(stream, own->stream);
    if (status == EM_OK && !is_switch(own->reuse_address))
        status = EM_INVALID_ARGUMENT;
    if (status == EM_OK)
        status = emi_local_end_read(local, own->bind_host, own->bind_port);
    own->stream = NULL; /* the caller's */
    if (status == EM_IN_PROGRESS)
        return EM_OK;
    own->bind_host = NULL;
    return status;
}
