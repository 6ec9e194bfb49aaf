# SPDX-License-Identifier: Ruby OR BSD-2-Clause
"""Sends a line and prints what comes back, until the other side closes or is silent for five seconds.

Try it, with the echo server running: python3 examples/python/echo_client.py 127.0.0.1 8081 quit
"""
import sys

import eventmachine as em


def connection_completed(connection):
    em.connection_send_text(connection, sys.argv[3] + "\n")


def receive_data(connection, data, length):
    sys.stdout.buffer.write(em.ffi.buffer(data, length))
    sys.stdout.flush()


def unbind(connection, reason):
    em.loop_stop(em.connection_get_loop(connection))
    if reason != em.OK:
        raise em.Error(reason)


def main(host, port):
    client = em.struct(
        "em_handler", connection_completed=connection_completed, receive_data=receive_data, unbind=unbind
    )
    stream = em.struct("em_stream_options", inactivity_timeout_ns=5 * em.SECONDS)
    options = em.struct("em_connect_options", stream=stream)
    with em.loop() as loop:
        em.loop_connect(loop, host, port, client, options, em.NULL)
        em.loop_run(loop)


if len(sys.argv) != 4:
    sys.exit("usage: echo_client.py HOST PORT LINE")
try:
    main(sys.argv[1], int(sys.argv[2]))
except em.Error as error:
    sys.exit(f"echo_client: {error}")
