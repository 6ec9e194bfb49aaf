/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What happens when an invariant does not hold. Part of the builds with sanitizers only.
 */
#include "base/invariant.h"

#if EMI_CHECK_INVARIANTS

#include <stdio.h>
#include <stdlib.h>

void emi_invariant_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}

#endif
