/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading option structs.
 */
#include "base/options.h"

#include <string.h>

#include "base/status_detail.h"

em_status emi_read_options(void *own, size_t own_bytes, const void *given)
{
    memset(own, 0, own_bytes);
    if (given) {
        size_t given_bytes;
        memcpy(&given_bytes, given, sizeof given_bytes);
        if (!emi_is_struct_size(given_bytes))
            return emi_status_without_detail(EM_INVALID_ARGUMENT);
        for (size_t i = own_bytes; i < given_bytes; i++)
            if (((const unsigned char *)given)[i] != 0)
                return emi_status_without_detail(EM_INVALID_ARGUMENT);
        memcpy(own, given, given_bytes < own_bytes ? given_bytes : own_bytes);
    }
    memcpy(own, &own_bytes, sizeof own_bytes);
    return EM_OK;
}
