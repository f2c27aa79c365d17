"""A server of the basic dialect on Python's websockets: it sends what it is told, and tells what it hears.

Prints its port, then each text frame it gets, one per line. Sends each line it reads as a text frame."""

import asyncio
import sys

from websockets.asyncio.server import serve


def tell(line):
    print(line, flush=True)


async def talk(connection):
    async def send_all():
        while line := await asyncio.to_thread(sys.stdin.readline):
            await connection.send(line.rstrip("\n"))

    sending = asyncio.create_task(send_all())
    async for frame in connection:
        tell(frame)
    sending.cancel()


async def main():
    async with serve(talk, "127.0.0.1", 0) as server:
        tell(server.sockets[0].getsockname()[1])
        await server.serve_forever()


asyncio.run(main())
