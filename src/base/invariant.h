/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Assertions of what the library relies on within itself. They are active in the builds with sanitizers only, where one
 * that does not hold ends the program. Elsewhere they are compiled, but leave no code. What comes from the user or from
 * the network is never asserted: it gets an em_status.
 */
#ifndef EMI_INVARIANT_H
#define EMI_INVARIANT_H

#include "base/features.h"

/** Prints what does not hold, and where, to standard error and ends the program with SIGABRT. */
_Noreturn void emi_invariant_broken(const char *condition, const char *file, int line);

/** The condition must have no side effects. */
#define EMI_INVARIANT(condition)                                                                                       \
    (!EMI_CHECK_INVARIANTS || (condition) ? (void)0 : emi_invariant_broken(#condition, __FILE__, __LINE__))

#endif
