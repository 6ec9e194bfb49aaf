/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The other side of a connection, by bare sockets, for what a well-behaved program never does; and children of this
 * process. Everything that blocks is bounded in time.
 */
#ifndef TEST_SYSTEM_PEER_H
#define TEST_SYSTEM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <eventmachine.h>

/** A listening socket on a free port of 127.0.0.1. */
int system_listen(int backlog, int *port);

/** Returns a port of 127.0.0.1 on which nobody listens, so that connecting to it is refused. */
int system_closed_port(void);

/** A blocking socket connected to 127.0.0.1. */
int system_connect(int port);

/** The next connection of a listening socket, blocking. */
int system_accept(int listener);

/**
 * Fills a listener's queue with connections until it accepts no more. Returns how many sockets that took; 0 if it
 * never stops, so that the test must be skipped.
 */
enum { SYSTEM_MOST_FILLERS = 64 };
unsigned system_fill_queue(int port, int fillers[SYSTEM_MOST_FILLERS]);

/** Sends all of it. */
void system_write(int fd, const void *data, size_t length);

/**
 * recv(2), for tests that wait while the loop does not run here: it goes on if it is interrupted, which the kernel does
 * to a blocking socket with a time limit when it closes a ring of this thread's.
 */
ssize_t system_receive(int fd, void *buffer, size_t capacity);

/** Receives so much, in as many pieces as it comes. */
void system_receive_exactly(int fd, void *buffer, size_t length);

/** Turns the loop until there is something to read, or the end. */
void system_await(em_loop *loop, int fd);

/** Turns the loop and reads, until the peer's end or until `capacity` bytes are there. Returns how many. */
size_t system_read(em_loop *loop, int fd, void *buffer, size_t capacity);

/** Turns the loop until the peer has sent its last byte, drops what comes before. Returns how many bytes that were. */
size_t system_read_to_end(em_loop *loop, int fd);

/** Whether there is nothing to read, and no end. */
bool system_is_silent(int fd);

/** Closes with a reset instead of the normal end. */
void system_reset(int fd);

/** Turns the loop and writes until the loop's side takes no more for some time. Returns how much it took. */
size_t system_write_until_full(em_loop *loop, int fd);

/** A child process that runs this and exits. */
pid_t system_fork(void (*run)(void *argument), void *argument);

/** In a child, where cmocka must not be used: ends it, with a message, if the condition does not hold. */
void system_child_check(bool condition, const char *what);

/** Waits for a child. Returns its exit status; a child ended by a signal fails the test. */
int system_wait(pid_t child);

#endif
