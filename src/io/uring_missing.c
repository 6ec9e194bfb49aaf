/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * In place of the io_uring backend where it is not built.
 */
#include "base/features.h"

#if !EMI_HAVE_URING

#include "io/uring.h"

const char *emi_uring_refusal(void)
{
    return "io_uring: built without liburing";
}

em_status emi_uring_create(const emi_backend_settings *settings, emi_backend **backend)
{
    (void)settings;
    (void)backend;
    return EM_UNKNOWN_BACKEND;
}

#endif
