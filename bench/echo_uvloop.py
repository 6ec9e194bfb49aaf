#!/usr/bin/python3
# SPDX-License-Identifier: Ruby OR BSD-2-Clause
"""The echo server on uvloop, with a protocol, the fast way of asyncio. uvloop sets no-delay itself."""

import asyncio
import resource
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if len(sys.argv) != 2 or not sys.argv[1].isdigit():
    sys.exit(f"usage: {sys.argv[0]} PORT")
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
uvloop.install()
asyncio.run(main(int(sys.argv[1])))
