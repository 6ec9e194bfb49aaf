/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which backends there are, best first; docs/backends.md has the figures behind the order.
 */
#include "io/backend.h"

#include <string.h>

#include "base/features.h"
#include "io/readiness.h"

typedef struct candidate {
    const char *name;
    const emi_poller_operations *poller; /* NULL: not on this system */
} candidate;

em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend,
                             const char **reason)
{
    static const candidate candidates[] = {
        {.name = "epoll", .poller = EMI_HAVE_EPOLL ? &emi_poller_epoll : NULL},
        {.name = "poll", .poller = EMI_HAVE_POSIX ? &emi_poller_poll : NULL},
    };
    (void)reason;
    em_status status = EM_UNKNOWN_BACKEND;
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0] && status != EM_OK; i++) {
        const candidate *next = &candidates[i];
        if (next->poller && (!name || strcmp(name, next->name) == 0))
            status = emi_readiness_create(next->poller, settings, backend);
    }
    return status;
}
