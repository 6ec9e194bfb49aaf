/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * OpenSSL's error queue in words. The queue belongs to the thread, and all code that uses OpenSSL in this thread shares
 * it. So it is cleared before each call, and emptied after each failure.
 */
#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include "base/status_detail.h"
#include "tls/tls_private.h"

bool emi_tls_is_memory_error(unsigned long code)
{
    return code != 0 && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
}

void emi_tls_take_error(char *text, size_t capacity, unsigned long *code)
{
    *code = ERR_get_error();
    const char *reason = ERR_reason_error_string(*code);
    if (ERR_SYSTEM_ERROR(*code))
        snprintf(text, capacity, "%s", strerror(ERR_GET_REASON(*code)));
    else if (*code != 0 && reason)
        snprintf(text, capacity, "%s", reason);
    else if (*code != 0)
        snprintf(text, capacity, "error %lx of OpenSSL", *code);
    else
        snprintf(text, capacity, "no reason given");
    ERR_clear_error();
}

em_status emi_tls_refuse(em_status status, const char *text, const char *subject)
{
    bool has_reason = ERR_peek_error() != 0;
    char reason[160];
    char message[400];
    unsigned long code;
    emi_tls_take_error(reason, sizeof reason, &code);
    if (emi_tls_is_memory_error(code))
        status = EM_NO_MEMORY;
    snprintf(message, sizeof message, "%s%s%.120s%s%s", text, subject ? " " : "", subject ? subject : "",
             has_reason ? ": " : "", has_reason ? reason : "");
    emi_set_status_detail(status, message);
    return status;
}

em_status emi_tls_out_of_memory(void)
{
    return emi_tls_refuse(EM_NO_MEMORY, "out of memory", NULL);
}

#endif
