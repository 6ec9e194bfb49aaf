/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Searches: which names are tried, by the search list and ndots of resolv.conf(5), and what an answer means for the
 * names that follow.
 *
 * - There is no such name: the next one is tried.
 * - There is such a name, without a record of the type: that is the result. The name may have addresses of the other
 *   family, and the two families must not come from two names.
 * - The servers failed for this name: the next one is tried. If none is found, the failure is the result, because it
 *   does not mean that there is no such name. So the next name waits until the other family is known to fail, too.
 * - No server has answered: that is the result, as it would be for every name.
 */
#include "dns/resolver_private.h"

#include <string.h>

#include <eventmachine/timer.h>

static unsigned count_dots(const char *name)
{
    unsigned dots = 0;
    for (; *name; name++)
        dots += *name == '.';
    return dots;
}

/* Returns how many names there are. as_it_stands: the number of the one without a suffix. */
static unsigned count_names(const emi_search *search, unsigned *as_it_stands)
{
    const emi_lookup *lookup = search->lookup;
    const char *name = lookup->name;
    const emi_dns_config *config = lookup->config;
    *as_it_stands = 0;
    if (lookup->report == EMI_REPORT_ANSWER || name[strlen(name) - 1] == '.')
        return 1;
    if (count_dots(name) < config->ndots)
        *as_it_stands = config->suffix_count;
    return config->suffix_count + 1;
}

/* Returns false if the name would be too long. */
static bool join(char *text, const char *name, const char *suffix)
{
    size_t length = strlen(name), rest = strlen(suffix);
    if (length + (rest > 0) + rest > EMI_LONGEST_NAME)
        return false;
    memcpy(text, name, length);
    if (rest > 0)
        text[length++] = '.';
    memcpy(text + length, suffix, rest + 1);
    return true;
}

/* Returns false if there is no further name. Names that are too long are left out. */
static bool next_name(emi_search *search, char *text)
{
    unsigned as_it_stands;
    unsigned count = count_names(search, &as_it_stands);
    const emi_lookup *lookup = search->lookup;
    while (search->tried < count) {
        unsigned number = search->tried++;
        const char *suffix = "";
        if (number != as_it_stands)
            suffix = lookup->config->suffixes[number < as_it_stands ? number : number - 1];
        if (join(text, lookup->name, suffix))
            return true;
    }
    return false;
}

static void leave_entry(emi_search *search)
{
    emi_cache_entry *entry = search->entry;
    search->entry = NULL;
    if (!entry)
        return;
    emi_list_remove(&search->link);
    if (!emi_list_is_empty(&entry->waiting))
        return;
    emi_resolver *resolver = entry->owner;
    emi_transport_drop(resolver->transport, &entry->question);
    emi_dns_cache_remove(&resolver->cache, entry);
    emi_cache_entry_free(&resolver->cache, entry);
}

static void release_other(const emi_search *search);

static void end(emi_search *search, em_status status)
{
    search->status = status;
    search->has_ended = true;
    emi_lookup_make_ready(search->lookup);
    release_other(search);
}

static void end_with_answer(emi_search *search)
{
    if (search->remembered) {
        emi_answer_release(search->answer);
        search->answer = search->remembered;
        search->remembered = NULL;
    }
    end(search, search->answer ? search->answer->status : EM_NAME_NOT_FOUND);
}

/* Two families */

/* That of the other family; NULL: there is none. */
static emi_search *other_of(const emi_search *search)
{
    emi_lookup *lookup = search->lookup;
    if (lookup->search_count < 2)
        return NULL;
    return &lookup->searches[search == &lookup->searches[0]];
}

static bool has_further_name(const emi_search *search)
{
    unsigned as_it_stands;
    return search->tried < count_names(search, &as_it_stands);
}

/* The other family may still find the name that the servers failed for. */
static bool must_wait(const emi_search *search)
{
    const emi_search *other = other_of(search);
    return other && other->entry && other->tried <= search->tried && has_further_name(search);
}

/* Whether the other family has found this name, or one before it. */
static bool is_found_by_other(const emi_search *search)
{
    const emi_search *other = other_of(search);
    return other && other->found_at > 0 && other->found_at <= search->tried;
}

/* This search has ended, or goes on with its next name: so does the other one, if it has waited for that. */
static void release_other(const emi_search *search)
{
    emi_search *other = other_of(search);
    if (!other || other->has_ended)
        return;
    bool is_beyond = search->found_at > 0 && other->tried > search->found_at;
    if (is_beyond || (other->waits && is_found_by_other(other))) {
        leave_entry(other);
        end_with_answer(other);
    } else if (other->waits && (search->has_ended || search->tried >= other->tried)) {
        other->waits = false;
        emi_search_begin(other);
    }
}

static void end_where_it_exists(emi_search *search, em_status status)
{
    if (status == EM_OK || status == EM_NO_RECORDS)
        search->found_at = search->tried;
    emi_answer_release(search->remembered);
    search->remembered = NULL;
    end_with_answer(search);
}

/* Takes over a reference. Returns whether the next name is to be tried. */
static bool take(emi_search *search, emi_answer *answer)
{
    emi_answer_release(search->answer);
    search->answer = answer;
    bool has_failed = answer->status == EM_RESOLVER_FAILED;
    if (!has_failed && answer->status != EM_NAME_NOT_FOUND) {
        end_where_it_exists(search, answer->status);
        return false;
    }
    if (has_failed && !search->remembered)
        search->remembered = emi_answer_retain(answer);
    if (is_found_by_other(search)) {
        end_with_answer(search);
        return false;
    }
    search->waits = has_failed && must_wait(search);
    if (!search->waits)
        release_other(search);
    return !search->waits;
}

/* Keeps the answer for later lookups, or frees the entry. */
static void keep(emi_cache_entry *entry, emi_answer *answer)
{
    emi_resolver *resolver = entry->owner;
    const emi_dns_config *config = entry->question.config;
    entry->answer = answer;
    if (entry->is_in_cache && answer && answer->may_keep && answer->ttl_seconds > 0 && config->use_cache &&
        config == resolver->config) {
        entry->expires_ns = resolver->loop->now_ns + answer->ttl_seconds * EM_SECONDS;
        emi_dns_cache_keep(&resolver->cache, entry);
    } else {
        emi_dns_cache_remove(&resolver->cache, entry);
        emi_cache_entry_free(&resolver->cache, entry);
    }
}

/* Takes over a reference; NULL: there is no memory for an answer. Another name that is tried now may be this one again.
 */
static void finish(emi_cache_entry *entry, emi_answer *answer)
{
    emi_list waiting;
    emi_list_init(&waiting);
    emi_list_move_all(&waiting, &entry->waiting);
    keep(entry, answer ? emi_answer_retain(answer) : NULL);
    for (emi_list *link; (link = emi_list_take_first(&waiting));) {
        emi_search *search = EMI_CONTAINER(link, emi_search, link);
        search->entry = NULL;
        if (!answer)
            end(search, EM_NO_MEMORY);
        else if (take(search, emi_answer_retain(answer)))
            emi_search_begin(search);
    }
    emi_answer_release(answer);
}

/* RFC 6891, section 7: how a server responds that does not support EDNS. */
static bool is_about_edns(const emi_question *question)
{
    return !question->is_plain &&
           (question->response_code == EMI_FORMAT_ERROR || question->response_code == EMI_NOT_IMPLEMENTED);
}

static void answered(emi_question *question, em_status status, emi_message message)
{
    emi_cache_entry *entry = EMI_CONTAINER(question, emi_cache_entry, question);
    emi_resolver *resolver = entry->owner;
    const emi_memory *memory = &resolver->loop->memory;
    if (is_about_edns(question)) {
        question->is_plain = true;
        emi_transport_ask(resolver->transport, question);
        return;
    }
    if (status == EM_NO_DESCRIPTORS && emi_transport_ask_later(resolver->transport, question))
        return;
    emi_answer *answer = NULL; /* it stays so if there is no memory */
    if (status == EM_OK)
        (void)emi_answer_read(memory, message, entry->name, question->type, &answer);
    else if (status != EM_NO_MEMORY)
        (void)emi_answer_make_failure(memory, entry->name, status, question->response_code, &answer);
    if (answer)
        answer->made_ns = resolver->loop->now_ns;
    finish(entry, answer);
}

/* A lookup with options of its own, or one that began before em_loop_set_resolver, must not share the answers of other
 * servers. */
static bool shares_answers(const emi_lookup *lookup)
{
    return lookup->config == lookup->resolver->config;
}

static em_status make_entry(emi_search *search, const char *name, emi_cache_entry **made)
{
    emi_lookup *lookup = search->lookup;
    emi_resolver *resolver = lookup->resolver;
    emi_cache_entry *entry = emi_cache_entry_create(&resolver->loop->memory, name, search->type, lookup->config);
    if (!entry)
        return EM_NO_MEMORY;
    em_status status = shares_answers(lookup) ? emi_dns_cache_add(&resolver->cache, entry) : EM_OK;
    if (status != EM_OK) {
        emi_cache_entry_free(&resolver->cache, entry);
        return status;
    }
    entry->owner = resolver;
    entry->question.answered = answered;
    emi_transport_ask(resolver->transport, &entry->question);
    *made = entry;
    return EM_OK;
}

static void end_at_loopback(emi_search *search, const char *name)
{
    unsigned char bytes[EMI_LONGEST_QUERY_BYTES + 28];
    emi_message message = {.bytes = bytes, .length = emi_message_write_loopback(bytes, name, search->type)};
    const emi_memory *memory = &search->lookup->resolver->loop->memory;
    emi_answer_release(search->answer);
    search->answer = NULL;
    em_status status = emi_answer_read(memory, message, name, search->type, &search->answer);
    end(search, status == EM_OK ? search->answer->status : status);
}

/* Returns whether the next name is to be tried. */
static bool try_name(emi_search *search, const char *name)
{
    emi_lookup *lookup = search->lookup;
    emi_resolver *resolver = lookup->resolver;
    emi_cache_entry *entry = NULL;
    if (emi_name_is_under(name, "localhost")) {
        end_at_loopback(search, name);
        return false;
    }
    if (shares_answers(lookup))
        entry = emi_dns_cache_find(&resolver->cache, name, search->type, resolver->loop->now_ns);
    if (entry && entry->answer)
        return take(search, emi_answer_retain(entry->answer));
    em_status status = entry ? EM_OK : make_entry(search, name, &entry);
    if (status == EM_OK) {
        search->entry = entry;
        emi_list_append(&entry->waiting, &search->link);
    } else {
        end(search, status);
    }
    return false;
}

void emi_search_begin(emi_search *search)
{
    char name[EMI_LONGEST_NAME + 1];
    if (search->type == EM_RECORD_AAAA && search->lookup->config->no_ipv6) {
        end(search, EM_NO_RECORDS);
        return;
    }
    while (next_name(search, name))
        if (!try_name(search, name))
            return;
    end_with_answer(search);
}

void emi_search_clear(emi_search *search)
{
    leave_entry(search);
    emi_answer_release(search->answer);
    emi_answer_release(search->remembered);
    search->answer = NULL;
    search->remembered = NULL;
}
