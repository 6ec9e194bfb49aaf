/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading option structs.
 */
#include "base/options.h"

#include <stdio.h>
#include <string.h>

#include "base/status_detail.h"

static em_status refuse(const char *name, const char *text)
{
    char detail[160];
    snprintf(detail, sizeof detail, "%s: %s", name, text);
    emi_set_status_detail(EM_INVALID_ARGUMENT, detail);
    return EM_INVALID_ARGUMENT;
}

em_status emi_read_named_options(const char *name, void *own, size_t own_bytes, const void *given)
{
    memset(own, 0, own_bytes);
    if (given) {
        size_t given_bytes;
        memcpy(&given_bytes, given, sizeof given_bytes);
        if (given_bytes == 0)
            return refuse(name, "size is not set");
        if (!emi_is_struct_size(given_bytes))
            return refuse(name, "size is not the size of the struct");
        for (size_t i = own_bytes; i < given_bytes; i++)
            if (((const unsigned char *)given)[i] != 0)
                return refuse(name, "fields are set that this library does not know");
        memcpy(own, given, given_bytes < own_bytes ? given_bytes : own_bytes);
    }
    memcpy(own, &own_bytes, sizeof own_bytes);
    return EM_OK;
}
