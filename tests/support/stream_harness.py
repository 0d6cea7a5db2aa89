"""A Stream client without a socket, and a simulated DingTalk on the running loop's clock."""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any, Self

from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_connection import StreamConnection
from dingda.simulator.dingtalk.stream_frames import ANY_EVENT, CARD_TOPIC, ROBOT_TOPIC, Push
from dingda.simulator.dingtalk.stream_rules import DEFAULT_RULES, StreamRules
from tests.support.simulator_harness import NOW_MS

CLIENT_ID, CLIENT_SECRET = "dingapp", "the app's secret"
EVERYTHING = (("EVENT", ANY_EVENT), ("CALLBACK", ROBOT_TOPIC), ("CALLBACK", CARD_TOPIC))


def a_stream(
    *, rules: StreamRules = DEFAULT_RULES, seed: int = 1, apps: dict[str, list[str]] | None = None
) -> Stream:
    """A simulated DingTalk whose chance is fixed."""

    def now_s() -> float:
        return asyncio.get_running_loop().time()

    return Stream(
        apps or {CLIENT_ID: [CLIENT_SECRET]},
        rng=Random(seed),  # noqa: S311 - a test repeats
        now_ms=lambda: NOW_MS + round(now_s() * 1000),
        now_s=now_s,
        rules=rules,
    )


def opening(
    client_id: str = CLIENT_ID,
    secret: str = CLIENT_SECRET,
    topics: tuple[tuple[str, str], ...] = EVERYTHING,
    **fields: object,
) -> dict[str, object]:
    """The body of a request to open a connection."""
    subscriptions = [{"type": type_, "topic": topic} for type_, topic in topics]
    return {
        "clientId": client_id,
        "clientSecret": secret,
        "subscriptions": subscriptions,
        **fields,
    }


def a_push(msg_id: str = "msg1") -> Push:
    return Push("CALLBACK", ROBOT_TOPIC, json.dumps({"msgId": msg_id}))


Frame = dict[str, Any]


class StreamClient:
    """One client's connection; it acknowledges what `acks` says, at once."""

    connection: StreamConnection
    acks: Callable[[Frame], bool]

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.frames: list[Frame] = []
        self.is_cut = False
        self.acks = lambda _: True
        self.code = 200

    @classmethod
    def connected(cls, stream: Stream, **fields: Any) -> Self:
        client = cls(stream)
        ticket = stream.open(opening(**fields))
        assert isinstance(ticket, str)
        connection = stream.connect(ticket, client)
        assert connection is not None
        client.connection = connection
        return client

    @property
    def pushes(self) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] != "SYSTEM"]

    @property
    def topics(self) -> list[str]:
        return [frame["headers"]["topic"] for frame in self.frames]

    def send(self, text: str) -> None:
        frame: Frame = json.loads(text)
        self.frames.append(frame)
        if self.acks(frame):
            # Not within `send`: an ack takes a round trip.
            asyncio.get_running_loop().call_soon(self.acknowledge, frame)

    def cut(self) -> None:
        self.is_cut = True
        self.close()

    def close(self) -> None:
        self._stream.disconnected(self.connection)

    def acknowledge(self, frame: Frame, *, data: str | None = None) -> None:
        """Acknowledge a frame, with its own data unless told otherwise."""
        ack = {
            "code": self.code,
            "message": "OK",
            "headers": {"messageId": frame["headers"]["messageId"]},
            "data": frame["data"] if data is None else data,
        }
        self._stream.receive(self.connection, json.dumps(ack))
