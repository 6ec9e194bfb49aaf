/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which backends there are, best first.
 */
#include "io/backend.h"

#include <string.h>

#include "base/features.h"
#include "io/readiness.h"

em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend)
{
    static const emi_poller_operations *const pollers[] = {
        EMI_HAVE_EPOLL ? &emi_poller_epoll : NULL,
        EMI_HAVE_POSIX ? &emi_poller_poll : NULL,
    };
    em_status status = EM_UNKNOWN_BACKEND;
    for (size_t i = 0; i < sizeof pollers / sizeof pollers[0]; i++) {
        if (!pollers[i] || (name && strcmp(name, pollers[i]->name) != 0))
            continue;
        status = emi_readiness_create(pollers[i], settings, backend);
        if (status == EM_OK)
            break;
    }
    return status;
}
