/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Starting a program as a child process, posix_spawn(3): nothing of this program runs in the child, so no lock that
 * another thread holds can stop it.
 */
#ifndef EMI_SPAWN_H
#define EMI_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

/** A descriptor of the parent, and the number under which the child gets it. */
typedef struct emi_spawn_descriptor {
    int from; /**< greater than every `to` of the request, so that no copy is made over it */
    int to;
} emi_spawn_descriptor;

typedef struct emi_spawn_request {
    const char *program; /**< a path; if it is relative, in the child's directory */
    char *const *arguments;
    char *const *environment;
    const char *directory; /**< NULL: this process's */
    const char *terminal;  /**< the path of one that becomes standard input, output and error; NULL: none */
    const emi_spawn_descriptor *descriptors;
    size_t count;
    bool leaks_descriptors; /**< others without close-on-exec stay open in the child */
    bool new_group;
    bool new_session; /**< the terminal becomes that which controls it */
} emi_spawn_request;

/** Starts the program, with default actions of signals and none blocked. EM_LIMIT (EAGAIN: too many processes);
 * EM_NO_SUCH_FILE and others if it cannot be executed. */
em_status emi_spawn(const emi_spawn_request *request, int *pid);

#endif
