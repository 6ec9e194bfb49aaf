/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The resolver of a loop, for its own files. A lookup passes through these parts, each of which has one or more of the
 * next:
 *
 *   lookup        what a program or a connection wants to know: resolver_lookup.c
 *     │           without a query: literals, localhost, dns_hosts.c; by the system: resolver_system.c
 *     ▼
 *   search        one for each type of record; tries the names of the search list in turn: resolver_search.c
 *     ▼
 *   cache entry   one for each name and type, shared by all searches that want it: dns_cache.c, dns_answer.c
 *     ▼
 *   question      waits to be sent, then has a client of its own: dns_transport_ares.c
 *     ▼
 *   client        a c-ares channel and its timer: dns_client.c
 *     ▼
 *   socket        a channel of the loop: dns_socket.c
 *
 * The answer comes back the same way. A search that has ended puts its lookup into the list `ready`, which is reported
 * in the next turn (resolver_report.c). So no callback is called by the function that begins a lookup, nor by c-ares.
 *
 * What a lookup goes by: dns_config.c has the servers, suffixes and options, resolver_files.c the files that they come
 * from, system/address_order.h the order of addresses. Without c-ares, dns_transport_none.c takes the place of the last
 * three.
 */
#ifndef EMI_RESOLVER_PRIVATE_H
#define EMI_RESOLVER_PRIVATE_H

#include "base/handle_table.h"
#include "dns/dns_cache.h"
#include "dns/dns_hosts.h"
#include "dns/resolver.h"
#include "dns/resolver_system.h"
#include "loop/loop_private.h"
#include "system/text_file.h"

/** How many answers the cache keeps by default. */
enum { EMI_CACHE_ENTRIES = 4096 };

typedef struct emi_resolver emi_resolver;
typedef struct emi_search emi_search;

/** One type of record, looked for under one name after another. */
struct emi_search {
    emi_list link; /* among those that wait for the entry */
    emi_cache_entry *entry;
    emi_lookup *lookup;
    emi_answer *answer;     /* the latest; NULL: none yet */
    emi_answer *remembered; /* a server's failure for one of the names */
    unsigned type;
    unsigned tried;    /* names of the search list */
    unsigned found_at; /* as `tried` was when there was such a name; 0: there was none */
    bool waits;        /* for what the other family finds under the present name */
    em_status status;
    bool has_ended;
    bool is_reported;
};

/** What a lookup reports: each family by itself, both together, and so on; see resolver_report.c. */
typedef enum emi_report { EMI_REPORT_FAMILIES, EMI_REPORT_ALL, EMI_REPORT_ADDRESSES, EMI_REPORT_ANSWER } emi_report;

struct emi_lookup {
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
    emi_addresses *known;      /* found without a query, by the hosts file or the system; NULL: none */
    emi_system_lookup *system; /* while the system is asked */
    int port;
    bool is_overdue; /* its deadline has passed */
    char name[];     /* as the user has spelled it */
};

struct emi_resolver {
    emi_service service;
    em_loop *loop;
    emi_transport *transport;     /* NULL: there is none */
    em_resolver_options *options; /* a copy, with all its strings; NULL: defaults */
    emi_dns_config *config;
    emi_file_stamp resolv_conf; /* of the file as it was read */
    emi_file_stamp hosts_file;  /* the same */
    emi_hosts hosts;
    uint64_t checked_ns; /* when the files were last looked at */
    bool has_read;
    emi_dns_cache cache;
    emi_handle_table handles; /* of lookups that have a number */
    emi_list all;
    emi_list ready;
    emi_lookup *reporting; /* NULL: its callback has cancelled it */
};

/* resolver_service.c */

/** Returns the loop's resolver, which is opened when it is first needed. EM_NO_MEMORY, EM_RESOLVER_FAILED. */
em_status emi_resolver_of(em_loop *loop, emi_resolver **resolver);

/* resolver_files.c */

/** Reads the files again if they have changed, which is noticed at most once per second. */
em_status emi_resolver_refresh(emi_resolver *resolver);

/** Takes over other options, which have been checked. On failure nothing has changed. */
em_status emi_resolver_set_options(emi_resolver *resolver, const em_resolver_options *options);

/** Makes a configuration by the file resolv.conf and options. */
em_status emi_resolver_make_config(emi_resolver *resolver, const char *path, const em_resolver_options *options,
                                   emi_dns_config **config);

/** Reads a hosts file; "": there is none. */
em_status emi_resolver_read_hosts(emi_resolver *resolver, const char *path, emi_hosts *hosts);

void emi_resolver_free_files(emi_resolver *resolver);

/* resolver_search.c */

/** Begins a search, or goes on with its next name. It may end at once; then its lookup is reported in the next turn. */
void emi_search_begin(emi_search *search);

/** Gives up a search, and frees what it has found. */
void emi_search_clear(emi_search *search);

/* resolver_lookup.c */

/** What is to be looked up. */
typedef struct emi_lookup_request {
    const char *name;
    int port;
    unsigned types[2];
    unsigned type_count;
    bool is_query;
    uint64_t timeout_ns;                 /* 0, EM_FOREVER: none */
    const em_resolver_options *resolver; /* options of its own; NULL: the loop's */
} emi_lookup_request;

/** Creates a lookup and begins it. The caller has checked the name, and then sets `report`, `callback`, `user` and
 * `dispose`. */
em_status emi_lookup_create(emi_resolver *resolver, const emi_lookup_request *request, emi_lookup **lookup);

/** Reports the lookup in the next turn, as far as its searches have ended. */
void emi_lookup_make_ready(emi_lookup *lookup);

/** Gives up what is in progress, because the deadline has passed. */
void emi_lookup_end_overdue(emi_lookup *lookup);

/** Gives up what is in progress and frees the lookup. Its callback is not called. */
void emi_lookup_free(emi_lookup *lookup);

/* resolver_report.c */

/** Calls the callbacks of those that are ready. */
void emi_resolver_report(emi_resolver *resolver);

#endif
