"""A simulated DingTalk in Stream mode, and one of the two bots that it pushes messages to."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from benchmarks.baselines.jobs import QUEUE
from benchmarks.candidates import DINGDA, Server, a_server
from benchmarks.errors import BenchmarkError
from benchmarks.processes import OURS, Served
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import MessageState
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.stream_simulator import StreamSimulator, a_stream_simulator

SDK = f"dingtalk-stream {version('dingtalk-stream')}"
"""DingTalk's own SDK, with a handler as its README has it (`baselines/sdk_bot.py`)."""
ANSWER = "等好了"
"""What the answer of either bot begins with."""

_WITHIN_S = 60.0
_WATCH_S = 0.2


class Supervised:
    """A process that is started again as soon as it is killed."""

    def __init__(self, *command: str, env: dict[str, str]) -> None:
        self._command = command
        self._env = env
        self._process = Served(*command, env=env)

    @property
    def cpu_s(self) -> float:
        """CPU seconds that it has used since it was last started."""
        return self._process.cpu_s

    def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        self._process.popen.kill()
        self._process.popen.wait()

    def start_again(self) -> None:
        """Start it again."""
        self._process.close()
        self._process = Served(*self._command, env=self._env)

    def check(self) -> None:
        """Make sure that it runs; see `Served.check`."""
        self._process.check()

    def close(self) -> None:
        """End it."""
        self._process.close()


class StreamBot:
    """A bot that hears over Stream.

    Args:
        name: what it is called in the samples.
        connection: the process that has the connection.
        worker: the process that answers, where that is another.
        server: the Redis between the two.
        url: the API of its DingTalk.
    """

    def __init__(
        self,
        name: str,
        url: str,
        connection: Supervised,
        worker: Supervised | None = None,
        server: Server | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.connection = connection
        self.worker = worker
        self.server = server

    def kill(self) -> None:
        """Kill all its processes at one moment; a supervisor starts them again at once."""
        processes = [each for each in (self.connection, self.worker) if each]
        for process in processes:
            process.kill()
        for process in processes:
            process.start_again()

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return {
            "connection": self.connection.cpu_s,
            "worker": self.worker.cpu_s if self.worker else 0.0,
            "redis": self.server.cpu_s if self.server else 0.0,
        }

    def dead_letters(self, records: Iterable[Record]) -> set[str]:
        """The ids of those messages that are left to an operator as dead letters."""
        if self.server is None:
            return set()
        keys, client = LedgerKeys(QUEUE), self.server.client
        return {
            record.msg_id
            for record in records
            if record.ledger_id
            and client.hget(keys.message(record.ledger_id), "state") == MessageState.DEAD.encode()
        }

    def check(self) -> None:
        """Make sure that its processes run."""
        for process in (self.connection, self.worker):
            if process:
                process.check()


@contextmanager
def an_sdk_bot(folder: Path, **rules: str) -> Iterator[StreamBot]:
    """The SDK's bot, and its DingTalk.

    Args:
        folder: must not exist yet.
        rules: settings of the simulator.
    """
    folder.mkdir()
    with ExitStack() as stack:
        simulator = stack.enter_context(a_stream_simulator(folder, rules))
        env = {
            "CLIENT_ID": simulator.client_id,
            "CLIENT_SECRET": simulator.client_secret,
            "DINGTALK_OPENAPI_ENDPOINT": simulator.openapi_url,
        }
        process = Supervised(OURS, "-m", "benchmarks.baselines.sdk_bot", env=env)
        stack.callback(process.close)
        yield StreamBot(SDK, simulator.url, process)


@contextmanager
def our_bot(folder: Path, **rules: str) -> Iterator[StreamBot]:
    """`dingda stream`, a worker and a Redis, and their DingTalk; see `an_sdk_bot`."""
    folder.mkdir()
    with ExitStack() as stack:
        simulator = stack.enter_context(a_stream_simulator(folder, rules))
        server = stack.enter_context(a_server(folder / "valkey"))
        env = _settings(server, simulator)
        stream, worker = (
            Supervised(OURS, "-m", *module, env=env)
            for module in (("dingda", "stream"), ("worker",))
        )
        stack.callback(stream.close)
        stack.callback(worker.close)
        yield StreamBot(DINGDA, simulator.url, stream, worker, server)


def _settings(server: Server, simulator: StreamSimulator) -> dict[str, str]:
    return {**server.env, **simulator.settings, "DINGDA_CONCURRENCY": "100"}


@asynccontextmanager
async def a_client(bot: StreamBot) -> AsyncIterator[SimulatorClient]:
    """A client of the bot's DingTalk, once the bot is connected and has answered a message.

    Raises:
        BenchmarkError: if it does not within a minute.
    """
    async with SimulatorClient(bot.url) as dingtalk:
        give_up_at = time.monotonic() + _WITHIN_S
        while not (await dingtalk.stream_state()).connections:
            await _pause(bot, give_up_at)
        while (first := await _say_first(dingtalk)) is None:
            await _pause(bot, give_up_at)
        while not (await dingtalk.record(first.msg_id)).shown:
            await _pause(bot, give_up_at)
        yield dingtalk


async def _say_first(dingtalk: SimulatorClient) -> Record | None:
    try:
        return await dingtalk.send(UserMessage("等 0"))
    except RequestRejectedError:  # the connection was that of a process that has ended
        return None


async def push(dingtalk: SimulatorClient, texts: Iterable[str], *, every_s: float) -> None:
    """Say each text as another person, evenly spread, whether the bot hears it or not.

    Returns once each is acknowledged, or has not been in time.
    """

    async def say(text: str) -> None:
        message = UserMessage(text, sender=secrets.token_hex(8), single=True)
        with suppress(RequestRejectedError):  # it was not acknowledged
            await dingtalk.send(message)

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, text in enumerate(texts, 1):
            group.create_task(say(text))
            await asyncio.sleep(began_s + number * every_s - time.monotonic())


async def answered(bot: StreamBot, dingtalk: SimulatorClient, count: int) -> list[Record]:
    """Wait until each of the latest messages has a reply; returns their records.

    Raises:
        BenchmarkError: if that takes a minute.
    """
    give_up_at = time.monotonic() + _WITHIN_S
    while True:
        records = (await dingtalk.records())[-count:]
        if all(record.shown for record in records):
            return records
        await _pause(bot, give_up_at)


async def _pause(bot: StreamBot, give_up_at: float) -> None:
    bot.check()
    if time.monotonic() > give_up_at:
        raise BenchmarkError(f"{bot.name} does not answer within {_WITHIN_S:g} s")
    await asyncio.sleep(_WATCH_S)
