/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How names are looked up: what resolv.conf(5) and the program's options say. Once a configuration is used, only what
 * is learned about its servers is changed. Questions that have been asked keep theirs when the file changes.
 */
#ifndef EMI_DNS_CONFIG_H
#define EMI_DNS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine/resolver.h>

#include "base/memory.h"
#include "dns/dns_name.h"

enum { EMI_MOST_SERVERS = 8, EMI_MOST_SUFFIXES = 16, EMI_DNS_PORT = 53 };

typedef struct emi_dns_config {
    unsigned references;
    const emi_memory *memory;
    unsigned server_count;
    em_address servers[EMI_MOST_SERVERS];
    uint64_t avoid_until_ns[EMI_MOST_SERVERS]; /**< learned: it has not answered, so it comes last until then */
    bool refuses_edns[EMI_MOST_SERVERS];       /**< learned */
    unsigned next_server;                      /**< with `rotate`: the one that the next query begins with */
    unsigned suffix_count;
    char suffixes[EMI_MOST_SUFFIXES][EMI_LONGEST_NAME + 1]; /**< without final dots */
    unsigned ndots;
    unsigned attempts;
    uint32_t timeout_ms;
    bool rotate;
    bool use_tcp;
    bool edns;
    bool no_ipv6; /**< "no-aaaa": AAAA queries are not sent */
    bool use_system;
    bool use_cache;
} emi_dns_config;

/** Sets everything to its default, except `memory`. */
void emi_dns_config_init(emi_dns_config *config);

/** Reads the text of a resolv.conf. What is unknown or malformed in it is skipped. `text` is changed; it may be NULL.
 */
void emi_dns_config_read(emi_dns_config *config, char *text);

/** Reads the environment variables LOCALDOMAIN and RES_OPTIONS, see resolv.conf(5). */
void emi_dns_config_read_environment(emi_dns_config *config);

/** Fills in what is still missing: a server on this machine, and the search list by the host's name. */
void emi_dns_config_complete(emi_dns_config *config);

/** Applies the program's options, which emi_dns_options_check has accepted. */
void emi_dns_config_apply(emi_dns_config *config, const em_resolver_options *options);

/** Checks the program's options. EM_INVALID_ARGUMENT, EM_INVALID_ADDRESS, with details. */
em_status emi_dns_options_check(const em_resolver_options *options);

static inline emi_dns_config *emi_dns_config_retain(emi_dns_config *config)
{
    config->references++;
    return config;
}

static inline void emi_dns_config_release(emi_dns_config *config)
{
    if (config && --config->references == 0)
        emi_release(config->memory, config);
}

#endif
