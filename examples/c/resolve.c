/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names: prints the addresses of a name, and its mail servers.
 * Try it: resolve example.com
 */
#include <eventmachine.h>
#include <stdio.h>

static int pending;

static void finish(em_loop *loop)
{
    if (--pending == 0)
        em_loop_stop(loop);
}

static void resolved(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                     void *user)
{
    (void)lookup;
    (void)user;
    char text[EM_ADDRESS_TEXT_BYTES];
    if (status != EM_OK)
        printf("addresses: %s\n", em_status_get_text(status));
    for (size_t i = 0; i < count; i++) {
        em_address_to_text(&addresses[i], text, sizeof text);
        printf("address %s\n", text);
    }
    finish(loop);
}

static void queried(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user)
{
    (void)lookup;
    (void)user;
    if (status != EM_OK)
        printf("mail servers: %s\n", em_status_get_text(status));
    for (size_t i = 0; i < answer->record_count; i++)
        printf("mail server %s, preference %d\n", answer->records[i].target, answer->records[i].priority);
    finish(loop);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "localhost";
    em_lookup_options options = {.size = sizeof options, .port = 80, .timeout_ns = 10 * EM_SECONDS};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_resolve(loop, name, &options, resolved, NULL, NULL, NULL);
    if (status == EM_OK) {
        pending++;
        if (em_loop_query(loop, name, EM_RECORD_MX, &options, queried, NULL, NULL, NULL) == EM_OK)
            pending++;
        status = em_loop_run(loop);
    }
    em_loop_destroy(loop);
    return em_status_report(status);
}
