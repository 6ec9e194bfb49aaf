/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Looking up names in system tests: a loop whose resolver asks a name_server, and one lookup at a time.
 */
#ifndef TEST_SYSTEM_NAMES_H
#define TEST_SYSTEM_NAMES_H

#include "support/name_server.h"
#include "support/system_test.h"

/** The result of a lookup. */
typedef struct system_found {
    unsigned calls;
    unsigned disposals;
    em_status status;
    size_t address_count;
    char texts[8][64]; /* of addresses, without the port 0 as "1.2.3.4:0" */
    int response_code;
    em_record record; /* the first one; its pointers are not valid */
    size_t record_count;
    char name[256];
    char canonical_name[256];
    char target[256];
    char fields[256]; /* joined by '|' */
    em_loop *loop;
    void (*then)(struct system_found *found); /* called at the end of the callback; may be NULL */
} system_found;

/** Options that ask this server only, with short times, and read no file. */
em_resolver_options system_ask(const name_server *server, const char *list[1]);

/** Sets the loop's resolver to these, of one server. */
void system_use_server(em_loop *loop, const name_server *server);

/** Starts a server and sets the loop's resolver to it. Skips the test where no name server can be asked. */
name_server *system_start_name_server(em_loop *loop);

/** For em_loop_resolve: stores the status where `user` points. */
void system_note_status(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                        void *user);

/** Begins a lookup of all addresses, or a query. `found` must outlive it. */
em_lookup system_begin_resolve(em_loop *loop, const char *name, system_found *found);
em_lookup system_begin_resolve_with(em_loop *loop, const char *name, const em_lookup_options *options,
                                    system_found *found);
em_lookup system_begin_query(em_loop *loop, const char *name, unsigned type, system_found *found);

/** Runs the loop until the callback has been called. */
void system_wait_for(em_loop *loop, const system_found *found);

/** Begin and wait. Returns memory of the test. */
system_found *system_resolve(em_loop *loop, const char *name);
system_found *system_query(em_loop *loop, const char *name, unsigned type);

/** Skips the test if name servers cannot be asked, because there is no c-ares. */
void system_need_transport(em_loop *loop);

#endif
