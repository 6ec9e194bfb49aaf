# SPDX-License-Identifier: Ruby OR BSD-2-Clause
"""The echo server of the README, in Python. Try it: python3 examples/python/echo_server.py, and nc 127.0.0.1 8081"""
import signal
import sys

import eventmachine as em


def receive_data(connection, data, length):
    if em.connection_get_state(connection) != em.STATE_OPEN:
        return  # it has said quit
    em.connection_send_text(connection, ">>>you sent: ")
    em.connection_send(connection, data, length)
    if bytes(em.ffi.buffer(data, length)).startswith(b"quit"):
        em.connection_close_after_writing(connection)


def main(port):
    # Python's own handler would wait until Python code runs, that is until something arrives.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    echo = em.struct("em_handler", receive_data=receive_data)
    server = em.ffi.new("em_server **")
    with em.loop() as loop:
        em.loop_start_server(loop, "127.0.0.1", port, echo, em.NULL, server)
        print(f"listening on 127.0.0.1:{em.server_get_port(server[0])}", flush=True)
        em.loop_run(loop)


try:
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8081)
except em.Error as error:
    sys.exit(f"echo_server: {error}")
