/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backend for kernels that report readiness, over any poller.
 */
#ifndef EMI_READINESS_H
#define EMI_READINESS_H

#include "io/backend.h"
#include "io/poller.h"

/** A backend of the poller's name over the poller. EM_NO_MEMORY, EM_NO_DESCRIPTORS and what else the poller answers. */
em_status emi_readiness_create(const emi_poller_operations *poller, const emi_backend_settings *settings,
                               emi_backend **backend);

/** Likewise, over a poller that exists and whose `create` is not needed; on success the backend destroys it. */
em_status emi_readiness_create_over(const emi_poller_operations *operations, emi_poller *poller,
                                    const emi_backend_settings *settings, emi_backend **backend);

#endif
