# SPDX-License-Identifier: Ruby OR BSD-2-Clause
#
# usage: websocket_client.py URL CASE
#
# Talks to an echo server by python3-websockets and prints the results.

import asyncio
import sys

import websockets

LIMIT = 64 << 20


async def texts(socket):
    for text in ["hello", "", "Grüße, 世界", "x" * 70000]:
        await socket.send(text)
        print(await socket.recv() == text)


async def binary(socket):
    for length in [0, 125, 126, 65535, 65536, 3000000]:
        data = bytes(i * 7 % 256 for i in range(min(length, 4096))) * (length // 4096 + 1)
        await socket.send(data[:length])
        print(await socket.recv() == data[:length])


async def fragments(socket):
    await socket.send(["one ", "two ", "three"])
    print(await socket.recv())


async def many(socket):
    count = 5000
    sender = asyncio.create_task(send_all(socket, count))
    print(all([await socket.recv() == f"message {i}" for i in range(count)]))
    await sender


async def send_all(socket, count):
    for i in range(count):
        await socket.send(f"message {i}")


async def ping(socket):
    await (await socket.ping("are you there"))
    print("pong")


async def close(socket):
    await socket.send("close")
    try:
        await socket.recv()
    except websockets.ConnectionClosed as closed:
        print(closed.rcvd.code, closed.rcvd.reason)


async def leave(socket):
    await socket.close(code=1000)
    print("left")


async def drop(socket):
    socket.transport.abort()
    print("dropped")


async def forbidden(socket):
    # A reserved opcode: RFC 6455, section 5.2.
    socket.transport.write(b"\x83\x80\x00\x00\x00\x00")
    try:
        await socket.recv()
    except websockets.ConnectionClosed as closed:
        print(closed.rcvd.code if closed.rcvd else None)


async def many_clients(url):
    async def talk(i):
        async with websockets.connect(url, open_timeout=60) as socket:
            await socket.recv()
            await socket.send(f"from {i}")
            return await socket.recv() == f"from {i}"
    print(all(await asyncio.gather(*[talk(i) for i in range(200)])))


async def main(url, case):
    if case == "many_clients":
        return await many_clients(url)
    async with websockets.connect(url, max_size=LIMIT, open_timeout=60) as socket:
        print(await socket.recv())
        await globals()[case](socket)

asyncio.run(main(*sys.argv[1:]))
