/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races several addresses, IPv6 and IPv4 mixed, and prints the one that was connected first. A program that resolves
 * names itself would leave out the addresses that it does not want, and pass the others on like this.
 * Try it, with the echo server running: race 8081 ::1 127.0.0.1
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 16 };

static void connection_completed(em_connection *connection)
{
    em_address peer;
    char text[EM_ADDRESS_TEXT_BYTES];
    em_connection_get_peer_address(connection, &peer);
    em_address_to_text(&peer, text, sizeof text);
    printf("connected to %s\n", text);
    em_connection_close(connection);
}

/* The reason's text lists every address that was tried. */
static void unbind(em_connection *connection, em_status status)
{
    em_status *outcome = em_connection_get_user(connection);
    em_reason reason = {.size = sizeof reason};
    if (status != EM_OK && em_connection_get_reason(connection, &reason) == EM_OK)
        printf("%s\n", reason.text);
    *outcome = status;
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler racer = {.connection_completed = connection_completed, .unbind = unbind};

int main(int count, char **arguments)
{
    em_address addresses[MOST];
    size_t found = 0;
    if (count < 3 || count > 2 + MOST) {
        fprintf(stderr, "usage: race PORT ADDRESS...\n");
        return 2;
    }
    int port = (int)strtol(arguments[1], NULL, 10);
    em_status status = EM_OK, outcome = EM_OK;
    for (int i = 2; status == EM_OK && i < count; i++)
        status = em_address_from_text(arguments[i], port, &addresses[found++]);
    em_connect_options options = {.size = sizeof options, .user = &outcome, .connect_timeout_ns = 5 * EM_SECONDS};
    em_loop *loop = NULL;
    if (status == EM_OK)
        status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_connect_addresses(loop, addresses, found, &racer, &options, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status == EM_OK ? outcome : status);
}
