/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The files that a notifier watches, by the kernel's number: a hash table with chains.
 */
#include "base/invariant.h"
#include "watch/file_watch_private.h"

enum { FIRST_BUCKETS = 16 };

static emi_watched_file **bucket_of(const emi_file_notifier *notifier, int number)
{
    return &notifier->buckets[(unsigned)number & (notifier->bucket_count - 1)];
}

emi_watched_file *emi_watched_files_find(const emi_file_notifier *notifier, int number)
{
    if (notifier->bucket_count == 0)
        return NULL;
    emi_watched_file *file = *bucket_of(notifier, number);
    while (file && file->number != number)
        file = file->next_in_bucket;
    return file;
}

static void insert(emi_file_notifier *notifier, emi_watched_file *file)
{
    emi_watched_file **bucket = bucket_of(notifier, file->number);
    file->next_in_bucket = *bucket;
    *bucket = file;
}

em_status emi_watched_files_reserve(emi_file_notifier *notifier)
{
    if (notifier->file_count < notifier->bucket_count)
        return EM_OK;
    const emi_memory *memory = &notifier->loop->memory;
    unsigned old_count = notifier->bucket_count;
    unsigned count = old_count ? old_count * 2 : FIRST_BUCKETS;
    emi_watched_file **old = notifier->buckets;
    emi_watched_file **buckets = emi_allocate_zeroed(memory, count * sizeof *buckets);
    if (!buckets)
        return EM_NO_MEMORY;
    notifier->buckets = buckets;
    notifier->bucket_count = count;
    for (unsigned i = 0; i < old_count; i++)
        for (emi_watched_file *file = old[i], *next; file; file = next) {
            next = file->next_in_bucket;
            insert(notifier, file);
        }
    emi_release(memory, old);
    return EM_OK;
}

void emi_watched_files_add(emi_file_notifier *notifier, emi_watched_file *file, int number)
{
    EMI_INVARIANT(notifier->file_count < notifier->bucket_count && !emi_watched_files_find(notifier, number));
    file->number = number;
    file->is_listed = true;
    notifier->file_count++;
    insert(notifier, file);
}

void emi_watched_files_drop(emi_file_notifier *notifier, emi_watched_file *file)
{
    if (file->is_listed) {
        emi_watched_file **link = bucket_of(notifier, file->number);
        while (*link != file)
            link = &(*link)->next_in_bucket;
        *link = file->next_in_bucket;
        file->is_listed = false;
        notifier->file_count--;
    }
    if (emi_list_is_empty(&file->watches))
        emi_release(&notifier->loop->memory, file);
}

void emi_watched_files_drop_stale(emi_file_notifier *notifier)
{
    for (unsigned i = 0; i < notifier->bucket_count; i++)
        for (emi_watched_file *file = notifier->buckets[i], *next; file; file = next) {
            next = file->next_in_bucket;
            file->stale = 0;
            if (file->open == 0)
                emi_watched_files_drop(notifier, file);
        }
}

void emi_watched_files_clear(emi_file_notifier *notifier)
{
    for (unsigned i = 0; i < notifier->bucket_count; i++)
        while (notifier->buckets[i]) {
            EMI_INVARIANT(emi_list_is_empty(&notifier->buckets[i]->watches));
            emi_watched_files_drop(notifier, notifier->buckets[i]);
        }
    emi_release(&notifier->loop->memory, notifier->buckets);
}
