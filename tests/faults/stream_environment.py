"""The bot in Stream mode on real processes, and what became of each message's first delivery."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import redis

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.stream_frames import ROBOT_TOPIC
from dingda.simulator.dingtalk.stream_pushes import PushRecord
from dingda.simulator.dingtalk.stream_state import ConnectionKind
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.simulated_stream import SimulatedStream
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from tests.faults.environment import FaultEnvironment
from tests.faults.load import Load
from tests.faults.proxy import Proxy
from tests.support.builders import KEYS
from tests.support.processes import (
    SECRET,
    Process,
    SessionWebhook,
    Valkey,
    process,
    valkey,
    wait_until,
)

NO_CONNECTION, NO_ACK = "no_connection", "no_ack"
STORED_ONLY = "stored, not acknowledged"
_RULES = {
    "DINGDA_SIMULATOR_STREAM_ACK_S": "2",
    "DINGDA_SIMULATOR_STREAM_REDELIVER_S": "2",
    "DINGDA_SIMULATOR_STREAM_REDELIVERIES": "1000",
}
"""DingTalk is thought to send again after 16 to 60 s, if at all; here no row waits that long."""
_CONNECTS_WITHIN_S = 60.0


class StreamEnvironment(FaultEnvironment):
    """A Redis, a fake sessionWebhook and a DingTalk that pushes; the rest is for a test to start.

    Args:
        server: the Redis that everything is in.
        webhook: where replies go.
        stream: DingTalk's connections.
        dingtalk_url: where the simulator's API is.
        stream_settings: what a Stream process needs to connect.
        settings: what every process is set to besides.
    """

    def __init__(
        self,
        server: Valkey,
        webhook: SessionWebhook,
        stream: SimulatedStream,
        *,
        dingtalk_url: str,
        stream_settings: dict[str, str],
        settings: dict[str, str],
    ) -> None:
        super().__init__(server, webhook, "", server.url, settings)
        self.stream = stream
        self._push_url = f"{dingtalk_url}/api/stream/frames"
        self._stream_settings = stream_settings

    @contextmanager
    def stream_process(self, **settings: str) -> Iterator[Process]:
        """A Stream process that has connected."""
        env = {"DINGDA_REDIS_URL": self.redis_url, **self.settings, **self._stream_settings}
        with process("-m", "dingda", "stream", env=env | settings) as started:
            started.wait_for("connected to DingTalk", within_s=_CONNECTS_WITHIN_S)
            yield started

    def connections(self, state: ConnectionKind) -> set[str]:
        """The ids of the connections that are in a state; `open`: messages come by it."""
        return {each.id for each in self.stream.state.connections if each.state == state}

    def push(self, client: httpx.Client, body: bytes) -> str:
        """Let DingTalk push a message to its robot; returns what became of the first delivery.

        It is `stored`, or why it would have been lost if it did not come again; `STORED_ONLY`
        would not, as only its acknowledgement was.
        """
        several = "DINGDA_ROBOTS" in self.settings
        app = json.loads(body)["robotCode"] if several else APP_KEY
        frame = {"type": "CALLBACK", "topic": ROBOT_TOPIC, "data": body.decode(), "clientId": app}
        response = client.post(self._push_url, json=frame)
        pushed = PushRecord.from_json(response.content)
        if pushed.undelivered is None:
            code = pushed.acks[0].code
            return "stored" if code == HTTPStatus.OK else str(code)
        return STORED_ONLY if self._is_stored(body) else pushed.undelivered.value

    def expect_each_answered_once(self, count: int, *, within_s: float = 90.0) -> None:
        """Wait until whatever was pushed has come again, then check as every row does.

        Args:
            count: how many messages were pushed.
            within_s: how long the last may take to be stored, in seconds.
        """
        wait_until(lambda: self.counts().accepted >= count, within_s=within_s)
        self.expect_ends(answered=count, within_s=60.0)
        assert len(self.shown()) == count
        wait_until(lambda: self.stream.state.acked == count, within_s=within_s)
        state = self.stream.state
        assert (state.pushed, state.lost) == (count, 0)
        assert (state.second, state.unknown, state.invalid) == (0, 0, 0)

    def _is_stored(self, body: bytes) -> bool:
        message = parse_message(body)
        assert isinstance(message, Message)
        try:
            with self.server.client(socket_timeout=0.5) as client:
                return bool(client.exists(KEYS.message(message.id), KEYS.ended(message.id)))
        except redis.RedisError:
            return False


def as_figure(*loads: Load) -> str:
    """What became of the messages, and what would have if DingTalk had sent none again."""
    outcomes = sum((sent.outcomes for sent in loads), Counter[str]())
    unconnected, unacknowledged = outcomes[NO_CONNECTION], outcomes[NO_ACK]
    return (
        f"0 of {outcomes.total()} lost, 0 twice; without redelivery "
        f"{unconnected + unacknowledged} lost ({unconnected} found no connection), "
        f"{outcomes[STORED_ONLY]} stored though not acknowledged"
    )


@contextmanager
def stream_environment(folder: Path, *, robots: str = "") -> Iterator[StreamEnvironment]:
    """An environment for one test.

    Args:
        folder: where the server and the simulator keep what is theirs.
        robots: DINGDA_ROBOTS, if there are several.
    """
    with ExitStack() as parts:
        yield _environment(folder, parts, robots)


@contextmanager
def stream_environment_behind_proxy(folder: Path) -> Iterator[tuple[StreamEnvironment, Proxy]]:
    """An environment whose Stream processes reach DingTalk through a proxy."""
    with Proxy(0) as proxy, ExitStack() as parts:
        yield _environment(folder, parts, "", proxy), proxy


def _environment(
    folder: Path, parts: ExitStack, robots: str, proxy: Proxy | None = None
) -> StreamEnvironment:
    settings = {"DINGDA_APP_SECRET": "" if robots else SECRET}
    settings |= {"DINGDA_ROBOTS": robots} if robots else {}
    server = parts.enter_context(valkey(folder / "valkey", appendfsync="always"))
    app_key = {"DINGDA_APP_KEY": "" if robots else APP_KEY}
    public = {"DINGDA_SIMULATOR_PUBLIC_URL": f"http://127.0.0.1:{proxy.port}"} if proxy else {}
    simulator = parts.enter_context(
        a_stream_simulator(folder, _RULES | settings | app_key | public)
    )
    openapi_url = simulator.openapi_url
    if proxy:
        proxy.target = httpx.URL(simulator.url).port or 0
        openapi_url = f"http://127.0.0.1:{proxy.port}/openapi"
    dingtalk = parts.enter_context(SimulatedDingTalk.at(simulator.url))
    return StreamEnvironment(
        server,
        parts.enter_context(SessionWebhook()),
        dingtalk.stream,
        dingtalk_url=simulator.url,
        stream_settings=app_key | {"DINGDA_OPENAPI_URL": openapi_url},
        settings=settings,
    )
