/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names: resolving host names to addresses, and querying the Domain Name System for records. Neither blocks the loop.
 *
 * A name is resolved in these steps. The first one that knows the name ends the lookup:
 *
 * 1. Literal addresses, and names under localhost, which mean 127.0.0.1 and ::1 (RFC 6761).
 * 2. The hosts file. If it has addresses of one family for the name, the other family is not looked up.
 * 3. The system, for names under .local (RFC 6762): getaddrinfo(3) in a thread. All other names are looked up in this
 *    way as well if `use_system` is on or the library was built without c-ares.
 * 4. The cache. It keeps answers for their time to live, a week at most, and negative answers as long as the zone says
 *    (RFC 2308), three hours at most.
 * 5. The name servers of resolv.conf, with its search list.
 *
 * Names under .invalid (RFC 6761) and .onion (RFC 7686) are never resolved. The hosts file and resolv.conf are checked
 * for changes when a name is looked up, at most once per second.
 *
 * Threads: the functions that take a loop are for its thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_RESOLVER_H
#define EVENTMACHINE_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** The signature of a lookup; 0 for none. A stale signature (the lookup has ended) is recognised and harmless. */
typedef em_signature em_lookup;

/** Types of records (RFC 1035, section 3.2.2, and later). Any other number from 1 to 65535 may be queried as well. */
typedef enum em_record_type {
    EM_RECORD_A = 1,      /**< an IPv4 address */
    EM_RECORD_NS = 2,     /**< a name server of the zone */
    EM_RECORD_CNAME = 5,  /**< the canonical name of an alias */
    EM_RECORD_SOA = 6,    /**< the start of authority of a zone */
    EM_RECORD_PTR = 12,   /**< the name of an address */
    EM_RECORD_MX = 15,    /**< a mail server of the domain */
    EM_RECORD_TXT = 16,   /**< text, as a list of strings */
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
    const char *bytes;     /**< may contain zero bytes; one more, which does not count, follows them */
} em_record_field;

/**
 * One record. Fields that its type does not have are 0 or NULL. Names have no final dot, and "" is the root. Within a
 * label, a dot and a backslash are written as \. and \\, and a byte that is a space or not printable ASCII as \ddd, in
 * decimal (RFC 1035, section 5.1).
 */
typedef struct em_record {
    const char *name;     /**< the name that owns the record */
    uint32_t ttl_seconds; /**< for how many seconds it may still be kept */
    uint16_t type;        /**< em_record_type */
    uint16_t priority;    /**< SRV, SVCB, HTTPS: priority; MX: preference. Lower values come first */
    uint16_t weight;      /**< SRV */
    uint16_t port;        /**< SRV: port; SVCB, HTTPS: the parameter "port", 0 if there is none */
    /** CNAME, NS, PTR, MX, SRV, SVCB, HTTPS: the name that the record refers to. SOA: the primary name server. To
     * look it up or connect to it without the search list, append a dot. */
    const char *target;
    em_address address;            /**< A, AAAA: with port 0 */
    const em_record_field *fields; /**< TXT: its strings. SVCB, HTTPS: its parameters */
    size_t field_count;            /**< of `fields` */
    const void *data;              /**< the record's data as it was received; names in it may be compressed */
    size_t data_bytes;             /**< of `data` */
} em_record;

/** The answer to a query. It belongs to the library, and all of it is valid until the callback returns. */
typedef struct em_answer {
    const char *name;           /**< the queried name, as the caller has spelled it */
    const char *canonical_name; /**< the name at the end of the chain of CNAME records */
    const em_record *records;   /**< of the queried type, and of canonical_name; in the order of the response */
    size_t record_count;        /**< at most 256; further ones are left out */
    /** The server's response code (RFC 6895, section 2.3): 0 no error, 2 server failure, 3 no such name. -1: no server
     * has answered. */
    int response_code;
} em_answer;

/**
 * Called once with the addresses of a name, in the order in which they should be tried (RFC 6724): at most 16 of each
 * family, valid until it returns. With EM_OK there is at least one address, with any other status there is none. If
 * both families are looked up, the addresses of one are enough for EM_OK, whatever became of the other.
 *
 * - EM_NAME_NOT_FOUND: there is no such name.
 * - EM_NO_RECORDS: the name exists, but has no address of the family.
 * - EM_RESOLVER_FAILED: the servers failed or refused, or their responses were malformed.
 * - EM_RESOLVE_TIMEOUT: no server has answered in time, or the deadline of the lookup has passed.
 * - EM_ANSWER_TRUNCATED: the response did not fit into a datagram, and TCP failed.
 * - EM_CONNECTION_REFUSED: no name server listens at the addresses in resolv.conf or `servers`.
 * - EM_NO_MEMORY, EM_NO_DESCRIPTORS and other statuses of the system.
 */
typedef void (*em_resolved)(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses,
                            size_t address_count, void *user);

/** Called once with the answer to a query, which is never NULL. With EM_OK it has at least one record, with any other
 * status none. The statuses are those of em_resolved. */
typedef void (*em_queried)(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user);

/**
 * How names are resolved. Begin with `em_resolver_options options = { .size = sizeof options };`. A field that is zero
 * keeps its default, which for many is what resolv.conf(5) says. Everything is copied.
 */
typedef struct em_resolver_options {
    size_t size; /**< sizeof (em_resolver_options), so that the struct can grow */

    /** Name servers, at most 8, instead of those of resolv.conf: "192.0.2.1", "2001:db8::1", "fe80::1%eth0", and with a
     * port other than 53 "192.0.2.1:5353", "[2001:db8::1]:5353". They are asked in this order, except that a server
     * that has not answered comes last for 30 seconds. */
    const char *const *servers;
    size_t server_count; /**< of `servers`; 0: those of resolv.conf */

    /** The search list, at most 16 suffixes, instead of that of resolv.conf. */
    const char *const *search;
    size_t search_count; /**< of `search`; 0: that of resolv.conf */

    /** Whether the search list is used. EM_OFF: a name is looked up only as it stands. Default: on. */
    em_switch use_search;

    /** A name with at least this many dots is first looked up as it stands, and then with the suffixes of the search
     * list. A name with fewer dots is looked up with the suffixes first. At most 15. 0: as in resolv.conf, or else 1.
     */
    unsigned ndots;

    /** How many times each server is asked, at most 5. 0: as in resolv.conf, or else 2. */
    unsigned attempts;

    /** Whether each query begins with another server. Default: as in resolv.conf, or else off. */
    em_switch rotate;

    /** How long to wait for a server's response, from 1 ms to 30 s. It doubles with each round through the servers. 0:
     * as in resolv.conf, or else 5 s. */
    uint64_t timeout_ns;

    /** Whether queries are sent over TCP only. Default: as in resolv.conf ("use-vc"), or else off. */
    em_switch use_tcp;

    /** Whether queries allow responses of up to 1232 bytes in a datagram by EDNS (RFC 6891). A server that does not
     * support EDNS is asked again without it. Default: on. */
    em_switch edns;

    /** Whether addresses are looked up by getaddrinfo(3) in threads (see em_loop_options.pool_threads), which also asks
     * the other sources of nsswitch.conf(5). With it, nothing is cached, the options above have no effect, and
     * em_loop_query still asks the name servers. Default: on if the environment variable EM_RESOLVER is "system".
     * Always on if the library was built without c-ares. */
    em_switch use_system;

    /** Whether answers are kept for their time to live. Default: on. */
    em_switch use_cache;

    const char *hosts_file;  /**< NULL: /etc/hosts. "": none. At most 16 MiB */
    const char *resolv_conf; /**< NULL: /etc/resolv.conf. "": none. At most 16 MiB */

    /** How many answers are kept, at most 1 048 576, with at most 1024 bytes each on average, including all that
     * belongs to them. The least recently used ones are dropped. 0: 4096. */
    size_t cache_entry_count;
} em_resolver_options;

/** Options of one lookup. Begin with `em_lookup_options options = { .size = sizeof options };`. */
typedef struct em_lookup_options {
    size_t size; /**< sizeof (em_lookup_options), so that the struct can grow */

    /** The family of addresses to look up, for em_loop_resolve only. EM_ADDRESS_NONE: both IPv4 and IPv6. */
    em_address_family family;

    /** The port of the addresses, 0 to 65535, for em_loop_resolve only. */
    int port;

    /** How long the whole lookup may take. After that it ends with EM_RESOLVE_TIMEOUT, or with the addresses of the
     * family that has been found. 0 and EM_FOREVER: only the attempts and timeouts of the resolver limit it. */
    uint64_t timeout_ns;

    /** Other options for this lookup, instead of those of em_loop_set_resolver. The cache is not used, and resolv.conf
     * and the hosts file, if they are given here, are read for each such lookup. NULL: the loop's options. */
    const em_resolver_options *resolver;
} em_lookup_options;

/**
 * Looks up the addresses of a name. `callback` is called once, in a later turn, also for a name that needs no query.
 *
 * name: a name of at most 253 bytes, or 254 with a final dot, which turns the search list off; or a literal address.
 * options: NULL for all defaults. lookup: set to the signature of the lookup, 0 on failure; may be NULL.
 *
 * dispose: called with `user` in place of `callback` if the lookup is cancelled or the loop is destroyed first; NULL
 * for none. So exactly one of `callback` and `dispose` is called. If em_loop_resolve itself fails, neither is called,
 * and the caller keeps `user`.
 *
 * EM_INVALID_ADDRESS: the name is malformed, or looks like an address without being one ("127.1", "0x7f000001").
 * EM_NAME_NOT_FOUND: it is under .invalid or .onion. EM_INVALID_PORT. EM_INVALID_ARGUMENT (no `name`, no `callback`, or
 * an option; em_status_get_detail says which). EM_LIMIT: no thread can be started to ask the system. EM_NO_MEMORY,
 * EM_NO_DESCRIPTORS (to read the files with), EM_RESOLVER_FAILED (c-ares cannot be initialised), EM_FORKED,
 * EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_resolve(em_loop *loop, const char *name, const em_lookup_options *options,
                                 em_resolved callback, void *user, em_dispose dispose, em_lookup *lookup);

/**
 * Queries the name servers for records of one type. The name is sent as it stands: the hosts file and the search list
 * are not used, and a final dot makes no difference. "." is the root. No server is asked for a name under localhost: it
 * has the addresses 127.0.0.1 and ::1. An address in the place of a name is refused for EM_RECORD_A and EM_RECORD_AAAA
 * (EM_INVALID_ADDRESS). To find the name of an address, query EM_RECORD_PTR for the name that
 * em_address_to_reverse_name writes.
 *
 * type: em_record_type, or any other number from 1 to 65535. All else is as for em_loop_resolve. EM_UNSUPPORTED: the
 * library was built without c-ares.
 */
EM_API em_status em_loop_query(em_loop *loop, const char *name, unsigned type, const em_lookup_options *options,
                               em_queried callback, void *user, em_dispose dispose, em_lookup *lookup);

/** Cancels a lookup in progress: its `dispose` is called before this returns, and its callback is not called.
 * EM_NOT_FOUND: the lookup has ended. EM_INVALID_ARGUMENT (no `loop`). */
EM_API em_status em_loop_cancel_lookup(em_loop *loop, em_lookup lookup);

/**
 * Sets how the loop resolves names from now on, also in em_loop_connect, and empties the cache. Lookups in progress
 * continue with the options that they began with. options: NULL for all defaults.
 *
 * On failure nothing has changed. EM_INVALID_ARGUMENT (em_status_get_detail says which option), EM_INVALID_ADDRESS (one
 * of `servers`), EM_NO_MEMORY, EM_NO_DESCRIPTORS, EM_RESOLVER_FAILED (c-ares cannot be initialised), EM_FORKED,
 * EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_set_resolver(em_loop *loop, const em_resolver_options *options);

/**
 * Writes the name that has the PTR record of an address: "1.2.0.192.in-addr.arpa" for 192.0.2.1 (RFC 1035,
 * section 3.5), and 32 digits under ip6.arpa for an IPv6 address (RFC 3596). The text is cut to fit into `capacity`
 * bytes and always ends with a zero byte; 73 bytes are always enough. Any thread. EM_INVALID_ADDRESS: the address is of
 * another family. EM_INVALID_ARGUMENT: one of the arguments is NULL or 0.
 */
EM_API em_status em_address_to_reverse_name(const em_address *address, char *name, size_t capacity);

EM_END_DECLARATIONS

#endif
