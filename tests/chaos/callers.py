"""Senders at a steady rate, through a balancer in front of the gateways."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from dingda.shared.dingtalk.message import Message, parse_message
from tests.faults.environment import EMPTY
from tests.support.builders import SESSION_MS, a_callback, now_ms
from tests.support.processes import signed

GIVE_UP_S = 2.5
"""DingTalk: a callback that is not answered by then has failed."""
_DELIVERIES = 5
_AGAIN_S = 1.0
_SHORT_MS = 7_000
_SHORT_SHARE = 0.005
_PEOPLE = 300
"""Few enough that some ask again before they have their answer."""


@dataclass
class SentMessage:
    """One message, and how it was acknowledged."""

    session: str
    id: str
    heard: str = "nothing"
    """`stored`, `busy` or `nothing`."""


@dataclass
class Callers:
    """Everything that was sent, and how it was acknowledged.

    Args:
        ports: the gateways'.
        webhook_port: DingTalk's.
        rng: decides what is sent.
        froze_since: whether the gateway at a port has been frozen since a moment.
    """

    ports: list[int]
    webhook_port: int
    rng: random.Random
    froze_since: Callable[[int, float], bool]
    asked: list[SentMessage] = field(default_factory=list)
    acks_s: list[float] = field(default_factory=list)
    awake_acks_s: list[float] = field(default_factory=list)
    """Those of gateways that were not frozen meanwhile."""
    unanswered: int = 0
    """Deliveries that a gateway died or froze over; each came again, as DingTalk does it."""
    _under_way: Counter[int] = field(default_factory=Counter)

    async def ask(self, *, seconds: float, per_s: float) -> None:
        """Ask for so long, and wait until everybody has heard something or given up."""
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2),
                timeout=aiohttp.ClientTimeout(total=GIVE_UP_S),
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            began = time.monotonic()
            while (now := time.monotonic()) < began + seconds:
                for _ in range(int((now - began) * per_s) - len(self.asked)):
                    group.create_task(self._ask_once(client))
                await asyncio.sleep(0.01)

    def next_message(self) -> tuple[SentMessage, bytes]:
        """Make another message; its body is for the caller to deliver."""
        session = str(len(self.asked))
        address = f"http://127.0.0.1:{self.webhook_port}/robot/sendBySession?session={session}"
        ends_ms = now_ms() + (_SHORT_MS if self.rng.random() < _SHORT_SHARE else SESSION_MS)
        body = a_callback(
            self._words(),
            msgId=f"msg{session}",
            senderId=f"$:LWCP_v1:$s{self.rng.randrange(_PEOPLE)}",
            sessionWebhook=address,
            sessionWebhookExpiredTime=ends_ms,
        )
        message = parse_message(body)
        assert isinstance(message, Message)
        asked = SentMessage(session, message.id)
        self.asked.append(asked)
        return asked, body

    async def _ask_once(self, client: aiohttp.ClientSession) -> None:
        asked, body = self.next_message()
        for _ in range(_DELIVERIES):
            heard = await self._deliver(client, body)
            if heard:
                asked.heard = heard
                return
            self.unanswered += 1
            await asyncio.sleep(_AGAIN_S)

    def _words(self) -> str:
        kind = self.rng.choices(("慢", "long", "text", "nobody's", "unclear"), (75, 3, 15, 5, 2))[0]
        if kind == "慢":
            return f"慢 {self.rng.uniform(0, 0.4):.2f}"
        if kind == "long":
            return f"慢 {self.rng.uniform(2, 6):.1f}"
        return {"text": "text", "nobody's": "吃了吗", "unclear": "慢"}[kind]

    async def _deliver(self, client: aiohttp.ClientSession, body: bytes) -> str | None:
        """Deliver once; as a balancer does, to another gateway if one does not even listen."""
        began = time.monotonic()
        while time.monotonic() < began + GIVE_UP_S:
            port = self._least_busy()
            self._under_way[port] += 1
            try:
                url = f"http://127.0.0.1:{port}/dd_robot/"
                async with client.post(url, data=body, headers=signed()) as response:
                    acknowledgement = await response.json()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)
                continue
            except (aiohttp.ClientError, TimeoutError, OSError):
                return None
            finally:
                self._under_way[port] -= 1
            took_s = time.monotonic() - began
            self.acks_s.append(took_s)
            if not self.froze_since(port, began):
                self.awake_acks_s.append(took_s)
            return "stored" if acknowledgement == EMPTY else "busy"
        return None

    def _least_busy(self) -> int:
        """The gateway with the fewest open requests, as nginx's `least_conn` has it."""
        fewest = min(self._under_way[port] for port in self.ports)
        return self.rng.choice([port for port in self.ports if self._under_way[port] == fewest])
