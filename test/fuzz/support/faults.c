/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which system calls fail, or are cut. The calls themselves are in faults_calls.c and faults_batch.c.
 */
#include "fuzz/support/faults.h"

#include <stddef.h>

#include "support/bytes.h"

int __real_epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event);

static _Thread_local faults *current;

faults *faults_use(faults *wanted)
{
    faults *before = current;
    current = wanted;
    return before;
}

faults *faults_current(void)
{
    return current;
}

bool faults_fail(const int *errors, int *error)
{
    /* By chance, because counting would fall into step with calls that always follow each other. */
    if (!current || current->fail_every == 0 || random_below(&current->random, current->fail_every) != 0)
        return false;
    unsigned count = 0;
    while (errors[count] != 0)
        count++;
    *error = errors[random_below(&current->random, count)];
    current->failed++;
    return true;
}

bool faults_cut(size_t *length)
{
    if (!current || !current->cuts || *length < 2 || random_below(&current->random, 3) != 0)
        return false;
    size_t most = random_below(&current->random, 2) == 0 && *length > 8 ? 8 : *length;
    *length = 1 + random_below(&current->random, most - 1);
    current->cut++;
    return true;
}

bool faults_refuse(void)
{
    if (!current || !current->cuts || random_below(&current->random, 8) != 0)
        return false;
    current->cut++;
    return true;
}

void faults_report_again(int descriptor)
{
    if (descriptor < 0 || descriptor >= FAULTS_DESCRIPTORS)
        return;
    faults_watched *watched = &current->watched[descriptor];
    if (watched->epoll > 0)
        __real_epoll_ctl(watched->epoll, EPOLL_CTL_MOD, descriptor, &watched->event);
}

void faults_note_watched(int descriptor, int epoll, const struct epoll_event *event)
{
    if (!current || descriptor < 0 || descriptor >= FAULTS_DESCRIPTORS)
        return;
    current->watched[descriptor] = (faults_watched){.epoll = 0};
    if (event)
        current->watched[descriptor] = (faults_watched){.epoll = epoll, .event = *event};
}
