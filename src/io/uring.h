/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backend over io_uring(7), a completion kernel: it takes operations and reports their results, so that receiving and
 * sending cost no system call of their own. The same functions stand in builds without it and answer EM_UNKNOWN_BACKEND.
 */
#ifndef EMI_URING_H
#define EMI_URING_H

#include "io/backend.h"

/**
 * A backend named "uring". EM_UNKNOWN_BACKEND where the kernel, or a rule of its administrator, refuses, see
 * emi_uring_refusal; EM_NO_MEMORY and EM_NO_DESCRIPTORS. The thread that first waits stays the only one that may.
 */
em_status emi_uring_create(const emi_backend_settings *settings, emi_backend **backend);

/**
 * Why io_uring cannot be used here; NULL if it can. Found out once per process, by a trial of everything that the backend rests
 * upon. Static text. Any thread.
 */
const char *emi_uring_refusal(void);

#endif
