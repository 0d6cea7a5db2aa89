"""The addresses of a host, looked up once for all that want them."""

import asyncio
import socket

import pytest
from aiohappyeyeballs import AddrInfoType

from dingda.worker.delivery import addresses
from dingda.worker.delivery.addresses import Addresses, NameLookupError

FOUND: list[AddrInfoType] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]


class NameServer:
    """Answers when it is told to; fails as long as it has nothing to say."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.found: list[AddrInfoType] = FOUND

    async def look_up(self, *_: object) -> list[AddrInfoType]:
        self.asked += 1
        await self.may_answer.wait()
        if not self.found:
            raise NameLookupError
        return self.found


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    server = NameServer()
    monkeypatch.setattr(addresses, "look_up", server.look_up)
    return server


async def test_a_name_is_looked_up_once_for_all_that_want_it_at_a_time(
    name_server: NameServer,
) -> None:
    host = Addresses("dingtalk.example", 443)
    waiting = asyncio.gather(*(host.get() for _ in range(10)))
    await asyncio.sleep(0)
    name_server.may_answer.set()
    assert await waiting == [FOUND] * 10
    assert await host.get() == FOUND
    assert name_server.asked == 1


async def test_addresses_are_believed_for_a_moment_only(
    name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_BELIEVED_S", -1.0)
    name_server.may_answer.set()
    host = Addresses("dingtalk.example", 443)
    for _ in range(3):
        await host.get()
    assert name_server.asked == 3


async def test_a_failure_is_told_to_all_that_wait_and_not_believed(
    name_server: NameServer,
) -> None:
    host = Addresses("dingtalk.example", 443)
    name_server.found = []
    waiting = asyncio.gather(*(host.get() for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0)
    name_server.may_answer.set()
    assert [type(error) for error in await waiting] == [NameLookupError] * 3
    name_server.found = FOUND
    assert await host.get() == FOUND
    assert name_server.asked == 2


async def test_a_caller_that_gives_up_ends_the_look_up_for_nobody_else(
    name_server: NameServer,
) -> None:
    host = Addresses("dingtalk.example", 443)
    giving_up, waiting = (asyncio.create_task(host.get()) for _ in range(2))
    await asyncio.sleep(0)
    giving_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving_up
    name_server.may_answer.set()
    assert await waiting == FOUND


async def test_a_look_up_that_something_else_cancels_has_failed(name_server: NameServer) -> None:
    host = Addresses("dingtalk.example", 443)
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(host.get())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - before - {waiting}:
        task.cancel()
    with pytest.raises(NameLookupError):
        await waiting
    name_server.may_answer.set()
    assert await host.get() == FOUND
