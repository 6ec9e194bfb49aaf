/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The interface between names_measure.c and the resolver that it measures, which asks one server for the IPv4 address
 * of each name.
 */
#ifndef BENCH_NAMES_MEASURE_H
#define BENCH_NAMES_MEASURE_H

/* Names that are looked up at the same time at most, by a resolver that does not limit that itself. */
enum { NAMES_AT_ONCE = 100 };

/* Creates the loop. server: an IPv4 address. */
void names_open(const char *server, int port);

/* Begins looking up a name. When it has an address, names_found is called. */
void names_look_up(const char *name);

/* Runs one turn of the loop, which waits if there is nothing to do. */
void names_turn(void);

/* Ends the present turn. */
void names_wake(void);

/* Whether any number of names may be looked up at the same time. */
extern const int names_are_queued;

/* Defined in names_measure.c. found: 0 if the name has no address. */
void names_found(int found);

#endif
