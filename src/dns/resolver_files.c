/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the resolver knows from files and options. A file costs one stat(2) per second at most, and only when a name is
 * looked up. Nothing is watched in between, so a loop without lookups does nothing.
 */
#include "dns/resolver_private.h"

#include <string.h>

#include <eventmachine/timer.h>

#define CHECK_EVERY_NS EM_SECONDS

static const char *path_of(const char *given, const char *usual)
{
    if (!given)
        return usual;
    return given[0] ? given : NULL;
}

static const char *resolv_conf_of(const em_resolver_options *options)
{
    return path_of(options ? options->resolv_conf : NULL, "/etc/resolv.conf");
}

static const char *hosts_file_of(const em_resolver_options *options)
{
    return path_of(options ? options->hosts_file : NULL, "/etc/hosts");
}

/* A file that cannot be read counts as an empty one, as for the system's resolver. But what is missing only now must
 * not make it empty until it changes. */
static em_status read_file(const emi_memory *memory, const char *path, char **text)
{
    size_t length;
    em_status status = emi_text_file_read(memory, path, text, &length);
    /* A zero byte ends its line, and not the file. */
    for (char *zero = *text; zero && (zero = memchr(zero, '\0', length - (size_t)(zero - *text)));)
        *zero = '\n';
    return status == EM_NO_MEMORY || status == EM_NO_DESCRIPTORS ? status : EM_OK;
}

/* Configurations */

em_status emi_resolver_make_config(emi_resolver *resolver, const char *path, const em_resolver_options *options,
                                   emi_dns_config **made)
{
    const emi_memory *memory = &resolver->loop->memory;
    emi_dns_config *config = emi_allocate(memory, sizeof *config);
    if (!config)
        return EM_NO_MEMORY;
    config->memory = memory;
    emi_dns_config_init(config);
    char *text = NULL;
    em_status status = path ? read_file(memory, path, &text) : EM_OK;
    if (status != EM_OK) {
        emi_dns_config_release(config);
        return status;
    }
    emi_dns_config_read(config, text);
    emi_release(memory, text);
    emi_dns_config_read_environment(config);
    emi_dns_config_complete(config);
    if (options)
        emi_dns_config_apply(config, options);
    *made = config;
    return EM_OK;
}

static void set_config(emi_resolver *resolver, emi_dns_config *config)
{
    emi_dns_config_release(resolver->config);
    resolver->config = config;
    emi_dns_cache_clear(&resolver->cache);
}

/* Changes */

static em_status read_resolv_conf(emi_resolver *resolver)
{
    emi_dns_config *config;
    em_status status =
        emi_resolver_make_config(resolver, resolv_conf_of(resolver->options), resolver->options, &config);
    if (status == EM_OK)
        set_config(resolver, config);
    return status;
}

em_status emi_resolver_read_hosts(emi_resolver *resolver, const char *path, emi_hosts *hosts)
{
    const emi_memory *memory = &resolver->loop->memory;
    char *text = NULL;
    em_status status = path[0] ? read_file(memory, path, &text) : EM_OK;
    if (status != EM_OK)
        return status;
    status = emi_hosts_read(hosts, memory, text);
    if (status != EM_OK)
        emi_release(memory, text);
    return status;
}

static em_status read_hosts_file(emi_resolver *resolver)
{
    const char *path = hosts_file_of(resolver->options);
    return emi_resolver_read_hosts(resolver, path ? path : "", &resolver->hosts);
}

/* The stamp is taken before the file is read: a change in between is noticed the next time. */
static em_status read_if_changed(emi_resolver *resolver, const char *path, emi_file_stamp *known,
                                 em_status (*read)(emi_resolver *resolver))
{
    emi_file_stamp stamp = {.inode = 0};
    if (path)
        emi_text_file_stamp(path, &stamp);
    if (resolver->has_read && emi_file_stamps_equal(&stamp, known))
        return EM_OK;
    em_status status = read(resolver);
    if (status == EM_OK)
        *known = stamp;
    return status;
}

em_status emi_resolver_refresh(emi_resolver *resolver)
{
    emi_loop_refresh_time(resolver->loop);
    uint64_t now_ns = resolver->loop->now_ns;
    if (resolver->has_read && now_ns - resolver->checked_ns < CHECK_EVERY_NS)
        return EM_OK;
    em_status status =
        read_if_changed(resolver, resolv_conf_of(resolver->options), &resolver->resolv_conf, read_resolv_conf);
    if (status == EM_OK)
        status = read_if_changed(resolver, hosts_file_of(resolver->options), &resolver->hosts_file, read_hosts_file);
    if (status != EM_OK)
        return resolver->has_read ? EM_OK : status; /* what was read before still holds */
    resolver->checked_ns = now_ns;
    resolver->has_read = true;
    return EM_OK;
}

/* Options */

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t size_of_copy(const em_resolver_options *given)
{
    size_t bytes = sizeof *given + (given->server_count + given->search_count) * sizeof(char *);
    for (size_t i = 0; i < given->server_count; i++)
        bytes += bytes_of(given->servers[i]);
    for (size_t i = 0; i < given->search_count; i++)
        bytes += bytes_of(given->search[i]);
    return bytes + bytes_of(given->hosts_file) + bytes_of(given->resolv_conf);
}

static const char *copy_text(char **to, const char *text)
{
    size_t bytes = bytes_of(text);
    if (bytes == 0)
        return NULL;
    char *copied = *to;
    memcpy(copied, text, bytes);
    *to += bytes;
    return copied;
}

static void copy_texts(const char **list, char **to, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list[i] = copy_text(to, texts[i]);
}

/* One allocation: the struct, the lists, the texts. */
static em_resolver_options *copy_options(const emi_memory *memory, const em_resolver_options *given)
{
    em_resolver_options *copied = emi_allocate(memory, size_of_copy(given));
    if (!copied)
        return NULL;
    *copied = *given;
    const char **lists = (const char **)(void *)(copied + 1);
    char *texts = (char *)(lists + given->server_count + given->search_count);
    copied->servers = lists;
    copy_texts(lists, &texts, given->servers, given->server_count);
    copied->search = lists + given->server_count;
    copy_texts(lists + given->server_count, &texts, given->search, given->search_count);
    copied->hosts_file = copy_text(&texts, given->hosts_file);
    copied->resolv_conf = copy_text(&texts, given->resolv_conf);
    return copied;
}

em_status emi_resolver_set_options(emi_resolver *resolver, const em_resolver_options *options)
{
    const emi_memory *memory = &resolver->loop->memory;
    em_resolver_options *copied = copy_options(memory, options);
    if (!copied)
        return EM_NO_MEMORY;
    em_resolver_options *before = resolver->options;
    resolver->options = copied;
    resolver->has_read = false;
    em_status status = emi_resolver_refresh(resolver);
    if (status != EM_OK) {
        /* One file may have been read by the new options. As has_read is false, the next lookup reads it again. */
        resolver->options = before;
        emi_release(memory, copied);
        return status;
    }
    emi_release(memory, before);
    resolver->cache.most_entries = options->cache_entry_count > 0 ? options->cache_entry_count : EMI_CACHE_ENTRIES;
    return EM_OK;
}

void emi_resolver_free_files(emi_resolver *resolver)
{
    emi_dns_config_release(resolver->config);
    emi_hosts_clear(&resolver->hosts);
    emi_release(&resolver->loop->memory, resolver->options);
}
