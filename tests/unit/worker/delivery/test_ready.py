"""What is opened ahead of a server that can't be reached."""

import asyncio
from contextlib import ExitStack

import pytest

from dingda.worker.delivery.ready import MOST_READY, ReadyConnections
from dingda.worker.delivery.stream import Stream


class Host:
    """Counts the attempts to connect to it; they fail once it `has_decided`."""

    def __init__(self) -> None:
        self.attempts = 0
        self.has_decided = asyncio.Event()

    async def connect(self) -> Stream:
        self.attempts += 1
        await self.has_decided.wait()
        raise ConnectionRefusedError


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_server_that_is_down_is_tried_once_for_each_reply_that_is_expected() -> None:
    host = Host()
    host.has_decided.set()
    connections = ReadyConnections(host.connect)
    with ExitStack() as expected:
        for _ in range(100):
            expected.enter_context(connections.expect())
            await settled()
    assert host.attempts == 100


async def test_a_server_of_which_nothing_is_known_yet_is_tried_by_several_at_once() -> None:
    host = Host()
    connections = ReadyConnections(host.connect)
    with ExitStack() as expected:
        for _ in range(100):
            expected.enter_context(connections.expect())
        await settled()
        assert host.attempts == MOST_READY
        connections.close()
        await settled()


async def test_a_delivery_that_waited_for_a_connection_in_vain_does_not_wait_for_another() -> None:
    host = Host()
    connections = ReadyConnections(host.connect)
    with connections.expect():
        await settled()
    taking = asyncio.create_task(connections.take())
    await settled()
    host.has_decided.set()
    with pytest.raises(ConnectionRefusedError):
        await taking
    assert host.attempts == 1
