/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The hosts file, hosts(5), as a table of names.
 */
#ifndef EMI_DNS_HOSTS_H
#define EMI_DNS_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "dns/resolver.h"

typedef struct emi_hosts {
    const emi_memory *memory;
    char *text;               /* the file's, cut into words */
    struct emi_host *entries; /* in the order of the file */
    uint32_t *buckets;        /* the first entry of each, plus 1 */
    uint32_t entry_count;
    uint32_t bucket_count;
} emi_hosts;

/** Takes over the text of a file, allocated from `memory`; NULL: there is none. EM_NO_MEMORY: then the table is as it
 * was, and the text is the caller's. */
em_status emi_hosts_read(emi_hosts *hosts, const emi_memory *memory, char *text);

void emi_hosts_clear(emi_hosts *hosts);

/** Whether the name is in the file, whatever its case and with or without a final dot. Fills in its addresses, without
 * duplicates. Malformed addresses in the file count as not there. */
bool emi_hosts_find(const emi_hosts *hosts, const char *name, int port, emi_addresses *addresses);

#endif
