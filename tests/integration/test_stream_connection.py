"""A Stream client and DingTalk's side of it, on real sockets and in virtual time."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from aiohttp import web

from dingda.gateway.stream import frames
from dingda.gateway.stream.client import RENEW_AFTER_S, StreamClient
from dingda.gateway.stream.connection import FRAMES_AT_ONCE, LAST_ACKS_S, SILENCE_S
from dingda.gateway.stream.dispatcher import Reaction
from dingda.gateway.stream.frames import Frame
from dingda.gateway.stream.metrics import (
    ConnectResult,
    DisconnectReason,
    FrameOutcome,
    StreamMetrics,
    Topic,
)
from dingda.gateway.stream.opening import MAX_FRAME_BYTES, Opener
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.egress import DIRECT
from tests.support.log_lines import LogLines, log_lines
from tests.support.stream_server import (
    TICKET,
    ServerConnection,
    StreamServer,
    a_disconnect,
    a_frame,
    a_ping,
    stream_server,
)
from tests.support.virtual_time import skip_s, virtual_time_with_sockets

SECRET = "the-tests-own-secret"
ROBOT = Robot("dinga", name="小助手", app_key="dinga", secrets=(SECRET,), mode="stream")
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class NotedMetrics(StreamMetrics):
    """Notes what it is told to count."""

    def __init__(self) -> None:
        self.frames: list[tuple[Topic, FrameOutcome]] = []
        self.acks = 0
        self.connects: list[ConnectResult] = []
        self.disconnects: list[DisconnectReason] = []

    def frame_ended(self, topic: Topic, outcome: FrameOutcome) -> None:
        self.frames.append((topic, outcome))

    def acknowledged(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.acks += 1

    def connect_ended(self, result: ConnectResult) -> None:
        self.connects.append(result)

    def disconnected(self, reason: DisconnectReason) -> None:
        self.disconnects.append(reason)


@dataclass
class Client:
    """Our side: a Stream client, and a handler that a test can hold back."""

    stream: StreamClient
    metrics: NotedMetrics
    running: "asyncio.Task[None]"
    log: LogLines
    handled: list[Frame] = field(default_factory=list)
    most_at_once: int = 0
    stores_in_s: float = 0.0
    may_store: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        """What SIGTERM brings about."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


@asynccontextmanager
async def connected(server: StreamServer) -> AsyncIterator[Client]:
    """Keep a connection to a server for the length of a test; nothing secret is ever logged."""
    at_once = 0

    async def handle(frame: Frame, _: Robot) -> Reaction:
        nonlocal at_once
        client.handled.append(frame)
        at_once += 1
        client.most_at_once = max(client.most_at_once, at_once)
        try:
            await client.may_store.wait()
            await asyncio.sleep(client.stores_in_s)
        finally:
            at_once -= 1
        if frame.data == "busy":
            return Reaction(FrameOutcome.BUSY, None)
        if frame.data == "broken":
            raise ZeroDivisionError("what somebody wrote")
        return Reaction(FrameOutcome.STORED, frames.message_done(frame))

    metrics = NotedMetrics()
    opener = Opener(server.url, DIRECT, TLS)
    stream = StreamClient(ROBOT, opener, handle, metrics, random=Random(1))  # noqa: S311
    with log_lines(logging.DEBUG) as lines:
        client = Client(stream, metrics, asyncio.create_task(stream.run()), lines)
        client.may_store.set()
        try:
            yield client
        finally:
            await client.stop()
        assert stream.open_count == 0
        logged = json.dumps(lines.all, ensure_ascii=False)
        assert SECRET not in logged
        assert TICKET not in logged
        assert "the-tests-own-ticket" not in logged


def a_server() -> AbstractAsyncContextManager[StreamServer]:
    """DingTalk, for days of virtual time."""
    return stream_server(within_s=7 * 24 * 3600)


@asynccontextmanager
async def a_connection() -> AsyncIterator[tuple[StreamServer, Client, ServerConnection]]:
    async with a_server() as server, connected(server) as client:
        connection = await server.connection()
        await asyncio.sleep(1)
        yield server, client, connection


@virtual_time_with_sockets
async def test_it_signs_in_asks_for_its_topics_and_connects_with_the_ticket() -> None:
    async with a_connection() as (server, client, connection):
        (opening,) = server.opens
        assert (opening["clientId"], opening["clientSecret"]) == ("dinga", SECRET)
        assert {(each["type"], each["topic"]) for each in opening["subscriptions"]} == {
            ("EVENT", "*"),
            ("CALLBACK", "/v1.0/im/bot/messages/get"),
            ("CALLBACK", "/v1.0/card/instances/callback"),
        }
        assert opening["headers"]["Accept"] == "application/json"
        assert connection.ticket == f"{TICKET}dinga"
        assert client.metrics.connects == [ConnectResult.OPENED]


@virtual_time_with_sockets
async def test_each_frame_is_acknowledged_exactly_once() -> None:
    async with a_connection() as (_, client, connection):
        names = [f"frame-{number}" for number in range(500)]
        for name in names:
            await connection.send(a_frame(message_id=name))
        await connection.until(lambda each: len(each.acks) == len(names))
        await asyncio.sleep(60)
        assert sorted(ack["headers"]["messageId"] for ack in connection.acks) == sorted(names)
        assert client.metrics.acks == len(names)


@virtual_time_with_sockets
async def test_a_frame_is_acknowledged_only_once_its_content_is_stored() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame())
        await asyncio.sleep(10)
        assert connection.acks == []
        client.may_store.set()
        assert (await connection.until_acked())["code"] == 200


@virtual_time_with_sockets
async def test_what_is_not_stored_is_not_acknowledged_and_the_connection_lives_on() -> None:
    async with a_connection() as (server, client, connection):
        await connection.send(a_frame("busy", message_id="busy"))
        await connection.send(a_frame("broken", message_id="broken"))
        await connection.send(a_frame(message_id="good"))
        await connection.until_acked("good")
        assert len(connection.acks) == 1
        outcomes = {outcome for _, outcome in client.metrics.frames}
        assert outcomes == {FrameOutcome.BUSY, FrameOutcome.FAILED, FrameOutcome.STORED}
        assert "what somebody wrote" not in json.dumps(client.log.all)
        assert len(server.connections) == 1


@virtual_time_with_sockets
async def test_a_ping_is_answered_at_once_though_frames_are_in_hand() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame())
        await connection.send(a_ping("0da9"))
        ack = await connection.until_acked("ping-1")
        assert json.loads(ack["data"]) == {"opaque": "0da9"}
        client.may_store.set()


@virtual_time_with_sockets
async def test_no_more_frames_are_in_hand_than_are_stored_at_once() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        for number in range(FRAMES_AT_ONCE + 50):
            await connection.send(a_frame(message_id=f"frame-{number}"))
        await asyncio.sleep(10)
        client.may_store.set()
        await connection.until(lambda each: len(each.acks) == FRAMES_AT_ONCE + 50)
        assert client.most_at_once == FRAMES_AT_ONCE


@virtual_time_with_sockets
async def test_hostile_frames_end_nothing() -> None:
    async with a_connection() as (server, _, connection):
        large = "x" * (MAX_FRAME_BYTES - 1000)
        hostile: list[str | bytes] = [
            "",
            "nonsense",
            "[" * 100_000,
            '{"a":' * 100_000,
            "[]",
            '{"headers": 1}',
            '{"headers": {"messageId": {"a": 1}}}',
            json.dumps(a_frame(message_id="x" * 1000)),
            json.dumps({"headers": {"messageId": "1", "topic": 5}, "type": [], "data": 1}),
            b"\x00\x01\x02",
            b"\xff\xfe",
            json.dumps(a_ping(large, message_id="large-ping")),
            json.dumps(a_frame(large, message_id="large")),
        ]
        for frame in hostile:
            await connection.send(frame)
        await connection.send(a_frame(message_id="good"))
        await connection.until_acked("good")
        assert len(server.connections) == 1


@virtual_time_with_sockets
async def test_a_frame_beyond_all_bounds_costs_its_connection_and_nothing_else() -> None:
    async with a_connection() as (server, client, connection):
        await connection.send("x" * (MAX_FRAME_BYTES + 1))
        await connection.until_closed()
        assert connection.close_code == 1009
        second = await server.connection(2)
        await second.send(a_frame())
        await second.until_acked()
        assert client.metrics.disconnects == [DisconnectReason.ERROR]


@virtual_time_with_sockets
async def test_silence_is_death_although_pongs_still_come() -> None:
    async with a_connection() as (server, client, connection):
        began_s = asyncio.get_running_loop().time()
        second = await server.connection(2)
        assert asyncio.get_running_loop().time() - began_s < SILENCE_S + 10
        await connection.until_closed()
        assert client.metrics.disconnects == [DisconnectReason.SILENCE]
        await second.send(a_frame())
        await second.until_acked()


@virtual_time_with_sockets
async def test_what_came_while_the_process_was_stopped_is_read_before_silence_is_death() -> None:
    async with a_connection() as (server, client, connection):
        for name in ("stopped", "stopped-again"):
            await connection.send(a_frame(message_id=name))
            skip_s(100)
            await connection.until_acked(name)
        skip_s(100)
        await server.connection(2)
        assert client.metrics.disconnects == [DisconnectReason.SILENCE]


@virtual_time_with_sockets
async def test_pings_of_the_server_keep_a_connection() -> None:
    async with a_connection() as (server, _, connection):
        for number in range(20):
            await asyncio.sleep(SILENCE_S - 10)
            await connection.send(a_ping(message_id=f"ping-{number}"))
            await connection.until_acked(f"ping-{number}")
        assert len(server.connections) == 1


@virtual_time_with_sockets
@pytest.mark.parametrize("how", ["cut", "close"])
async def test_a_lost_connection_is_replaced(how: str) -> None:
    async with a_connection() as (server, client, connection):
        if how == "close":
            await connection.close()
        else:
            connection.cut()
        second = await server.connection(2)
        await second.send(a_frame())
        await second.until_acked()
        assert len(client.metrics.disconnects) == 1
        assert len(server.opens) == 2


@virtual_time_with_sockets
async def test_the_next_connection_is_open_before_one_that_dingtalk_ends_is_closed() -> None:
    async with a_connection() as (server, client, connection):
        await asyncio.sleep(60)
        await connection.send(a_disconnect())
        await connection.until_acked("disconnect-1")
        second = await server.connection(2)
        assert not connection.is_closed
        await connection.send(a_frame(message_id="late"))
        await second.send(a_frame(message_id="new"))
        await connection.until_acked("late")
        await second.until_acked("new")
        await connection.until_closed()
        assert connection.close_code == 1000
        await asyncio.sleep(1)
        assert client.metrics.disconnects == [DisconnectReason.TOLD]
        assert "connection is expired" in client.log.one("wants another")["message"]


@virtual_time_with_sockets
async def test_what_is_stored_after_a_hand_over_is_acknowledged_where_it_came_from() -> None:
    async with a_connection() as (server, client, connection):
        await asyncio.sleep(60)
        client.may_store.clear()
        await connection.send(a_frame(message_id="old"))
        await connection.send(a_disconnect())
        second = await server.connection(2)
        await second.send(a_frame(message_id="new"))
        await asyncio.sleep(1)
        client.may_store.set()
        await connection.until_acked("old")
        await second.until_acked("new")
        assert not second.acked("old")
        assert not connection.acked("new")


@virtual_time_with_sockets
async def test_there_are_never_more_than_two_connections_whatever_the_server_asks_for() -> None:
    async with a_connection() as (server, client, _):
        most = 0
        for number in range(1, 12):
            connection = await server.connection(number)
            most = max(most, len(server.open_connections), client.stream.open_count)
            await connection.send(a_disconnect())
            await connection.send(a_disconnect())
        await server.connection(12)
        assert most <= 2
        await asyncio.sleep(20)
        assert len(server.open_connections) == client.stream.open_count == 1
        assert client.metrics.disconnects == [DisconnectReason.TOLD] * 11


@virtual_time_with_sockets
async def test_connections_that_end_as_soon_as_they_open_are_not_opened_at_full_speed() -> None:
    async with a_connection() as (server, _, connection):
        began_s = asyncio.get_running_loop().time()
        await connection.send(a_disconnect())
        for number in range(2, 15):
            await (await server.connection(number)).send(a_disconnect())
        assert asyncio.get_running_loop().time() - began_s > 60


def test_a_connection_is_renewed_at_least_daily() -> None:
    assert 3600 < RENEW_AFTER_S[0] < RENEW_AFTER_S[1] < 24 * 3600


@virtual_time_with_sockets
async def test_an_old_connection_is_replaced_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dingda.gateway.stream.client.RENEW_AFTER_S", (300, 400))
    async with a_connection() as (server, client, connection):
        began_s = asyncio.get_running_loop().time()
        renewing = asyncio.create_task(server.connection(2))
        while not renewing.done():
            await connection.send(a_ping())
            await asyncio.wait({renewing}, timeout=20)
        assert 250 <= asyncio.get_running_loop().time() - began_s <= 420
        await connection.until_closed()
        await asyncio.sleep(1)
        assert connection.close_code == 1000
        assert client.metrics.disconnects == [DisconnectReason.RENEWED]


@virtual_time_with_sockets
async def test_a_wrong_secret_is_said_and_not_tried_again_at_once() -> None:
    async with a_server() as server:
        body = {"requestid": "1", "code": "authFailed", "message": "鉴权失败"}
        server.refusals = [web.json_response(body, status=401) for _ in range(3)]
        loop = asyncio.get_running_loop()
        async with connected(server) as client:
            times = []
            for count in (1, 2, 3, 4):
                await server.until_opens(count)
                times.append(loop.time())
            pauses = [after - before for before, after in pairwise(times)]
            assert pauses[0] >= 54
            assert all(pause >= 270 for pause in pauses[1:])
            await server.connection()
            await asyncio.sleep(1)
            said = [line for line in client.log.all if "authFailed" in line["message"]]
            assert len(said) == 3
            assert all(line["severity"] == "ERROR" for line in said)
            assert "Client Secret" in said[0]["message"]
            assert client.metrics.connects == [ConnectResult.REFUSED] * 3 + [ConnectResult.OPENED]


@virtual_time_with_sockets
async def test_an_outage_is_waited_out_with_a_new_ticket_for_each_attempt() -> None:
    async with a_server() as server:
        server.refusals = [web.Response(status=503, text="<html>") for _ in range(5)]
        async with connected(server) as client:
            await server.connection()
            await asyncio.sleep(1)
            assert len(server.opens) == 6
            assert client.metrics.connects == [ConnectResult.FAILED] * 5 + [ConnectResult.OPENED]


@virtual_time_with_sockets
@pytest.mark.parametrize("endpoint", ["ws://10.0.0.5:1/connect", "https://example.org/connect"])
async def test_no_endpoint_elsewhere_is_connected_to_without_tls(endpoint: str) -> None:
    async with a_server() as server:
        server.endpoint = endpoint
        async with connected(server) as client:
            await server.until_opens(2)
            assert client.metrics.connects[0] is ConnectResult.REFUSED
            assert server.connections == []


@virtual_time_with_sockets
async def test_a_redirect_is_not_followed() -> None:
    async with a_server() as server:
        server.refusals = [web.Response(status=307, headers={"location": f"{server.url}/other"})]
        async with connected(server) as client:
            await server.connection()
            await asyncio.sleep(1)
            assert client.metrics.connects == [ConnectResult.FAILED, ConnectResult.OPENED]
            assert "redirects" in json.dumps(client.log.all)


@virtual_time_with_sockets
async def test_the_end_waits_for_what_is_in_hand_and_then_closes() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame(message_id="in-hand"))
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(client.stop())
        await asyncio.sleep(0.5)
        assert not connection.is_closed
        client.may_store.set()
        await stopping
        await connection.until_closed()
        assert len(connection.acked("in-hand")) == 1
        assert connection.close_code == 1000
        assert client.metrics.disconnects == [DisconnectReason.STOPPED]


@virtual_time_with_sockets
async def test_what_comes_after_the_last_that_is_acknowledged_is_stored_all_the_same() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame(message_id="in-hand"))
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(client.stop())
        await asyncio.sleep(0.5)
        await connection.send(a_frame(message_id="late"))
        await asyncio.sleep(0.5)
        client.may_store.set()
        await stopping
        assert [frame.message_id for frame in client.handled] == ["in-hand", "late"]
        assert connection.acked("late") == []


@virtual_time_with_sockets
async def test_under_load_the_end_acknowledges_all_that_is_in_hand() -> None:
    async with a_connection() as (_, client, connection):

        async def load() -> None:
            with suppress(OSError):
                for number in range(2000):
                    await connection.send(a_frame(message_id=f"frame-{number}"))
                    await asyncio.sleep(0.001)

        loading = asyncio.create_task(load())
        await connection.until(lambda each: len(each.acks) > 100)
        client.stores_in_s = 0.01
        await connection.until(lambda each: len(each.acks) > 200)
        begun = len(client.handled)
        await client.stop()
        await loading
        acked = [ack["headers"]["messageId"] for ack in connection.acks]
        handled = [frame.message_id for frame in client.handled]
        assert acked == handled[: len(acked)]
        assert len(acked) >= begun


def clog(connection: ServerConnection) -> "asyncio.Task[None]":
    """Read nothing more, and have so much sent that it fills every buffer on the way."""
    connection.stop_reading()
    large = "x" * (MAX_FRAME_BYTES - 1000)

    async def send() -> None:
        with suppress(OSError):
            for number in range(30):
                await connection.send(a_ping(large, message_id=f"ping-{number}"))

    return asyncio.create_task(send())


@virtual_time_with_sockets
async def test_a_server_that_reads_nothing_any_more_is_left_for_another_connection() -> None:
    async with a_connection() as (server, client, connection):
        clogging = clog(connection)
        second = await server.connection(2)
        await second.send(a_frame())
        await second.until_acked()
        await asyncio.sleep(30)
        assert client.stream.open_count == 1
        assert client.metrics.disconnects == [DisconnectReason.ERROR]
        await clogging


@virtual_time_with_sockets
async def test_the_end_does_not_wait_for_a_server_that_reads_nothing_any_more() -> None:
    async with a_connection() as (_, client, connection):
        clogging = clog(connection)
        await asyncio.sleep(10)
        began_s = asyncio.get_running_loop().time()
        await client.stop()
        assert asyncio.get_running_loop().time() - began_s < 10
        await clogging


@virtual_time_with_sockets
async def test_the_end_does_not_wait_for_ever() -> None:
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame(message_id="stuck"))
        await asyncio.sleep(0.5)
        began_s = asyncio.get_running_loop().time()
        await client.stop()
        assert asyncio.get_running_loop().time() - began_s < 10
        assert connection.acks == []


@virtual_time_with_sockets
async def test_the_end_comes_at_the_moment_at_which_silence_is_death() -> None:
    a_moment_s = time.get_clock_info("monotonic").resolution
    async with a_connection() as (_, client, connection):
        client.may_store.clear()
        await connection.send(a_frame(message_id="stuck"))
        # Both are due in one turn of the loop, the end's time first.
        await asyncio.sleep(SILENCE_S - LAST_ACKS_S - a_moment_s / 2)
        await client.stop()
        assert client.running.cancelled()


@virtual_time_with_sockets
async def test_it_can_be_stopped_while_it_waits_for_its_next_attempt() -> None:
    async with a_server() as server:
        server.refusals = [web.Response(status=401) for _ in range(9)]
        async with connected(server) as client:
            await server.until_opens(1)
            began_s = asyncio.get_running_loop().time()
            await client.stop()
            assert asyncio.get_running_loop().time() == began_s
