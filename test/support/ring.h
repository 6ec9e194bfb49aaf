/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The process's rings: counting them, and breaking them (io_uring(7)), as a program does that closes descriptors it
 * does not own.
 */
#ifndef TEST_RING_H
#define TEST_RING_H

/** Replaces the descriptor of every ring of this process by one of /dev/null; returns how many there were. */
unsigned break_rings(void);

/** The descriptors of this process's first and last ring; -1: it has none. */
int lowest_ring(void);
int highest_ring(void);

/** How many rings this process has. The library keeps one for the next loop, unless it broke. */
unsigned count_rings(void);

#endif
