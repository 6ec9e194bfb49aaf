/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The echo server for datagrams on our library, which its programs run with their options. */
#ifndef BENCH_DATAGRAMS_EVENTMACHINE_H
#define BENCH_DATAGRAMS_EVENTMACHINE_H

#include "echo_support.h"

#include <eventmachine.h>

static void receive_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    em_datagram_socket_reply(socket, datagram, datagram->data, datagram->length);
}

static const em_datagram_handler echo = {.receive_datagram = receive_datagram};

static inline int datagrams_run(int port, const em_datagram_options *options)
{
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);

    if (status == EM_OK)
        status = em_loop_open_datagram_socket(loop, "127.0.0.1", port, &echo, options, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}

#endif
