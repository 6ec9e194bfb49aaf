/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* Our resolver, for names_measure.c. */
#include "names_measure.h"

#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

const int names_are_queued = 1;

static em_loop *loop;
static em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4};

static void check(em_status status)
{
    if (status != EM_OK)
        exit(em_status_report(status));
}

void names_open(const char *server, int port)
{
    char address[64];
    const char *list[] = {address};
    em_resolver_options resolver = {.size = sizeof resolver, .servers = list, .server_count = 1, .use_search = EM_OFF};

    snprintf(address, sizeof address, "%s:%d", server, port);
    check(em_loop_create(NULL, &loop));
    check(em_loop_set_resolver(loop, &resolver));
}

static void on_found(em_loop *of, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                     void *user)
{
    (void)of;
    (void)lookup;
    (void)addresses;
    (void)count;
    (void)user;
    names_found(status == EM_OK);
}

void names_look_up(const char *name)
{
    check(em_loop_resolve(loop, name, &options, on_found, NULL, NULL, NULL));
}

void names_turn(void)
{
    check(em_loop_run_once(loop, EM_FOREVER));
}

void names_wake(void)
{
    em_loop_wake(loop);
}
