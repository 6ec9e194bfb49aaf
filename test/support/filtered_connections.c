/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * With TEST_FILTER in the environment every connection of a test program has a filter from its beginning, so that the
 * tests of connections say the same of those with one. "transparent": the wire carries the plain bytes, so peers may
 * be bare sockets. "splitting": the same in pieces of random sizes. "records": with a handshake, records and pieces of
 * random sizes, where both ends are connections. At link time the library's emi_connection_create is replaced by the
 * function here.
 */
#include "support/filtered_connections.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_private.h"
#include "support/test_filter.h"

em_status __real_emi_connection_create(emi_net *net, const em_handler *handler, void *user, em_connection_state state,
                                       em_connection **connection);
em_status __wrap_emi_connection_create(emi_net *net, const em_handler *handler, void *user, em_connection_state state,
                                       em_connection **connection);

static uint64_t next_seed(void)
{
    static atomic_uint count;
    uint64_t seed = atomic_fetch_add(&count, 1) + 1;
    return next_random(&seed) | 1;
}

static const struct {
    const char *name;
    test_filter_options options;
    bool splits;
} kinds[] = {
    {"transparent", {.is_transparent = true, .piece_bytes = 16384}, false},
    {"splitting", {.is_transparent = true, .piece_bytes = 16384}, true},
    {"records", {.handshake_bytes = 100, .piece_bytes = 16384}, true},
};

static test_filter_options options_of(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        test_filter_options options = kinds[i].options;
        options.seed = kinds[i].splits ? next_seed() : 0;
        if (strcmp(kind, kinds[i].name) == 0)
            return options;
    }
    fprintf(stderr, "TEST_FILTER: no such filter: %s\n", kind);
    abort();
}

static em_status add_filter(em_connection *connection, const char *kind)
{
    const test_filter_options options = options_of(kind);
    test_filter *filter = test_filter_create(&options, NULL);
    em_status status = emi_gate_open(connection, &filter->filter, 0);
    if (status != EM_OK)
        filter->filter.operations->destroy(&filter->filter);
    return status;
}

/* NULL: none. */
static const char *chosen_kind(void)
{
    const char *kind = getenv("TEST_FILTER");
    return kind && kind[0] != '\0' ? kind : NULL;
}

bool connections_are_filtered(void)
{
    return chosen_kind() != NULL;
}

em_status __wrap_emi_connection_create(emi_net *net, const em_handler *handler, void *user, em_connection_state state,
                                       em_connection **connection)
{
    em_status status = __real_emi_connection_create(net, handler, user, state, connection);
    const char *kind = chosen_kind();
    if (status != EM_OK || !kind)
        return status;
    status = add_filter(*connection, kind);
    if (status != EM_OK)
        emi_connection_free(*connection);
    return status;
}
