/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * posix_spawn(3) with its attributes and file actions. The actions are carried out in the order in which they were
 * added: the working directory, the standard streams, other descriptors, and what is to be closed.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "system/spawn.h"
#include "system/spawn_private.h"
#include "system/system_error.h"

static int highest_number(const emi_spawn_request *request)
{
    int highest = STDERR_FILENO;
    for (size_t i = 0; i < request->count; i++)
        if (request->descriptors[i].to > highest)
            highest = request->descriptors[i].to;
    return highest;
}

static bool is_given(const emi_spawn_request *request, int number)
{
    for (size_t i = 0; i < request->count; i++)
        if (request->descriptors[i].to == number)
            return true;
    return false;
}

/* Those between the ones that are given, and all above. To close what is not open is no error. */
static int close_others(posix_spawn_file_actions_t *actions, const emi_spawn_request *request)
{
    int highest = highest_number(request);
    int error = 0;
    for (int number = STDERR_FILENO + 1; number < highest && error == 0; number++)
        if (!is_given(request, number))
            error = posix_spawn_file_actions_addclose(actions, number);
    return error == 0 ? emi_spawn_close_from(actions, highest + 1) : error;
}

/* A process that leads a session and has no terminal gets the one that it opens. */
static int open_terminal(posix_spawn_file_actions_t *actions, const char *path)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, path, O_RDWR, 0);
    for (int number = STDOUT_FILENO; number <= STDERR_FILENO && error == 0; number++)
        error = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, number);
    return error;
}

static int plan_actions(posix_spawn_file_actions_t *actions, const emi_spawn_request *request)
{
    int error = 0;
    if (request->directory)
        error = posix_spawn_file_actions_addchdir_np(actions, request->directory);
    if (error == 0 && request->terminal)
        error = open_terminal(actions, request->terminal);
    for (size_t i = 0; i < request->count && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(actions, request->descriptors[i].from, request->descriptors[i].to);
    if (error == 0 && !request->leaks_descriptors)
        error = close_others(actions, request);
    return error;
}

/* A child inherits blocked and ignored signals even when it executes another program: with SIGPIPE ignored, a pipeline
 * would go on for ever. */
static int set_attributes(posix_spawnattr_t *attributes, const emi_spawn_request *request)
{
    sigset_t signals;
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (request->new_session)
        flags |= POSIX_SPAWN_SETSID;
    else if (request->new_group)
        flags |= POSIX_SPAWN_SETPGROUP; /* of its own number, because the attribute for that is 0 */
    sigfillset(&signals);
    int error = posix_spawnattr_setsigdefault(attributes, &signals);
    sigemptyset(&signals);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &signals);
    return error == 0 ? posix_spawnattr_setflags(attributes, (short)flags) : error;
}

static int spawn(const emi_spawn_request *request, const posix_spawn_file_actions_t *actions, pid_t *pid)
{
    posix_spawnattr_t attributes;
    int error = posix_spawnattr_init(&attributes);
    if (error != 0)
        return error;
    error = set_attributes(&attributes, request);
    if (error == 0)
        error = posix_spawn(pid, request->program, actions, &attributes, request->arguments, request->environment);
    posix_spawnattr_destroy(&attributes);
    return error;
}

em_status emi_spawn(const emi_spawn_request *request, int *pid)
{
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = plan_actions(&actions, request);
        if (error == 0)
            error = spawn(request, &actions, &child);
        posix_spawn_file_actions_destroy(&actions);
    }
    *pid = (int)child;
    return error == EAGAIN ? EM_LIMIT : emi_status_from_errno(error);
}

#endif
