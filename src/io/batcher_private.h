/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What batcher_uring.c and its trial share.
 */
#ifndef EMI_BATCHER_PRIVATE_H
#define EMI_BATCHER_PRIVATE_H

#include "io/batcher.h"

/** emi_batcher_create without the trial. On failure returns the status of io_uring_setup(2). */
em_status emi_batcher_try(emi_batcher **batcher);

#endif
