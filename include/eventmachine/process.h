/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes. em_loop_start_process executes a program. Its standard input, output and error can each be a pipe
 * whose other end is an ordinary em_connection with a handler. So everything in connection.h applies to it: flow
 * control, water marks, timeouts, and em_connection_close_write on the input, which the program sees as the end of its
 * input.
 *
 * The program is executed by posix_spawn(3), without a shell unless one is asked for. It starts with the default
 * actions of all signals, with no signal blocked, and with no descriptors except those that it is given. The loop's
 * thread waits until the system has begun to execute the program, which takes longer if the file is on a slow disk.
 *
 * The library waits only for the children that it has started, each by its process ID. It installs no handler of
 * SIGCHLD. This program may start other children, wait for them, and handle SIGCHLD as it likes. If it also waits for a
 * child of this library, or ignores SIGCHLD, the status of that child may be lost. The child then ends with
 * EM_PROCESS_LOST.
 *
 * Fork: in a forked child that takes over the loop (em_loop_take_over), the processes are still children of the parent.
 * Their ends are noticed, but reported as EM_PROCESS_LOST, unless the system reveals the status of processes that are
 * not children.
 *
 * All functions here are for the loop's thread, and any callback may call them. If the process is NULL, functions that
 * return a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_PROCESS_H
#define EVENTMACHINE_PROCESS_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** A child process. Owned by its loop; valid until its unbind has returned. */
typedef struct em_process em_process;

/** How a process has ended. */
typedef enum em_process_end {
    EM_PROCESS_RUNNING = 0,  /**< it has not ended, as far as is known */
    EM_PROCESS_EXITED = 1,   /**< it has returned from main or called exit(3) */
    EM_PROCESS_SIGNALED = 2, /**< a signal has ended it */
    EM_PROCESS_LOST = 3      /**< it has ended, but its status is lost, see the top of this file */
} em_process_end;

/** The status of a process. New fields are added at the end only. */
typedef struct em_process_status {
    size_t size; /**< sizeof (em_process_status) */
    em_process_end end;
    int exit_status; /**< for EM_PROCESS_EXITED: 0 to 255; otherwise -1 */
    int signal;      /**< for EM_PROCESS_SIGNALED: the number of the signal; otherwise 0 */
    int has_dumped;  /**< 1 if it has left a core dump, core(5), otherwise 0 */
    int wait_status; /**< the status in the form of wait(2), for WIFEXITED and the like; 0 if it is not known */
} em_process_status;

/**
 * The callbacks of a process, which the loop's thread calls. Any of them may be NULL. The struct is not copied and must
 * outlive the processes that use it. The `reserved` fields are for future callbacks and must be NULL. A callback that
 * this library does not know is refused with EM_INVALID_ARGUMENT, never ignored.
 */
typedef struct em_process_handler {
    /** The process has ended. Its last output may still be on its way to the handlers of the streams. */
    void (*exited)(em_process *process, const em_process_status *status);

    /**
     * The process has ended, `exited` has been called, and all its streams have been unbound, so that its output is
     * complete. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy. In two cases
     * status->end is EM_PROCESS_RUNNING, and `exited` has not been called: the loop is being destroyed, or
     * em_process_terminate has given up.
     */
    void (*unbind)(em_process *process, const em_process_status *status);

    void (*reserved[6])(void);
} em_process_handler;

/** A stream of a process. */
typedef enum em_process_stream {
    EM_PROCESS_INPUT = 0,  /**< its standard input, which this program writes */
    EM_PROCESS_OUTPUT = 1, /**< its standard output, which this program reads */
    EM_PROCESS_ERROR = 2   /**< its standard error, which this program reads */
} em_process_stream;

/** What a stream of a process is connected to. */
typedef enum em_process_stream_kind {
    EM_PROCESS_INHERIT = 0,    /**< the same as this program's */
    EM_PROCESS_PIPE = 1,       /**< a pipe, whose other end is a connection */
    EM_PROCESS_NULL = 2,       /**< nothing, null(4) */
    EM_PROCESS_DESCRIPTOR = 3, /**< a descriptor of this program, such as that of a file */

    /** For the input only. A socket that is both the input and the output, so `output` must be NULL. Its other end is
     * one connection. Programs that open /dev/stdin or /dev/stdout by name fail, because a socket cannot be opened. */
    EM_PROCESS_SOCKET = 4,

    /** For the input only. A pseudoterminal, pty(7), that is both the input and the output, so `output` must be NULL.
     * It is also the error, unless `error` is given. It becomes the controlling terminal of the process, so new_session
     * is implied. The connection is to the master of the pseudoterminal. */
    EM_PROCESS_TERMINAL = 5,

    EM_PROCESS_TO_OUTPUT = 6 /**< for the error only: the same as the output */
} em_process_stream_kind;

/** Options of one stream. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_process_stream_options {
    size_t size; /**< sizeof (em_process_stream_options) */
    em_process_stream_kind kind;
    int descriptor; /**< for EM_PROCESS_DESCRIPTOR. The caller still owns it and may close it after the call */

    /** The callbacks of the connection, for EM_PROCESS_PIPE, EM_PROCESS_SOCKET and EM_PROCESS_TERMINAL, as for
     * em_loop_attach: post_init is called within em_loop_start_process, when the program has been started. NULL: bytes
     * that arrive are dropped. */
    const em_handler *handler;
    void *user;                      /**< the connection's user pointer */
    const em_stream_options *stream; /**< the connection's options; NULL: all defaults */
} em_process_stream_options;

/** A descriptor of this program that the process also gets. */
typedef struct em_process_descriptor {
    int descriptor; /**< this program's; the caller still owns it and may close it after the call */
    int number;     /**< the process's: 3 to 255 */
} em_process_descriptor;

/**
 * Options of em_loop_start_process. Begin with `.size = sizeof options`; zero means the default. Copied, together with
 * what they refer to. Either `arguments` or `command` is required.
 */
typedef struct em_process_options {
    size_t size; /**< sizeof (em_process_options) */
    void *user;  /**< the process's user pointer */

    /** The arguments, beginning with the name of the program; NULL after the last. */
    const char *const *arguments;

    /** The file of the program, if it differs from arguments[0]. A name without a slash is searched for in the
     * directories of PATH in the process's environment; if that has no PATH, in the system's default directories,
     * confstr(3). A relative path begins in `directory`. NULL: arguments[0]. */
    const char *program;

    /** A command line for the system's shell, `/bin/sh -c command`. Do not build it from untrusted input, because the
     * shell would interpret that; use `arguments` instead. */
    const char *command;

    /** The environment: strings "NAME=value"; NULL after the last. NULL: this program's. */
    const char *const *environment;

    /** Changes of the environment: "NAME=value" sets or replaces a variable, "NAME" removes it; NULL after the last.
     * NULL: none. */
    const char *const *environment_changes;

    const char *directory; /**< the working directory; NULL: this program's */

    const em_process_stream_options *input;  /**< standard input; NULL: this program's */
    const em_process_stream_options *output; /**< standard output; NULL: this program's */
    const em_process_stream_options *error;  /**< standard error; NULL: this program's */

    /** Further descriptors for the process. */
    const em_process_descriptor *descriptors;
    size_t descriptor_count;

    /** The process also gets this program's descriptors that are not close-on-exec. Default: off. */
    em_switch inherit_descriptors;

    em_switch new_group;   /**< the process leads a new process group, setpgid(2). Default: off */
    em_switch new_session; /**< the process leads a new session and group, setsid(2). Default: off */

    unsigned terminal_rows;    /**< for EM_PROCESS_TERMINAL. 0: 24. At most 65535 */
    unsigned terminal_columns; /**< for EM_PROCESS_TERMINAL. 0: 80. At most 65535 */

    /**
     * A process that the program has started in turn may have inherited its streams, and may outlive it. unbind waits
     * for the output of such a process as well. This option limits the wait: once the program itself has ended, a
     * stream on which nothing arrives or leaves for this long ends with EM_INACTIVITY_TIMEOUT. 0: no limit. To stop
     * waiting at any time, close the streams (em_connection_close) or call em_process_terminate.
     */
    uint64_t silence_timeout_ns;

    uint64_t terminate_after_ns; /**< see em_process_terminate. 0: 0.5 seconds */
    uint64_t kill_after_ns;      /**< see em_process_terminate. 0: 1 second */
    uint64_t give_up_after_ns;   /**< see em_process_terminate. 0: 5 seconds */

    /** em_loop_destroy sends this signal to the process if it is still running. 0: none, so the process goes on. */
    int destroy_signal;
} em_process_options;

/**
 * Starts a program. options: required. handler: NULL for none. process: set to the handle, NULL on failure; may be
 * NULL.
 *
 * If the program cannot be executed, the call returns the reason, no callback is called, and nothing is left.
 * em_status_get_detail names the file. EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_SYSTEM_ERROR (such as ENOEXEC: neither
 * a binary nor a script with a "#!" line), EM_ARGUMENTS_TOO_LONG, EM_PATH_TOO_LONG; EM_BAD_DESCRIPTOR; EM_LIMIT (too
 * many processes); EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_FORKED, EM_INVALID_STATE (the loop is being
 * destroyed).
 *
 * em_loop_destroy does not wait for processes. It closes their streams, reaps those that have ended, and calls unbind
 * of all. Those that have not ended go on, see destroy_signal. From then on this program has to wait for them,
 * waitpid(2).
 */
EM_API em_status em_loop_start_process(em_loop *loop, const em_process_options *options,
                                       const em_process_handler *handler, em_process **process);

/**
 * Sends a signal to the process, kill(2), but not to the processes that it has started. signal: 0 only checks.
 * EM_NO_SUCH_PROCESS once the process has ended. Another process that has been given the same process ID since then
 * never gets the signal. EM_INVALID_ARGUMENT, EM_PERMISSION_DENIED, EM_FORKED.
 */
EM_API em_status em_process_kill(em_process *process, int signal);

/** Sends a signal to the process's group. Requires new_group or new_session; otherwise EM_INVALID_STATE. Errors as for
 * em_process_kill. */
EM_API em_status em_process_kill_group(em_process *process, int signal);

/**
 * Ends the process in steps, while the loop goes on. First its input is closed once everything waiting there has been
 * sent (em_connection_close_write). If the process is still running terminate_after_ns later, it gets SIGTERM; as long
 * as it goes on reading its input, that time starts again. So it does, up to eight times, if the loop notices its end
 * half of that time late, because the loop has not received the process's output either. kill_after_ns after SIGTERM it
 * gets SIGKILL. With new_group or new_session, the group gets the signals.
 *
 * Output that the process still writes is received. Once it has ended, a stream on which nothing arrives for
 * terminate_after_ns is closed (EM_INACTIVITY_TIMEOUT), even if other processes still have it open. If even SIGKILL
 * does not end the process, unbind is called after give_up_after_ns, with EM_PROCESS_RUNNING. The loop still reaps the
 * process if it ends later. EM_INVALID_STATE if the process is being terminated already; EM_CLOSED after unbind;
 * EM_FORKED; EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_process_terminate(em_process *process);

/**
 * Returns the connection of a stream; NULL if the stream has none, or if the connection has ended. For
 * EM_PROCESS_SOCKET and EM_PROCESS_TERMINAL, the input and the output have the same connection.
 */
EM_API em_connection *em_process_get_stream(const em_process *process, em_process_stream stream);

/** Returns the process ID; 0 for NULL. */
EM_API int em_process_get_pid(const em_process *process);

/** Gets the status. Set status->size before the call: if it is smaller than this library's, only the fields that fit
 * are set; if it is larger, the rest is set to zero. EM_INVALID_ARGUMENT for NULL, or if status->size is too small to
 * be one. */
EM_API em_status em_process_get_status(const em_process *process, em_process_status *status);

/** Changes the size of the terminal of EM_PROCESS_TERMINAL. The process gets SIGWINCH. EM_INVALID_STATE if it has no
 * terminal; EM_CLOSED if the connection of the terminal has ended; EM_INVALID_ARGUMENT if a number is not 1 to 65535.
 */
EM_API em_status em_process_set_terminal_size(em_process *process, unsigned rows, unsigned columns);

/** Returns the loop that the process belongs to. NULL for NULL. */
EM_API em_loop *em_process_get_loop(const em_process *process);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_process_get_user(const em_process *process);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_process_set_user(em_process *process, void *user);

/** Returns the process's signature; 0 for NULL. */
EM_API em_signature em_process_get_signature(const em_process *process);

/** Returns the process with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_process *em_loop_find_process(const em_loop *loop, em_signature signature);

EM_END_DECLARATIONS

#endif
