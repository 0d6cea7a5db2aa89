"""A TCP stream on the loop that workers run on."""

import asyncio

import uvloop

from dingda.worker.delivery.accept_queue import AcceptQueue
from dingda.worker.delivery.stream import TCPStream


async def write_after_the_end() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = await AcceptQueue(1).enter()
    _, stream = await asyncio.get_running_loop().create_connection(
        lambda: TCPStream(place), "127.0.0.1", port
    )
    assert await stream.read() == b""
    await asyncio.sleep(0.05)
    assert not stream.is_idle
    stream.write(b"nobody reads this")
    stream.close()
    stream.abort()
    server.close()


def test_to_write_to_a_connection_that_is_lost_is_no_error() -> None:
    uvloop.run(write_after_the_end())
