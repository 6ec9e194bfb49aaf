/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups of system tests.
 */
#include "support/system_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

em_resolver_options system_ask(const name_server *server, const char *list[1])
{
    list[0] = name_server_address(server);
    return (em_resolver_options){
        .size = sizeof(em_resolver_options),
        .servers = list,
        .server_count = 1,
        .use_search = EM_OFF,
        .attempts = 2,
        .timeout_ns = 100000000,
        .hosts_file = "",
        .resolv_conf = "",
    };
}

void system_use_server(em_loop *loop, const name_server *server)
{
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
}

static void note_addresses(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                           void *user)
{
    (void)lookup;
    system_found *found = user;
    found->calls++;
    found->loop = loop;
    found->status = status;
    found->address_count = count;
    for (size_t i = 0; i < count && i < COUNT(found->texts); i++)
        em_address_to_text(&addresses[i], found->texts[i], sizeof found->texts[i]);
    if (found->then)
        found->then(found);
}

static void join(char *to, size_t capacity, const em_record *record)
{
    to[0] = '\0';
    for (size_t i = 0; i < record->field_count; i++) {
        size_t used = strlen(to);
        snprintf(to + used, capacity - used, "%s%.*s", i > 0 ? "|" : "", (int)record->fields[i].length_bytes,
                 record->fields[i].bytes);
    }
}

static void note_answer(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user)
{
    (void)lookup;
    system_found *found = user;
    found->calls++;
    found->loop = loop;
    found->status = status;
    found->response_code = answer->response_code;
    found->record_count = answer->record_count;
    snprintf(found->name, sizeof found->name, "%s", answer->name);
    snprintf(found->canonical_name, sizeof found->canonical_name, "%s", answer->canonical_name);
    if (answer->record_count > 0) {
        const em_record *record = answer->records;
        found->record = *record;
        snprintf(found->target, sizeof found->target, "%s", record->target ? record->target : "");
        join(found->fields, sizeof found->fields, record);
    }
    if (found->then)
        found->then(found);
}

static void note_disposal(void *user)
{
    ((system_found *)user)->disposals++;
}

em_lookup system_begin_resolve_with(em_loop *loop, const char *name, const em_lookup_options *options,
                                    system_found *found)
{
    em_lookup lookup;
    assert_int_equal(em_loop_resolve(loop, name, options, note_addresses, found, note_disposal, &lookup), EM_OK);
    assert_int_equal(found->calls, 0);
    return lookup;
}

em_lookup system_begin_resolve(em_loop *loop, const char *name, system_found *found)
{
    return system_begin_resolve_with(loop, name, NULL, found);
}

em_lookup system_begin_query(em_loop *loop, const char *name, unsigned type, system_found *found)
{
    em_lookup lookup;
    assert_int_equal(em_loop_query(loop, name, type, NULL, note_answer, found, note_disposal, &lookup), EM_OK);
    assert_int_equal(found->calls, 0);
    return lookup;
}

void system_wait_for(em_loop *loop, const system_found *found)
{
    while (found->calls == 0)
        system_turn(loop);
    assert_int_equal(found->calls, 1);
}

system_found *system_resolve(em_loop *loop, const char *name)
{
    system_found *found = system_memory(sizeof *found);
    system_begin_resolve(loop, name, found);
    system_wait_for(loop, found);
    return found;
}

system_found *system_query(em_loop *loop, const char *name, unsigned type)
{
    system_found *found = system_memory(sizeof *found);
    system_begin_query(loop, name, type, found);
    system_wait_for(loop, found);
    return found;
}

void system_need_transport(em_loop *loop)
{
    const char *chosen = getenv("EM_RESOLVER");
    if (chosen && strcmp(chosen, "system") == 0)
        system_skip("EM_RESOLVER=system selects getaddrinfo(3)");
    system_found unused = {.calls = 0};
    em_lookup lookup;
    em_status status = em_loop_query(loop, "probe.test", EM_RECORD_A, NULL, note_answer, &unused, NULL, &lookup);
    if (status == EM_UNSUPPORTED)
        system_skip("the library was built without c-ares");
    assert_int_equal(status, EM_OK);
    assert_int_equal(em_loop_cancel_lookup(loop, lookup), EM_OK);
}

name_server *system_start_name_server(em_loop *loop)
{
    system_need_transport(loop);
    name_server *server = name_server_start(0);
    system_use_server(loop, server);
    return server;
}

void system_note_status(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                        void *user)
{
    (void)loop;
    (void)lookup;
    (void)addresses;
    (void)count;
    *(em_status *)user = status;
}
