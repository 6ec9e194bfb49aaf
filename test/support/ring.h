/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The rings of this process, io_uring(7): counting them, and breaking them as a program does that closes descriptors
 * of others.
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
