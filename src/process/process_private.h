/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes, for the files of this folder.
 */
#ifndef EMI_PROCESS_PRIVATE_H
#define EMI_PROCESS_PRIVATE_H

#include <eventmachine/process.h>

#include "loop/exit_watch.h"
#include "system/spawn.h"

enum { EMI_PROCESS_STREAMS = 3, EMI_HIGHEST_DESCRIPTOR = 255 };

typedef enum emi_process_state {
    EMI_PROCESS_RUNS,   /* as far as is known */
    EMI_PROCESS_ENDED,  /* waits until its streams have ended */
    EMI_PROCESS_UNBOUND /* waits until its channel is released */
} emi_process_state;

/* What em_process_terminate does next; each step is due some time after the one before. */
typedef enum emi_terminate_step {
    EMI_TERMINATE_NONE,
    EMI_TERMINATE_SIGTERM,
    EMI_TERMINATE_SIGKILL,
    EMI_TERMINATE_GIVE_UP,
    EMI_TERMINATE_STEPS
} emi_terminate_step;

struct em_process {
    emi_object object; /* state: emi_process_state */
    const em_process_handler *handler;
    emi_exit_watch exit;
    em_process_status status;
    em_signature streams[EMI_PROCESS_STREAMS]; /* of their connections; 0: none */
    uint64_t silence_timeout_ns;               /* once it has ended; 0: no limit */
    uint64_t delays_ns[EMI_TERMINATE_STEPS];   /* before each step */
    emi_loop_timer timer;                      /* for the next step */
    uint64_t due_ns;                           /* when that is due */
    size_t input_bytes;                        /* that waited to be sent when that was scheduled */
    int destroy_signal;
    uint8_t step;         /* emi_terminate_step */
    uint8_t excuses;      /* how often the step was put off because the loop was late */
    uint8_t open_streams; /* connections whose unbind has not returned */
    bool leads_group;
    bool has_terminal;
    bool is_given_up; /* unbind does not wait for its end */
    bool is_awaited;  /* it was unbound, and is reaped when it ends */
};

/* process.c */

/** A process that is not started yet. EM_NO_MEMORY, EM_LIMIT. */
em_status emi_process_create(em_loop *loop, const em_process_options *options, const em_process_handler *handler,
                             em_process **process);

/** Frees one that was not started, or has been unbound. */
void emi_process_free(em_process *process);

/** It has been started: waits for its end. */
void emi_process_watch_exit(em_process *process, int pid);

/** Calls unbind if nothing is left to wait for. To be called in a turn of the loop. */
void emi_process_finish(em_process *process);

/** EM_OK if it has not been unbound and belongs to this process. */
em_status emi_process_check(const em_process *process);

/* process_streams.c */

/** What is needed to start a process, and given back when it was, or could not be. */
typedef struct emi_process_setup {
    em_process_options options; /* as they were given, with defaults */
    em_process_stream_options streams[EMI_PROCESS_STREAMS];
    const char *failed; /* what a failure is about, for the details; NULL: the program */
    char failed_text[64];
    emi_spawn_descriptor *descriptors; /* that the process gets */
    bool *is_ours;                     /* to be closed when it has got them */
    size_t count;
    int least; /* greater than all numbers of the process's descriptors */
    char terminal[64];
    em_connection *connections[EMI_PROCESS_STREAMS];
} emi_process_setup;

/** Opens what the streams and other descriptors need. The connections have their handlers, but post_init was not called
 * yet. After any result, call emi_process_close_streams. */
em_status emi_process_open_streams(em_loop *loop, emi_process_setup *setup);

/** Closes the descriptors of the process in this one. */
void emi_process_close_streams(em_loop *loop, emi_process_setup *setup);

/** The process was not started: ends the connections, without a callback. */
void emi_process_drop_connections(emi_process_setup *setup);

/** The process was started: the connections are its own, and post_init is called. */
void emi_process_adopt_connections(em_process *process, emi_process_setup *setup);

/** The process has ended: nothing reads its input, and silence may have a limit. */
void emi_process_end_streams(em_process *process);

/** Ends the input, or what stands for it. */
void emi_process_end_input(em_process *process);

void emi_process_drop_streams(em_process *process);

/* process_options.c */

/** Reads and checks the options; nothing refers to `given` itself afterwards. */
em_status emi_process_read_options(emi_process_setup *setup, const em_process_options *given);

/* process_environment.c */

/** Returns the environment that the options ask for. *allocation: to be freed by the caller, or NULL. NULL if there is
 * no memory. */
char *const *emi_process_environment(const emi_memory *memory, const em_process_options *options, void **allocation);

/** Returns the value of a variable, or NULL. */
const char *emi_environment_get(char *const *environment, const char *name);

/* process_terminate.c */

void emi_process_init_steps(em_process *process, const em_process_options *options);

/** Cancels what em_process_terminate would still do. */
void emi_process_stop_steps(em_process *process);

#endif
