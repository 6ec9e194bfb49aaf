/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* Counts the lines of files, in threads of the pool; only some dozens wait for one at a time. Try it: jobs *.c */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct counted_file {
    const char *path;
    long lines; /* -1: it cannot be read */
} counted_file;

typedef struct counting {
    char **next; /* the path to be counted next; NULL at the end */
    unsigned open;
    em_status status;
} counting;

/* In a thread of the pool. */
static void count_lines(void *user)
{
    counted_file *counted = user;
    FILE *file = fopen(counted->path, "r");
    counted->lines = file ? 0 : -1;
    for (int byte; file && (byte = getc(file)) != EOF;)
        counted->lines += byte == '\n';
    if (file)
        fclose(file);
}

/* In the loop's thread, like everything that follows. */
static void print_lines(em_loop *loop, em_job job, em_status status, void *user)
{
    counted_file *counted = user;
    counting *mine = em_loop_get_user(loop);
    (void)job;
    (void)status;
    printf("%8ld %s\n", counted->lines, counted->path);
    free(counted);
    if (--mine->open == 0 && !*mine->next)
        em_loop_stop(loop);
}

static em_status submit(em_loop *loop, const char *path)
{
    counted_file *counted = malloc(sizeof *counted);
    if (!counted)
        return EM_NO_MEMORY;
    *counted = (counted_file){.path = path};
    em_status status = em_loop_submit_job(loop, count_lines, print_lines, counted, free, NULL);
    if (status != EM_OK)
        free(counted);
    return status;
}

/* Submits until the pool has enough, and goes on when there is room. */
static void submit_files(em_loop *loop, void *user)
{
    counting *mine = user;
    for (; *mine->next && (mine->status = submit(loop, *mine->next)) == EM_OK; mine->next++)
        mine->open++;
    if (mine->status == EM_WOULD_BLOCK)
        mine->status = em_loop_await_job_room(loop, submit_files, mine, NULL);
    if (mine->status != EM_OK || (!*mine->next && mine->open == 0))
        em_loop_stop(loop);
}

int main(int count, char **arguments)
{
    counting mine = {.next = arguments + (count > 0)};
    em_loop_options options = {.size = sizeof options, .job_limit = 64};
    em_loop *loop;
    em_status status = em_loop_create(&options, &loop);
    em_loop_set_user(loop, &mine);
    if (status == EM_OK)
        status = em_loop_next_tick(loop, submit_files, &mine, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status == EM_OK ? mine.status : status);
}
