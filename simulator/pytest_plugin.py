"""A simulated DingTalk for the tests of your own skills; see docs/simulator.md.

In `conftest.py`:

    pytest_plugins = ["simulator.pytest_plugin"]

    @pytest.fixture(scope="session")
    def dingda_settings():
        return {"DINGDA_SKILLS": "coffee"}

and in a test:

    def test_coffee_is_ready(dingtalk):
        record = dingtalk.ask("咖啡")
        assert record.shown[0].payload["text"]["content"] == "咖啡好了，趁热喝"

What answers are the real gateway, queue and worker; they start once a session.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from simulator.bad_day import GOOD_DAY, BadDay, CallbackTrouble, ReplyTrouble
from simulator.callback import Said
from simulator.client import SimulatorClient
from simulator.record import Record
from simulator.stack import a_running_stack

WAIT_S = 20.0
"""How long an answer is waited for, unless a test says otherwise."""


class SimulatedDingTalk:
    """A DingTalk to speak to the bot through, from a test that may be `async` or not.

    Args:
        client: of a simulator that runs.
        portal: to the event loop of the client, which is in a thread of its own.
    """

    def __init__(self, client: SimulatorClient, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal

    def ask(
        self,
        text: str,
        *,
        sender: str = "张三",
        single: bool = False,
        published: bool = True,
        mention: bool = True,
        wait_s: float = WAIT_S,
    ) -> Record:
        """Say something to the bot, and wait until it has replied or is known not to.

        Args:
            text: without the mention.
            sender: who speaks.
            single: whether in a single chat, instead of in the group.
            published: whether DingTalk tells the asker's userid.
            mention: whether the bot is mentioned.
            wait_s: how long to wait, in seconds.

        Returns:
            What became of it: `.shown` are the replies that the chat shows.
        """
        record = self.say(
            Said(text, sender=sender, single=single, published=published, mention=mention)
        )
        return record if record.settled else self.look(record, wait_s=wait_s)

    def say(self, said: Said) -> Record:
        """Say something, and wait for the acknowledgement only."""
        return self._portal.call(self._client.send, said)

    def look(self, record: Record, *, wait_s: float = 0.0) -> Record:
        """What has become of a message by now, or within `wait_s` seconds."""

        async def look() -> Record:
            return await self._client.record(record.msg_id, wait_s=wait_s)

        return self._portal.call(look)

    def redeliver(self, record: Record) -> Record:
        """Let DingTalk send the same callback again."""
        return self._portal.call(self._client.redeliver, record.msg_id)

    def expire(self, record: Record) -> Record:
        """Close a message's session now."""
        return self._portal.call(self._client.expire, record.msg_id)

    @contextmanager
    def bad_day(
        self,
        *,
        callbacks: CallbackTrouble | None = None,
        replies: ReplyTrouble | None = None,
    ) -> Iterator[None]:
        """Let things go wrong in a `with` block."""
        self._portal.call(self._client.have, BadDay(callbacks, replies))
        try:
            yield
        finally:
            self._portal.call(self._client.have, GOOD_DAY)


@pytest.fixture(scope="session")
def dingda_settings() -> dict[str, str]:
    """Settings for the bot's processes; override it to load your own skills."""
    return {}


@pytest.fixture(scope="session")
def dingtalk_url(
    dingda_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the simulator's page and API are, with a bot behind them."""
    with a_running_stack(tmp_path_factory.mktemp("dingda"), dingda_settings) as url:
        yield url


@pytest.fixture
def dingtalk(dingtalk_url: str) -> Iterator[SimulatedDingTalk]:
    """A simulated DingTalk with the real bot behind it."""
    with start_blocking_portal() as portal:
        client = SimulatorClient(dingtalk_url)
        with portal.wrap_async_context_manager(client):
            yield SimulatedDingTalk(client, portal)
