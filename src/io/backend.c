/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which backends there are, best first; docs/backends.md has the figures behind the order.
 */
#include "io/backend.h"

#include <string.h>

#include "base/features.h"
#include "io/readiness.h"
#include "io/uring.h"

/* One that can be chosen by name: over a poller, or, without one, over io_uring. */
typedef struct candidate {
    const char *name;
    const emi_poller_operations *poller;
    const char *(*refusal)(void); /* why it is not to be had */
} candidate;

static em_status create(const candidate *chosen, const emi_backend_settings *settings, emi_backend **backend)
{
    if (!chosen->poller)
        return emi_uring_create(settings, backend);
    return emi_readiness_create(chosen->poller, settings, backend);
}

em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend,
                             const char **reason)
{
    static const candidate candidates[] = {
        {.name = "uring", .refusal = emi_uring_refusal},
        {.name = "epoll", .poller = EMI_HAVE_EPOLL ? &emi_poller_epoll : NULL},
        {.name = "poll", .poller = EMI_HAVE_POSIX ? &emi_poller_poll : NULL},
    };
    em_status status = EM_UNKNOWN_BACKEND;
    const char *refusal = NULL;
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0] && status != EM_OK; i++) {
        const candidate *next = &candidates[i];
        if ((name && strcmp(name, next->name) != 0) || (!next->poller && !next->refusal))
            continue;
        status = create(next, settings, backend);
        if (status != EM_OK && next->refusal)
            refusal = next->refusal();
    }
    if (status == EM_OK)
        (*backend)->reason = refusal;
    if (refusal)
        *reason = refusal;
    return status;
}
