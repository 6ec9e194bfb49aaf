/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The end of the reactor. See rb_release.c.
 */
#ifndef RB_RELEASE_H
#define RB_RELEASE_H

void rb_em_release(void);

#endif
