"""A server of the basic dialect on Python's websockets: it sends what it is told, and tells what it hears.

Prints its port, then each text frame it gets, one per line. Sends each line it reads as a text frame to the client
that connected last; an empty line ends that client's connection without a word."""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

last = None


def tell(line):
    print(line, flush=True)


async def talk(connection):
    global last
    last = connection
    try:
        async for frame in connection:
            tell(frame)
    except ConnectionClosed:
        pass


async def say_all():
    while line := await asyncio.to_thread(sys.stdin.readline):
        if frame := line.rstrip("\n"):
            await last.send(frame)
        else:
            last.transport.abort()


async def main():
    async with serve(talk, "127.0.0.1", 0) as server:
        tell(server.sockets[0].getsockname()[1])
        await say_all()


asyncio.run(main())
