# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: websocket_server.py PORT
#
# An echo server on python3-websockets that closes the connection on request.

import asyncio
import sys

import websockets


async def serve(socket):
    async for message in socket:
        if message == "close":
            return await socket.close(3001, "as asked")
        await socket.send(message)


async def main(port):
    async with websockets.serve(serve, "127.0.0.1", port, max_size=None):
        await asyncio.Future()

asyncio.run(main(int(sys.argv[1])))
