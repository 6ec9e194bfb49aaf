/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Prints what is appended to a file, and goes on when another file takes its name, as when logs are rotated: it watches
 * the directory of the file, which reports both. Ctrl-C and SIGTERM end it. Try it: follow /var/log syslog
 */
#include <eventmachine.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct follower {
    char path[4096];
    const char *name; /* within its directory */
    FILE *file;       /* NULL: there is none of this name now */
} follower;

static void print_news(follower *mine)
{
    char text[4096];
    size_t length;
    if (!mine->file)
        return;
    clearerr(mine->file); /* it was at its end until now */
    while ((length = fread(text, 1, sizeof text, mine->file)) > 0)
        fwrite(text, 1, length, stdout);
    fflush(stdout);
}

static void file_modified(em_file_watch *watch, em_file_change change, const char *name)
{
    follower *mine = em_file_watch_get_user(watch);
    if (!name || strcmp(name, mine->name) != 0)
        return;
    print_news(mine);
    if (change == EM_FILE_WRITTEN)
        return;
    if (mine->file)
        fclose(mine->file);
    mine->file = fopen(mine->path, "r");
    print_news(mine);
}

static void events_lost(em_file_watch *watch)
{
    file_modified(watch, EM_FILE_ENTRY_ADDED, ((follower *)em_file_watch_get_user(watch))->name);
}

static void signal_received(em_signal_watch *watch, uint64_t count)
{
    (void)count;
    em_loop_stop(em_signal_watch_get_loop(watch));
}

static const em_file_watch_handler following = {.file_modified = file_modified, .events_lost = events_lost};
static const em_signal_watch_handler stopping = {.signal_received = signal_received};

int main(int count, char **arguments)
{
    follower mine = {.name = count > 2 ? arguments[2] : "syslog"};
    const char *directory = count > 1 ? arguments[1] : "/var/log";
    em_file_watch_options options = {.size = sizeof options, .user = &mine};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_watch_signal(loop, SIGINT, &stopping, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_watch_signal(loop, SIGTERM, &stopping, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_watch_file(loop, directory, &following, &options, NULL);
    snprintf(mine.path, sizeof mine.path, "%s/%s", directory, mine.name);
    mine.file = fopen(mine.path, "r");
    print_news(&mine);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    if (mine.file)
        fclose(mine.file);
    return em_status_report(status);
}
