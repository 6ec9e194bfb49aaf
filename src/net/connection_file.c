/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files: the public functions, which check everything that can be checked before a file is queued.
 */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "net/files_private.h"
#include "net/net_private.h"
#include "system/file.h"
#include "system/system_error.h"

enum { NAME_BYTES = 300 };

/* What is to be sent, as the caller calls it in messages. */
typedef struct request {
    const char *name;
    uint64_t offset;
    uint64_t length;
    em_file_options options;
} request;

static em_status refuse(const request *given, em_status status)
{
    char text[NAME_BYTES + 100];
    int error = em_status_get_system_error(status);
    const char *what = error != 0 ? emi_system_error_text(error) : em_status_get_text(status);
    snprintf(text, sizeof text, "%.*s: %s", NAME_BYTES, given->name, what);
    emi_set_status_detail(status, text);
    return status;
}

static em_status refuse_range(const request *given, uint64_t size)
{
    char text[NAME_BYTES + 100];
    snprintf(text, sizeof text, "%.*s: the range ends beyond the file, which has %llu bytes", NAME_BYTES, given->name,
             (unsigned long long)size);
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

static em_status read_request(request *own, em_connection *connection, uint64_t offset, uint64_t length,
                              const em_file_options *options)
{
    if (!connection)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    own->offset = offset;
    own->length = length;
    em_status status = emi_read_named_options("em_file_options", &own->options, sizeof own->options, options);
    if (status == EM_OK && !(emi_is_switch(own->options.close_descriptor) && emi_is_switch(own->options.copy)))
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    return status == EM_OK ? emi_connection_check_room(connection, 0) : status;
}

/* The range, cut to the file if it is to go to its end. EM_INVALID_ARGUMENT if the file has not all of it. */
static em_status fit_range(request *own, uint64_t size)
{
    if (own->offset > size)
        return refuse_range(own, size);
    if (own->length == EM_TO_END_OF_FILE)
        own->length = size - own->offset;
    return own->length > size - own->offset ? refuse_range(own, size) : EM_OK;
}

/* On success the connection owns the descriptor. */
static em_status append(em_connection *connection, const request *own, int descriptor)
{
    const emi_outgoing_file file = {
        .descriptor = descriptor,
        .offset = own->offset,
        .unread_bytes = own->length,
        .length = own->length,
        .must_be_read = own->options.copy == EM_ON,
        .done = own->options.done,
        .user = own->options.user,
    };
    return emi_files_append(connection, &file);
}

em_status em_connection_send_file(em_connection *connection, const char *path, uint64_t offset_bytes,
                                  uint64_t length_bytes, const em_file_options *options)
{
    int descriptor;
    uint64_t size;
    request own = {.name = path};
    em_status status = read_request(&own, connection, offset_bytes, length_bytes, options);
    if (status != EM_OK)
        return status;
    if (!path || own.options.close_descriptor != EM_DEFAULT)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    status = emi_file_open(path, &descriptor, &size);
    if (status != EM_OK)
        return refuse(&own, status);
    status = fit_range(&own, size);
    if (own.length > EMI_FILE_WINDOW_BYTES)
        emi_file_stop_reading_ahead(descriptor);
    if (status == EM_OK)
        status = append(connection, &own, descriptor);
    if (status != EM_OK)
        emi_file_close(descriptor);
    return status;
}

em_status em_connection_send_file_descriptor(em_connection *connection, int descriptor, uint64_t offset_bytes,
                                             uint64_t length_bytes, const em_file_options *options)
{
    uint64_t size;
    int used = descriptor;
    char name[40];
    snprintf(name, sizeof name, "descriptor %d", descriptor);
    request own = {.name = name};
    em_status status = read_request(&own, connection, offset_bytes, length_bytes, options);
    if (status != EM_OK)
        return status;
    status = emi_file_get_size(descriptor, &size);
    if (status != EM_OK)
        return refuse(&own, status);
    bool is_given = own.options.close_descriptor == EM_ON;
    status = fit_range(&own, size);
    if (status == EM_OK && !is_given)
        status = emi_file_duplicate(descriptor, &used);
    if (status != EM_OK)
        return status;
    status = append(connection, &own, used);
    if (status != EM_OK && !is_given)
        emi_file_close(used);
    return status;
}
