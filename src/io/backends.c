/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The list of backends, best first, and creating one of them.
 */
#include "io/backends.h"

#include <stdio.h>
#include <string.h>

#include "base/features.h"
#include "io/readiness.h"

typedef struct candidate {
    const char *name;
    const emi_poller_operations *poller; /* NULL: this system has none */
    bool in_batches;                     /* makes calls in batches, by io_uring */
} candidate;

static const candidate candidates[] = {
    {.name = "uring", .poller = EMI_HAVE_EPOLL ? &emi_poller_epoll : NULL, .in_batches = true},
    {.name = "epoll", .poller = EMI_HAVE_EPOLL ? &emi_poller_epoll : NULL},
    {.name = "poll", .poller = EMI_HAVE_POSIX ? &emi_poller_poll : NULL},
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

void emi_backend_list_names(char *text, size_t capacity)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < CANDIDATES && length < capacity; i++)
        if (candidates[i].poller)
            length +=
                (size_t)snprintf(text + length, capacity - length, "%s%s", length > 0 ? ", " : "", candidates[i].name);
}

static em_status create(const candidate *chosen, const emi_backend_settings *settings, emi_backend **backend)
{
    emi_batcher *batcher = NULL;
    em_status status = chosen->in_batches ? emi_batcher_create(&batcher) : EM_OK;
    if (status == EM_OK)
        status = emi_readiness_create(chosen->name, chosen->poller, batcher, settings, backend);
    if (status != EM_OK)
        emi_batcher_destroy(batcher);
    return status;
}

em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend,
                             const char **reason)
{
    em_status status = EM_UNKNOWN_BACKEND;
    const char *refusal = NULL;
    for (size_t i = 0; i < CANDIDATES && status != EM_OK; i++) {
        const candidate *next = &candidates[i];
        if (!next->poller || (name && strcmp(name, next->name) != 0))
            continue;
        status = create(next, settings, backend);
        if (status != EM_OK && next->in_batches)
            refusal = emi_batcher_refusal();
    }
    if (status == EM_OK)
        (*backend)->reason = refusal;
    if (refusal)
        *reason = refusal;
    return status;
}
