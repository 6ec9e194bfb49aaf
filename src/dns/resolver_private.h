/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The resolver of a loop, for its own files. The steps of a lookup:
 *
 *   resolution ──► search (one for each type) ──► inquiry (one for each name tried) ──► question ──► transport
 *
 * A search that has ended puts its resolution into the list of those that are ready. They are reported in the next
 * turn, so that no callback is ever called by the function that begins a lookup, nor in the middle of c-ares.
 */
#ifndef EMI_RESOLVER_PRIVATE_H
#define EMI_RESOLVER_PRIVATE_H

#include "base/handle_table.h"
#include "dns/dns_cache.h"
#include "dns/dns_hosts.h"
#include "dns/resolver.h"
#include "loop/loop_private.h"
#include "system/text_file.h"

/** Answers that are kept by default. */
enum { EMI_CACHE_ENTRIES = 4096 };

typedef struct emi_resolver emi_resolver;
typedef struct emi_search emi_search;

/** One type of record, looked for under one name after another. */
struct emi_search {
    emi_list link; /* waits for an inquiry */
    emi_inquiry *inquiry;
    emi_resolution *resolution;
    emi_answer *answer;     /* what came of it */
    emi_answer *remembered; /* a server's failure for one of the names */
    unsigned type;
    unsigned tried; /* names */
    em_status status;
    bool has_ended;
    bool is_reported;
};

typedef enum emi_report { EMI_REPORT_FAMILIES, EMI_REPORT_ALL, EMI_REPORT_ADDRESSES, EMI_REPORT_ANSWER } emi_report;

struct emi_resolution {
    emi_handle handle; /* 0 for those of the library itself */
    emi_list in_all;
    emi_list ready;
    emi_resolver *resolver;
    emi_dns_config *config;
    emi_report report;
    union {
        emi_family_resolved families;
        void (*all)(void *user, em_status status, const emi_addresses *addresses);
        em_resolved addresses;
        em_queried answer;
    } callback;
    void *user;
    em_dispose dispose;
    emi_loop_timer deadline;
    emi_search searches[2];
    unsigned search_count;
    emi_addresses *known; /* by the hosts file or the system, without a query; NULL: none */
    void *system;         /* the lookup by the system, while it is in progress */
    int port;
    bool is_private; /* with options of its own: nothing is shared with others */
    char name[];     /* as the user has spelled it */
};

struct emi_resolver {
    emi_service service;
    em_loop *loop;
    emi_transport *transport;     /* NULL: there is none */
    em_resolver_options *options; /* a copy, with all its strings; NULL: defaults */
    emi_dns_config *config;
    emi_file_stamp resolv_conf; /* as it was read */
    emi_file_stamp hosts_file;
    emi_hosts hosts;
    uint64_t checked_ns; /* when the files were last looked at */
    bool has_read;
    emi_dns_cache cache;
    emi_handle_table handles; /* of resolutions by em_loop_resolve and em_loop_query */
    emi_list all;
    emi_list ready;
    emi_resolution *reporting; /* NULL: its callback has cancelled it */
};

/* resolver_service.c */

/** Returns the loop's resolver, which is opened when it is first needed. EM_NO_MEMORY, EM_RESOLVER_FAILED. */
em_status emi_resolver_of(em_loop *loop, emi_resolver **resolver);

/* resolver_files.c */

/** Reads the files again if they have changed, which is noticed at most once per second. */
em_status emi_resolver_refresh(emi_resolver *resolver);

/** Takes over other options, which are checked. On failure nothing has changed. */
em_status emi_resolver_set_options(emi_resolver *resolver, const em_resolver_options *options);

/** Makes a configuration by the file resolv.conf and options. */
em_status emi_resolver_make_config(emi_resolver *resolver, const char *path, const em_resolver_options *options,
                                   emi_dns_config **config);

/** Reads a hosts file; "": there is none. */
em_status emi_resolver_read_hosts(emi_resolver *resolver, const char *path, emi_hosts *hosts);

void emi_resolver_free_files(emi_resolver *resolver);

/* resolver_search.c */

/** Begins or continues a search. It may end at once, which is noted. */
void emi_search_begin(emi_search *search);

/** Gives up a search that has not ended, and frees what has come of it. */
void emi_search_clear(emi_search *search);

/* resolver_lookup.c */

/** What a lookup is about. */
typedef struct emi_lookup_request {
    const char *name;
    int port;
    unsigned types[2];
    unsigned type_count;
    bool is_query;
    uint64_t timeout_ns;                 /* 0, EM_FOREVER: none */
    const em_resolver_options *resolver; /* NULL: the loop's */
} emi_lookup_request;

/** Makes a lookup and begins it. The caller has checked the name and sets report, callback and so on afterwards. */
em_status emi_resolution_create(emi_resolver *resolver, const emi_lookup_request *request, emi_resolution **resolution);

/** Something of it is to be reported in the next turn. */
void emi_resolution_make_ready(emi_resolution *resolution);

/** Frees it, and gives up whatever is in progress. Its callback is not called. */
void emi_resolution_free(emi_resolution *resolution);

/* resolver_report.c */

/** Calls the callbacks of those that are ready. */
void emi_resolver_report(emi_resolver *resolver);

#endif
