/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * usage: udp_echo [port]
 *
 * Sends every datagram back to its sender, and ends when it gets "quit". Try it: nc -u 127.0.0.1 PORT
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void receive_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    em_datagram_socket_reply(socket, datagram, datagram->data, datagram->length);
    if (datagram->length >= 4 && memcmp(datagram->data, "quit", 4) == 0)
        em_datagram_socket_close_after_writing(socket);
}

/* Nobody listens there any more, for instance. The socket goes on. */
static void send_failed(em_datagram_socket *socket, const em_datagram_failure *failure)
{
    char peer[EM_ADDRESS_TEXT_BYTES];
    (void)socket;
    em_address_to_text(failure->peer, peer, sizeof peer);
    fprintf(stderr, "to %s: %s\n", peer, em_status_get_text(failure->status));
}

static void unbind(em_datagram_socket *socket, em_status reason)
{
    (void)reason;
    em_loop_stop(em_datagram_socket_get_loop(socket));
}

static const em_datagram_handler echo = {
    .receive_datagram = receive_datagram, .send_failed = send_failed, .unbind = unbind};

int main(int argc, char **argv)
{
    em_loop *loop;
    em_datagram_socket *socket;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_open_datagram_socket(loop, "127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &echo, NULL, &socket);
    if (status == EM_OK) {
        printf("listening on 127.0.0.1:%d\n", em_datagram_socket_get_port(socket));
        fflush(stdout);
        status = em_loop_run(loop);
    }
    em_loop_destroy(loop);
    return em_status_report(status);
}
