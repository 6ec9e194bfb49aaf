/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Keeping slow disks away from the loop. sendfile(2) and pread(2) wait for the disk where the page cache lacks the
 * bytes, and no flag or readiness prevents it for files. So a file is sent in windows. Before a window is sent, it is
 * probed. If bytes are missing, a job of the pool reads the window into the page cache, and the window is sent after
 * that. While a disk is slow, the next window is fetched during the sending of the present one.
 *
 * The kernel's own reading ahead is switched off for files that the library has opened: it would be the loop's thread
 * that submits those reads, and waits if the disk's queue is full.
 *
 * A file in the page cache costs no job, and no thread is started for it. If no thread can be started, the loop reads
 * the window itself.
 */
#include <stdlib.h>

#include "net/files_private.h"
#include "net/net_private.h"
#include "pool/pool.h"
#include "system/clock.h"
#include "system/file.h"

struct emi_file_fetch {
    emi_job job;
    emi_outgoing_file *file; /* for the loop's thread only */
    int descriptor;
    bool owns_descriptor; /* the file was given up */
    bool was_cached;
    uint64_t offset;
    size_t length;
    em_status status;
};

static emi_file_fetch *fetch_of(emi_job *job)
{
    return EMI_CONTAINER(job, emi_file_fetch, job);
}

static void work(emi_job *job)
{
    emi_file_fetch *fetch = fetch_of(job);
    fetch->was_cached = emi_file_is_cached(fetch->descriptor, fetch->offset, fetch->length);
    fetch->status = emi_file_fetch_range(fetch->descriptor, fetch->offset, fetch->length);
}

static void dispose(emi_job *job)
{
    emi_file_fetch *fetch = fetch_of(job);
    if (fetch->owns_descriptor)
        emi_file_close(fetch->descriptor);
    free(fetch);
}

/* The disk's time is not the peer's: the write timeout begins again. */
static void done(emi_job *job)
{
    emi_file_fetch *fetch = fetch_of(job);
    emi_outgoing_file *file = fetch->file;
    em_connection *connection = file->connection;
    em_status status = fetch->status;
    file->fetch = NULL;
    file->is_cold = !fetch->was_cached;
    file->cached_until = fetch->offset + fetch->length;
    free(fetch);
    connection->extras->progress_ns = emi_clock_now_ns();
    if (status != EM_OK)
        emi_files_fail(connection, status);
    else
        emi_connection_request_send(connection);
    emi_connection_arm(connection);
}

static void start_fetch(emi_outgoing_file *file, uint64_t offset, size_t length)
{
    emi_file_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch) {
        fetch->job.lane = EMI_POOL_FILES;
        fetch->job.work = work;
        fetch->job.done = done;
        fetch->job.dispose = dispose;
        fetch->file = file;
        fetch->descriptor = file->descriptor;
        fetch->offset = offset;
        fetch->length = length;
    }
    if (fetch && emi_pool_submit(file->connection->object.loop, &fetch->job) == EM_OK) {
        file->fetch = fetch;
        return;
    }
    free(fetch);
    file->cached_until = offset + length;
}

static size_t window_from(const emi_outgoing_file *file, uint64_t offset)
{
    uint64_t left = file->offset + file->unread_bytes - offset;
    return left < EMI_FILE_WINDOW_BYTES ? (size_t)left : EMI_FILE_WINDOW_BYTES;
}

static void prepare_window(emi_outgoing_file *file)
{
    size_t length = window_from(file, file->offset);
    if (emi_file_is_cached(file->descriptor, file->offset, length))
        file->cached_until = file->offset + length;
    else
        start_fetch(file, file->offset, length);
}

static void prepare_next_window(emi_outgoing_file *file)
{
    size_t length = window_from(file, file->cached_until);
    if (length > 0 && file->cached_until - file->offset <= EMI_FILE_WINDOW_BYTES)
        start_fetch(file, file->cached_until, length);
}

bool emi_file_is_ready(emi_outgoing_file *file)
{
    if (file->offset >= file->cached_until && !file->fetch)
        prepare_window(file);
    if (file->is_cold && file->offset < file->cached_until && !file->fetch)
        prepare_next_window(file);
    return file->offset < file->cached_until;
}

void emi_file_leave(emi_outgoing_file *file)
{
    if (file->fetch) {
        file->fetch->owns_descriptor = true;
        emi_pool_give_up(&file->fetch->job);
        file->fetch = NULL;
    } else {
        emi_file_close(file->descriptor);
    }
}
