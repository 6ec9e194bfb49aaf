/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names: resolving host names to addresses, and querying the Domain Name System for records. Neither blocks the loop.
 *
 * A name is resolved in these steps. The first one that knows the name ends the lookup:
 *
 * 1. Literal addresses, and names under localhost (RFC 6761): no query is sent for them, nor for names under .invalid
 *    and .onion, which are not found.
 * 2. The hosts file. A name that has an address of one family there has no others.
 * 3. The cache, which keeps answers for their time to live, and "there is none" as long as the zone says (RFC 2308).
 * 4. The name servers of resolv.conf, with its search list. Names under .local, and all names if `use_system` is set or
 *    the library was built without c-ares, go to getaddrinfo(3) in a thread instead.
 *
 * The hosts file and resolv.conf are checked for changes at most once per second, and only when something is looked up.
 *
 * Threads: the loop's thread, as for everything that takes a loop.
 */
#ifndef EVENTMACHINE_RESOLVER_H
#define EVENTMACHINE_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** The number of a lookup in progress, unique within its loop. A stale number is recognised and harmless. */
typedef uint64_t em_lookup;

/** Types of records (RFC 1035, section 3.2.2, and later). Any other number from 1 to 65535 may be queried as well. */
typedef enum em_record_type {
    EM_RECORD_A = 1,      /**< an IPv4 address */
    EM_RECORD_NS = 2,     /**< a name server of the zone */
    EM_RECORD_CNAME = 5,  /**< the name that this one is an alias of */
    EM_RECORD_SOA = 6,    /**< the start of a zone */
    EM_RECORD_PTR = 12,   /**< the name of an address */
    EM_RECORD_MX = 15,    /**< a mail server */
    EM_RECORD_TXT = 16,   /**< text */
    EM_RECORD_AAAA = 28,  /**< an IPv6 address */
    EM_RECORD_SRV = 33,   /**< a server of a service (RFC 2782) */
    EM_RECORD_SVCB = 64,  /**< how to reach a service (RFC 9460) */
    EM_RECORD_HTTPS = 65, /**< how to reach a web server (RFC 9460) */
    EM_RECORD_CAA = 257   /**< who may issue certificates; reported as `data` */
} em_record_type;

/** A string of a TXT record, or a parameter of an SVCB or HTTPS record. */
typedef struct em_record_field {
    uint16_t key;          /**< of a parameter (RFC 9460, section 14.3.2); 0 for a string */
    uint16_t length_bytes; /**< of `bytes` */
    const char *bytes;     /**< not ended by a zero byte */
} em_record_field;

/**
 * One record. The fields that its type does not have are 0 or NULL. Names have no final dot. Bytes of a label that are
 * not printable, and dots and backslashes in it, are written as in RFC 1035, section 5.1: \. and \ddd.
 */
typedef struct em_record {
    const char *name;     /**< whose record it is */
    uint32_t ttl_seconds; /**< how long it may still be kept */
    uint16_t type;        /**< em_record_type */
    uint16_t priority;    /**< SRV, SVCB, HTTPS: priority; MX: preference. Lower values come first */
    uint16_t weight;      /**< SRV */
    uint16_t port;        /**< SRV; SVCB and HTTPS: that of the parameter "port", 0 if there is none */
    const char
        *target; /**< CNAME, NS, PTR, MX, SRV, SVCB, HTTPS: the name in it; SOA: the primary server. "" is the root */
    em_address address;            /**< A, AAAA: with port 0 */
    const em_record_field *fields; /**< TXT: its strings. SVCB, HTTPS: its parameters */
    size_t field_count;
    const void *data; /**< the record's data as it was sent, in which names may be compressed */
    size_t data_bytes;
} em_record;

/**
 * The answer to a query. Everything in it is valid until the callback returns and belongs to the library.
 */
typedef struct em_answer {
    const char *name;           /**< the name that was asked for in the end, with the suffix of the search list */
    const char *canonical_name; /**< the name at the end of the chain of CNAME records */
    const em_record *records;   /**< those of the queried type, and nothing else; in the order of the answer */
    size_t record_count;
    int response_code; /**< the server's (RFC 6895, section 2.3): 0 no error, 2 server failure, 3 no such name; -1 if no
                            server has answered */
} em_answer;

/**
 * Called once with the addresses of a name, in the order in which they should be tried (RFC 6724), and valid until it
 * returns. With EM_OK there is at least one, with any other status none:
 *
 * - EM_NAME_NOT_FOUND: there is no such name.
 * - EM_NO_RECORDS: the name exists, and has no address of the family.
 * - EM_RESOLVER_FAILED: the servers failed or refused, or their answers made no sense.
 * - EM_RESOLVE_TIMEOUT: no server has answered in time.
 * - EM_ANSWER_TRUNCATED: the answer did not fit into a datagram and could not be had over TCP.
 * - EM_CONNECTION_REFUSED: there is no server where resolv.conf says.
 * - EM_NO_MEMORY, EM_NO_DESCRIPTORS and other statuses of the system.
 */
typedef void (*em_resolved)(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses,
                            size_t address_count, void *user);

/** Called once with the answer to a query. Statuses as for em_resolved. `answer` is never NULL. With EM_OK it has at
 * least one record. */
typedef void (*em_queried)(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user);

/**
 * How to find names. Begin with `em_resolver_options options = { .size = sizeof options };`. A field that is zero keeps
 * the default, which is what the resolv.conf file says (resolv.conf(5)). Everything is copied.
 */
typedef struct em_resolver_options {
    size_t size; /**< sizeof (em_resolver_options), so that the struct can grow */

    /** Name servers, at most 8, instead of those of resolv.conf: "192.0.2.1", "2001:db8::1", "fe80::1%eth0", and with a
     * port other than 53 "192.0.2.1:5353", "[2001:db8::1]:5353". They are tried in this order, except that one that has
     * not answered comes last for 30 seconds. */
    const char *const *servers;
    size_t server_count;

    /** Suffixes for names with few dots, at most 16, instead of the search list of resolv.conf. */
    const char *const *search;
    size_t search_count;

    /** Whether the search list is used. EM_OFF: names are only looked up as they are. */
    em_switch use_search;

    /** A name with at least so many dots is looked up as it is first, and with fewer dots last. At most 15. 0: as in
     * resolv.conf, or else 1. */
    unsigned ndots;

    /** How often each server is asked, at most 5. 0: as in resolv.conf, or else 2. */
    unsigned attempts;

    /** Whether every query begins with another server. */
    em_switch rotate;

    /** How long to wait for a server's answer, from 1 ms to 30 s. It doubles with each round through the servers. 0: as
     * in resolv.conf, or else 5 s. */
    uint64_t timeout_ns;

    /** Whether queries are sent over TCP only. */
    em_switch use_tcp;

    /** Whether queries allow answers of 1232 bytes in a datagram (EDNS, RFC 6891). A server that does not understand
     * that is asked again without it. Default: on. */
    em_switch edns;

    /** Whether addresses are found by getaddrinfo(3) in threads (see em_loop_options.pool_threads), which also asks the
     * other sources of nsswitch.conf(5). Nothing is cached then. Default: the environment variable EM_RESOLVER is
     * "system", or there is no c-ares. */
    em_switch use_system;

    /** Whether answers are kept for their time to live. Default: on. */
    em_switch use_cache;

    const char *hosts_file;  /**< NULL: /etc/hosts. "": none */
    const char *resolv_conf; /**< NULL: /etc/resolv.conf. "": none */

    /** How many answers are kept at most. 0: 4096. At most 1 048 576. They take at most 512 bytes each on average. */
    size_t cache_entry_count;
} em_resolver_options;

/** Options of one lookup. Begin with `em_lookup_options options = { .size = sizeof options };`. */
typedef struct em_lookup_options {
    size_t size; /**< sizeof (em_lookup_options), so that the struct can grow */

    /** em_loop_resolve: the addresses to look for. EM_ADDRESS_NONE: both IPv4 and IPv6. */
    em_address_family family;

    /** em_loop_resolve: the port of the addresses, 0 to 65535. */
    int port;

    /** The deadline of the whole lookup. The callback is then called with EM_RESOLVE_TIMEOUT. 0 and EM_FOREVER: only
     * the attempts and timeouts of the resolver limit it. */
    uint64_t timeout_ns;

    /** For this lookup only, in place of those of the loop. Its answer is neither taken from the cache nor kept.
     * NULL: the loop's. */
    const em_resolver_options *resolver;
} em_lookup_options;

/**
 * Looks up the addresses of a name. callback(loop, *lookup, status, addresses, count, user) is called once in a later
 * turn. options: NULL for all defaults. lookup: may be NULL.
 *
 * dispose: called with `user` if the lookup is cancelled or the loop is destroyed first; NULL for none. So exactly one
 * of `callback` and `dispose` is called. If em_loop_resolve itself fails, neither is, and the caller keeps `user`.
 *
 * EM_INVALID_ADDRESS: the name is malformed. EM_NAME_NOT_FOUND: it is under .invalid or .onion. EM_INVALID_PORT,
 * EM_INVALID_ARGUMENT, EM_INVALID_STATE while the loop is being destroyed, EM_FORKED, EM_NO_MEMORY, EM_LIMIT.
 */
EM_API em_status em_loop_resolve(em_loop *loop, const char *name, const em_lookup_options *options,
                                 em_resolved callback, void *user, em_dispose dispose, em_lookup *lookup);

/**
 * Asks the name servers for records. The hosts file and the search list are not used, so that a final dot makes no
 * difference. To find the name of an address, query EM_RECORD_PTR for the name that em_address_to_reverse_name
 * returns. type: em_record_type. The rest is as for em_loop_resolve, and EM_UNSUPPORTED without c-ares.
 */
EM_API em_status em_loop_query(em_loop *loop, const char *name, unsigned type, const em_lookup_options *options,
                               em_queried callback, void *user, em_dispose dispose, em_lookup *lookup);

/** Cancels a lookup in progress: its callback is not called, its `dispose` is. EM_NOT_FOUND, EM_INVALID_ARGUMENT. */
EM_API em_status em_loop_cancel_lookup(em_loop *loop, em_lookup lookup);

/**
 * Sets how the loop finds names from now on, also for em_loop_connect, and empties the cache. Lookups in progress
 * continue as they began. options: NULL for all defaults. EM_INVALID_ARGUMENT (em_status_get_detail says which option),
 * EM_INVALID_ADDRESS (a server), EM_NO_MEMORY, EM_INVALID_STATE, EM_FORKED; then nothing has changed.
 */
EM_API em_status em_loop_set_resolver(em_loop *loop, const em_resolver_options *options);

/**
 * Writes the name under which the Domain Name System keeps the name of an address: "1.2.0.192.in-addr.arpa" for
 * 192.0.2.1, and 32 digits under ip6.arpa for an IPv6 address. It is cut to fit into `capacity` bytes and always ends
 * with a zero byte; 74 are enough. Any thread. EM_INVALID_ADDRESS for other families, EM_INVALID_ARGUMENT.
 */
EM_API em_status em_address_to_reverse_name(const em_address *address, char *name, size_t capacity);

EM_END_DECLARATIONS

#endif
