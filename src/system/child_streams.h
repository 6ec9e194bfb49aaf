/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors for the standard streams of children. All are close-on-exec: a child gets copies under other numbers.
 * They are blocking unless something else is said, because ordinary programs expect that of their streams.
 */
#ifndef EMI_CHILD_STREAMS_H
#define EMI_CHILD_STREAMS_H

#include <stddef.h>

#include <eventmachine/status.h>

/** A pipe: [0] reads, [1] writes. */
em_status emi_child_pipe(int ends[2]);

/** A pair of sockets, of which [1] is for the child: [0] is non-blocking. */
em_status emi_child_sockets(int ends[2]);

/** /dev/null, for both directions. */
em_status emi_child_null(int *descriptor);

/** A pseudo-terminal, pty(7): its master, and the path of the side for the child. */
em_status emi_child_terminal(int *master, char *path, size_t path_bytes);

em_status emi_terminal_set_size(int master, unsigned rows, unsigned columns);

/** A copy with a number of at least `least`. */
em_status emi_descriptor_copy_above(int descriptor, int least, int *copy);

/** EM_OK, or EM_BAD_DESCRIPTOR. */
em_status emi_descriptor_check(int descriptor);

#endif
