/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading the hosts file. Each name of each line is an entry, which refers to the words in the text of the file. The
 * entries of a bucket are chained in the order of the file.
 */
#include "dns/dns_hosts.h"

#include <string.h>

#include "base/ascii.h"
#include "dns/dns_addresses.h"
#include "dns/dns_name.h"

static const char separators[] = " \t\r\v\f";

/* The most lines of one name, so that no file makes its lookup slow. */
enum { MOST_LINES = 256 };

typedef struct emi_host {
    const char *name;
    const char *address;
    uint32_t hash;
    uint32_t next; /* plus 1 */
} host;

static uint32_t hash_of(const char *name)
{
    return emi_name_hash(name, emi_name_length(name));
}

/* The most names that a text can hold: one for each word but one in a line. */
static size_t count_words(const char *text)
{
    size_t words = 0;
    while (*text) {
        text += strspn(text, " \t\r\v\f\n");
        if (*text)
            words++;
        text += strcspn(text, " \t\r\v\f\n");
    }
    return words;
}

static uint32_t bucket_count_for(size_t words)
{
    uint32_t count = 16;
    while (count < words && count < (1U << 24))
        count *= 2;
    return count;
}

static void read_line(emi_hosts *hosts, char *line)
{
    line[strcspn(line, "#")] = '\0';
    char *rest = NULL;
    const char *address = strtok_r(line, separators, &rest);
    if (!address)
        return;
    for (char *name; (name = strtok_r(NULL, separators, &rest));) {
        host *entry = &hosts->entries[hosts->entry_count++];
        *entry = (host){.name = name, .address = address, .hash = hash_of(name)};
    }
}

/* From the last to the first, so that each chain is in the order of the file. */
static void chain(emi_hosts *hosts)
{
    for (uint32_t i = hosts->entry_count; i > 0; i--) {
        uint32_t *bucket = &hosts->buckets[hosts->entries[i - 1].hash & (hosts->bucket_count - 1)];
        hosts->entries[i - 1].next = *bucket;
        *bucket = i;
    }
}

em_status emi_hosts_read(emi_hosts *hosts, const emi_memory *memory, char *text)
{
    emi_hosts read = {.memory = memory, .text = text};
    size_t words = text ? count_words(text) : 0;
    if (words > 0) {
        read.bucket_count = bucket_count_for(words);
        read.entries = emi_allocate(memory, words * sizeof *read.entries);
        read.buckets = emi_allocate_zeroed(memory, read.bucket_count * sizeof *read.buckets);
        if (!read.entries || !read.buckets) {
            read.text = NULL;
            emi_hosts_clear(&read);
            return EM_NO_MEMORY;
        }
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            read_line(&read, line);
        chain(&read);
    }
    emi_hosts_clear(hosts);
    *hosts = read;
    return EM_OK;
}

void emi_hosts_clear(emi_hosts *hosts)
{
    if (hosts->memory) {
        emi_release(hosts->memory, hosts->text);
        emi_release(hosts->memory, hosts->entries);
        emi_release(hosts->memory, hosts->buckets);
    }
    *hosts = (emi_hosts){.memory = NULL};
}

bool emi_hosts_find(const emi_hosts *hosts, const char *name, int port, emi_addresses *addresses)
{
    addresses->count = 0;
    if (hosts->entry_count == 0)
        return false;
    uint32_t hash = hash_of(name);
    unsigned lines = 0;
    for (uint32_t i = hosts->buckets[hash & (hosts->bucket_count - 1)]; i > 0 && lines < MOST_LINES;) {
        const host *entry = &hosts->entries[i - 1];
        em_address address;
        if (entry->hash == hash && emi_names_are_equal(entry->name, name)) {
            lines++;
            if (em_address_from_text(entry->address, port, &address) == EM_OK)
                emi_addresses_add(addresses, &address);
        }
        i = entry->next;
    }
    return addresses->count > 0;
}
