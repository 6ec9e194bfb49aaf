/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * System calls that fail, or do less than they were asked for, as the kernel's may at any time. The linker makes the
 * library call these functions (--wrap). They make the real system calls unless the calling thread has set faults.
 */
#ifndef TEST_FUZZ_FAULTS_H
#define TEST_FUZZ_FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Descriptors from this number on are not cut. */
enum { FAULTS_DESCRIPTORS = 2048 };

typedef struct faults_watched {
    int epoll; /* 0: not watched */
    struct epoll_event event;
} faults_watched;

/** The faults of one thread; zeroed it makes none. */
typedef struct faults {
    uint64_t random;
    bool cuts;
    unsigned long fail_every; /**< so many calls, on average; 0: none fail */
    bool without_pwait2;      /**< epoll_pwait2 fails as on an older kernel, or with a seccomp(2) filter */
    unsigned long cut;
    unsigned long failed;
    faults_watched watched[FAULTS_DESCRIPTORS]; /* by an epoll descriptor */
} faults;

/** From now on the calling thread's system calls have these faults; NULL: none. Returns those before. */
faults *faults_use(faults *wanted);

/** Those of the calling thread, or NULL. */
faults *faults_current(void);

/** Whether this call is to fail; *error: one of the errors, errno(3), that end with 0. */
bool faults_fail(const int *errors, int *error);

/** Whether something of so many bytes is to be cut; *length: to what, at least 1 and less than before, if it can be. */
bool faults_cut(size_t *length);

/** Whether a non-blocking call is to be refused for now. */
bool faults_refuse(void);

/**
 * An edge-triggered epoll(7) reports a descriptor once, when something arrives. A cut stands for bytes that arrive a
 * moment later, so the report is made due again.
 */
void faults_report_again(int descriptor);

/** Takes note of a registration with epoll_ctl(2), or of its end (NULL). */
void faults_note_watched(int descriptor, int epoll, const struct epoll_event *event);

#endif
