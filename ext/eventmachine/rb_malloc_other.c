/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Any malloc(3) but glibc's is left as it is.
 */
#include <stdlib.h>

#if !defined __GLIBC__

#include "rb_malloc.h"

void rb_em_keep_freed_memory(void)
{
}

#endif
