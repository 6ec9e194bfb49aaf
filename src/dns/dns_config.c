/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading resolv.conf(5) and the options of em_loop_set_resolver.
 */
#include "dns/dns_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <eventmachine/timer.h>

#include "base/options.h"
#include "base/status_detail.h"

enum { DEFAULT_TIMEOUT_MS = 5000, LONGEST_TIMEOUT_MS = 30000, DEFAULT_ATTEMPTS = 2, MOST_ATTEMPTS = 5, MOST_DOTS = 15 };

void emi_dns_config_init(emi_dns_config *config)
{
    const emi_memory *memory = config->memory;
    memset(config, 0, sizeof *config);
    config->memory = memory;
    config->references = 1;
    config->ndots = 1;
    config->attempts = DEFAULT_ATTEMPTS;
    config->timeout_ms = DEFAULT_TIMEOUT_MS;
    config->edns = true;
    config->use_cache = true;
    const char *chosen = getenv("EM_RESOLVER");
    config->use_system = chosen && strcmp(chosen, "system") == 0;
}

/* Servers */

static em_status read_bracketed(const char *text, em_address *server)
{
    char literal[EM_ADDRESS_TEXT_BYTES];
    const char *end = strchr(text, ']');
    if (!end || (size_t)(end - text) > sizeof literal)
        return EM_INVALID_ADDRESS;
    memcpy(literal, text + 1, (size_t)(end - text) - 1);
    literal[end - text - 1] = '\0';
    if (end[1] == '\0')
        return em_address_from_text(literal, EMI_DNS_PORT, server);
    char *rest;
    bool has_port = end[1] == ':' && end[2] >= '0' && end[2] <= '9';
    long port = has_port ? strtol(end + 2, &rest, 10) : 0;
    return port < 1 || port > 65535 || *rest ? EM_INVALID_ADDRESS : em_address_from_text(literal, (int)port, server);
}

static em_status read_server_with_port(const char *text, em_address *server)
{
    char bracketed[EM_ADDRESS_TEXT_BYTES];
    const char *colon = strchr(text, ':');
    if (!colon || strchr(colon + 1, ':') || strlen(text) + 3 > sizeof bracketed)
        return EM_INVALID_ADDRESS;
    snprintf(bracketed, sizeof bracketed, "[%.*s]%s", (int)(colon - text), text, colon);
    return read_bracketed(bracketed, server);
}

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353" */
static em_status read_server(const char *text, em_address *server)
{
    if (text[0] == '[')
        return read_bracketed(text, server);
    em_status status = em_address_from_text(text, EMI_DNS_PORT, server);
    return status == EM_OK ? status : read_server_with_port(text, server);
}

static void add_server(emi_dns_config *config, const char *text)
{
    if (text && config->server_count < EMI_MOST_SERVERS &&
        read_server(text, &config->servers[config->server_count]) == EM_OK)
        config->server_count++;
}

/* The search list */

static bool is_suffix(const char *text)
{
    return emi_name_check_query(text) == EM_OK;
}

static void add_suffix(emi_dns_config *config, const char *text)
{
    if (config->suffix_count == EMI_MOST_SUFFIXES || !is_suffix(text))
        return;
    char *suffix = config->suffixes[config->suffix_count++];
    snprintf(suffix, EMI_LONGEST_NAME + 1, "%s", text);
    size_t length = strlen(suffix);
    if (suffix[length - 1] == '.')
        suffix[length - 1] = '\0';
}

static const char separators[] = " \t\r\n\v\f";

static void read_suffixes(emi_dns_config *config, char **rest)
{
    config->suffix_count = 0;
    for (char *word; (word = strtok_r(NULL, separators, rest));)
        add_suffix(config, word);
}

/* Options */

/* What is no number is skipped; a number out of range counts as the limit. */
static void read_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
    if (!text[0] || text[strspn(text, "0123456789")])
        return;
    unsigned long value = strtoul(text, NULL, 10);
    if (value < least)
        value = least;
    *number = value > most ? most : (unsigned)value;
}

static void read_timeout(emi_dns_config *config, const char *text)
{
    unsigned seconds = config->timeout_ms / 1000;
    read_number(text, 1, LONGEST_TIMEOUT_MS / 1000, &seconds);
    config->timeout_ms = seconds * 1000;
}

static void read_option(emi_dns_config *config, const char *word)
{
    if (strncmp(word, "ndots:", 6) == 0)
        read_number(word + 6, 0, MOST_DOTS, &config->ndots);
    else if (strncmp(word, "timeout:", 8) == 0)
        read_timeout(config, word + 8);
    else if (strncmp(word, "attempts:", 9) == 0)
        read_number(word + 9, 1, MOST_ATTEMPTS, &config->attempts);
    else if (strcmp(word, "rotate") == 0)
        config->rotate = true;
    else if (strcmp(word, "use-vc") == 0 || strcmp(word, "usevc") == 0)
        config->use_tcp = true;
    else if (strcmp(word, "no-aaaa") == 0)
        config->no_ipv6 = true;
}

static void read_line(emi_dns_config *config, char *line)
{
    char *rest = NULL;
    char *keyword = strtok_r(line, separators, &rest);
    if (!keyword)
        return;
    if (strcmp(keyword, "nameserver") == 0)
        add_server(config, strtok_r(NULL, separators, &rest));
    else if (strcmp(keyword, "search") == 0 || strcmp(keyword, "domain") == 0)
        read_suffixes(config, &rest);
    else if (strcmp(keyword, "options") == 0)
        for (char *word; (word = strtok_r(NULL, separators, &rest));)
            read_option(config, word);
}

void emi_dns_config_read(emi_dns_config *config, char *text)
{
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
        line[strcspn(line, "#;")] = '\0';
        read_line(config, line);
    }
}

/* The most that is read of a variable. */
enum { VARIABLE_BYTES = 1024 };

void emi_dns_config_read_environment(emi_dns_config *config)
{
    char line[VARIABLE_BYTES];
    const char *value = getenv("LOCALDOMAIN");
    if (value) {
        snprintf(line, sizeof line, "search %s", value);
        read_line(config, line);
    }
    value = getenv("RES_OPTIONS");
    if (value) {
        snprintf(line, sizeof line, "options %s", value);
        read_line(config, line);
    }
}

void emi_dns_config_complete(emi_dns_config *config)
{
    char host[256];
    if (config->server_count == 0)
        add_server(config, "127.0.0.1");
    if (config->suffix_count > 0 || gethostname(host, sizeof host) != 0)
        return;
    host[sizeof host - 1] = '\0';
    const char *dot = strchr(host, '.');
    if (dot)
        add_suffix(config, dot + 1);
}

/* The program's options */

static em_status refuse(em_status status, const char *text)
{
    emi_set_status_detail(status, text);
    return status;
}

static em_status check_servers(const em_resolver_options *options)
{
    if (options->server_count > EMI_MOST_SERVERS)
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: more than 8 servers");
    em_address server;
    for (size_t i = 0; i < options->server_count; i++)
        if (!options->servers || !options->servers[i] || read_server(options->servers[i], &server) != EM_OK)
            return refuse(EM_INVALID_ADDRESS, "em_resolver_options: servers has something else than an address");
    return EM_OK;
}

static em_status check_search(const em_resolver_options *options)
{
    if (options->search_count > EMI_MOST_SUFFIXES)
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: more than 16 suffixes in search");
    for (size_t i = 0; i < options->search_count; i++)
        if (!options->search || !options->search[i] || !is_suffix(options->search[i]))
            return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: search has something else than a domain name");
    return EM_OK;
}

em_status emi_dns_options_check(const em_resolver_options *options)
{
    em_status status = check_servers(options);
    if (status == EM_OK)
        status = check_search(options);
    if (status != EM_OK)
        return status;
    if (options->ndots > MOST_DOTS)
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: ndots is above 15");
    if (options->attempts > MOST_ATTEMPTS)
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: attempts is above 5");
    if (options->timeout_ns > 0 &&
        (options->timeout_ns < EM_MILLISECONDS || options->timeout_ns / EM_MILLISECONDS > LONGEST_TIMEOUT_MS))
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: timeout_ns is not between 1 ms and 30 s");
    if (options->cache_entry_count > 1048576)
        return refuse(EM_INVALID_ARGUMENT, "em_resolver_options: cache_entry_count is above 1048576");
    bool are_switches = emi_is_switch(options->use_search) && emi_is_switch(options->rotate) &&
                        emi_is_switch(options->use_tcp) && emi_is_switch(options->edns) &&
                        emi_is_switch(options->use_system) && emi_is_switch(options->use_cache);
    return are_switches
               ? EM_OK
               : refuse(EM_INVALID_ARGUMENT, "em_resolver_options: a switch is neither EM_DEFAULT, EM_ON nor EM_OFF");
}

static void apply_lists(emi_dns_config *config, const em_resolver_options *options)
{
    if (options->server_count > 0)
        config->server_count = 0;
    for (size_t i = 0; i < options->server_count; i++)
        add_server(config, options->servers[i]);
    if (options->search_count > 0 || options->use_search == EM_OFF)
        config->suffix_count = 0;
    for (size_t i = 0; i < options->search_count && options->use_search != EM_OFF; i++)
        add_suffix(config, options->search[i]);
}

static void apply_switch(bool *value, em_switch given)
{
    if (given != EM_DEFAULT)
        *value = given == EM_ON;
}

void emi_dns_config_apply(emi_dns_config *config, const em_resolver_options *options)
{
    apply_lists(config, options);
    if (options->ndots > 0)
        config->ndots = options->ndots;
    if (options->attempts > 0)
        config->attempts = options->attempts;
    if (options->timeout_ns > 0)
        config->timeout_ms = (uint32_t)(options->timeout_ns / EM_MILLISECONDS);
    apply_switch(&config->rotate, options->rotate);
    apply_switch(&config->use_tcp, options->use_tcp);
    apply_switch(&config->edns, options->edns);
    apply_switch(&config->use_system, options->use_system);
    apply_switch(&config->use_cache, options->use_cache);
}
