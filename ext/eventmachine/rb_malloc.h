/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What Ruby frees is kept for what arrives next. In rb_malloc_glibc.c and rb_malloc_other.c.
 */
#ifndef RB_MALLOC_H
#define RB_MALLOC_H

/* Makes malloc(3) keep freed memory, where that can be set. */
void rb_em_keep_freed_memory(void);

#endif
