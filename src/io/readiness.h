/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backend for kernels that report readiness, over any poller, with or without batches of calls.
 */
#ifndef EMI_READINESS_H
#define EMI_READINESS_H

#include "io/backend.h"
#include "io/batcher.h"
#include "io/poller.h"

/**
 * Creates a backend of this name that waits by the poller. batcher: NULL for plain calls; on success it belongs to the
 * backend. EM_NO_MEMORY, EM_NO_DESCRIPTORS, and any other status of the poller's create.
 */
em_status emi_readiness_create(const char *name, const emi_poller_operations *poller, emi_batcher *batcher,
                               const emi_backend_settings *settings, emi_backend **backend);

#endif
