"""`dingda stream` as a process, between DingTalk's side of Stream mode and a real Redis."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from dingda.gateway.stream.frames import CARD_ACTION, EVENT
from dingda.shared.dingtalk.card_action import response_to
from dingda.simulator.testing.processes import free_port
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    ROOT,
    SECRET,
    Process,
    Valkey,
    gateway,
    post_callback,
    process,
    valkey,
)
from tests.support.stream_server import (
    TICKET,
    ServerConnection,
    StreamServer,
    a_disconnect,
    a_frame,
    a_ping,
    stream_server,
)

STREAM = ("-m", "dingda", "stream")
OTHER_NAME = ("-m", "gateway", "--stream")
TWO_ROBOTS = {
    "DINGDA_ROBOTS": json.dumps(
        [
            {"code": "dinga", "app_key": "dinga", "secret": SECRET, "mode": "stream"},
            {"code": "dingb", "app_key": "dingb", "secret": SECRET + "-b", "mode": "stream"},
            {"code": "dingc", "app_key": "dingc", "secret": SECRET + "-c", "mode": "http"},
        ]
    ),
    "DINGDA_APP_KEY": "",
    "DINGDA_APP_SECRET": "",
}
"""Two in Stream mode, and one that isn't."""


@dataclass(frozen=True)
class Stack:
    """DingTalk, a Stream process and Redis."""

    dingtalk: StreamServer
    process: Process
    redis: Valkey
    metrics: str

    def stored(self) -> int:
        """How many messages Redis has."""
        with self.redis.client() as client:
            return int(str(client.hget(KEYS.count, "accepted") or 0))

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://{self.metrics}{path}", timeout=10)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        return await asyncio.to_thread(self.process.stop, number)


def environment(dingtalk: StreamServer, redis: Valkey) -> dict[str, str]:
    """What a Stream process needs to hear, and to store."""
    return {
        "DINGDA_APP_KEY": "dinga",
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": redis.url,
        "DINGDA_OPENAPI_URL": dingtalk.url,
    }


@asynccontextmanager
async def a_stack(
    folder: Path, settings: Mapping[str, str] | None = None, *, cwd: Path = ROOT
) -> AsyncIterator[Stack]:
    metrics_port = free_port()
    with valkey(folder) as redis:
        async with stream_server() as dingtalk:
            env = {
                **environment(dingtalk, redis),
                "DINGDA_METRICS_PORT": str(metrics_port),
                "DINGDA_LOG_LEVEL": "DEBUG",
                **(settings or {}),
            }
            with process(*STREAM, env=env, cwd=cwd) as started:
                yield Stack(dingtalk, started, redis, f"127.0.0.1:{metrics_port}")
                output = started.output
    assert SECRET not in output
    assert TICKET not in output
    assert "the-tests-own-ticket" not in output
    assert "Traceback" not in output


@asynccontextmanager
async def connected(folder: Path, **settings: str) -> AsyncIterator[tuple[Stack, ServerConnection]]:
    async with a_stack(folder, settings) as stack:
        yield stack, await stack.dingtalk.connection()


def message(number: int = 0) -> str:
    return a_callback("在吗", msgId=f"message-{number}").decode()


async def test_a_message_is_in_redis_when_it_is_acknowledged(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        await connection.send(a_frame(message()))
        ack = await connection.until_acked()
        assert stack.stored() == 1
        assert (ack["code"], json.loads(ack["data"])) == (200, {"response": None})


async def test_a_message_that_comes_again_under_another_frame_is_one_message(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as (stack, connection):
        for name in ("first", "second"):
            await connection.send(a_frame(message(), message_id=name))
            assert (await connection.until_acked(name))["code"] == 200
        assert stack.stored() == 1


async def test_a_message_over_http_and_over_stream_is_one_message(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        with gateway(stack.redis.url) as (_, address):
            body = message().encode()
            response = await asyncio.to_thread(post_callback, address, body)
            assert response.json() == {"msgtype": "empty"}
            await connection.send(a_frame(body))
            assert (await connection.until_acked())["code"] == 200
        assert stack.stored() == 1


async def test_while_redis_is_away_nothing_is_acknowledged_and_what_comes_again_is_stored_once(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as (stack, connection):
        stack.redis.kill()
        await connection.send(a_frame(message(), message_id="away"))
        await asyncio.to_thread(stack.process.wait_for, "not stored")
        await connection.send(a_ping())
        await connection.until_acked("ping-1")
        stack.redis.start()
        for name in ("again", "and-again"):
            await connection.send(a_frame(message(), message_id=name))
            await connection.until_acked(name)
        assert connection.acked("away") == []
        assert stack.stored() == 1
        metrics = (await stack.get("/metrics")).text
        assert 'dingda_stream_frames_total{outcome="busy",topic="message"} 1.0' in metrics


def an_event(name: str) -> dict[str, Any]:
    return a_frame(
        '{"userId":["0002"]}',
        message_id=name,
        type_=EVENT,
        topic="*",
        eventType="chat_add_member",
        eventId="event-1",
    )


def a_press(name: str) -> dict[str, Any]:
    pressed = {"cardPrivateData": {"actionIds": ["approve"], "params": {}}}
    data = {"type": "actionCallback", "outTrackId": "card-1", "userId": "0001"}
    content = json.dumps(data | {"content": json.dumps(pressed)})
    return a_frame(content, message_id=name, topic=CARD_ACTION)


async def test_an_event_and_a_press_of_a_button_are_each_stored_once(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        for name in ("event", "event-again"):
            await connection.send(an_event(name))
            ack = await connection.until_acked(name)
            assert json.loads(ack["data"]) == {"status": "SUCCESS"}
        for name in ("press", "press-again"):
            await connection.send(a_press(name))
            ack = await connection.until_acked(name)
            assert json.loads(ack["data"]) == {"response": response_to(b"{}")}
        assert stack.stored() == 2


async def test_while_redis_is_away_an_event_is_asked_for_again(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        stack.redis.kill()
        await connection.send(a_press("press"))
        await connection.send(an_event("event"))
        ack = await connection.until_acked("event")
        assert json.loads(ack["data"]) == {"status": "LATER"}
        await connection.send(a_ping())
        await connection.until_acked("ping-1")
        assert connection.acked("press") == []


async def test_what_is_no_message_is_acknowledged_so_that_it_does_not_come_again(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as (stack, connection):
        await connection.send(a_frame("nonsense", message_id="no-json"))
        await connection.send(a_frame('{"msgtype":"text"}', message_id="no-id"))
        assert (await connection.until_acked("no-json"))["code"] == 400
        assert (await connection.until_acked("no-id"))["code"] == 400
        await connection.send(a_frame(topic="/v1.0/graph/api/invoke", message_id="unknown"))
        assert (await connection.until_acked("unknown"))["code"] == 404
        assert stack.stored() == 0


async def test_on_sigterm_what_is_in_hand_is_acknowledged_before_the_close(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        await connection.send(a_frame(message(0), message_id="frame-0"))
        await connection.until_acked("frame-0")
        names = [f"frame-{number}" for number in range(1, 200)]
        for number, name in enumerate(names, 1):
            await connection.send(a_frame(message(number), message_id=name))
        assert await stack.stop() == 0
        await connection.until_closed()
        assert connection.close_code == 1000
        acked = [name for name in names if connection.acked(name)]
        assert all(len(connection.acked(name)) == 1 for name in acked)
        assert stack.stored() >= len(acked) + 1
        assert acked == names


async def test_a_process_that_ends_leaves_its_messages_to_the_other(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, first):
        with process(*OTHER_NAME, env=environment(stack.dingtalk, stack.redis)):
            second = await stack.dingtalk.connection(2)
            await first.send(a_frame(message(1), message_id="to-the-first"))
            await first.until_acked("to-the-first")
            assert await stack.stop() == 0
            await second.send(a_frame(message(1), message_id="again"))
            await second.send(a_frame(message(2), message_id="new"))
            await second.until_acked("again")
            await second.until_acked("new")
            assert stack.stored() == 2


async def test_a_sighup_ends_it_in_good_order(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        await connection.send(a_ping())
        await connection.until_acked("ping-1")
        assert await stack.stop(signal.SIGHUP) == 0
        await connection.until_closed()
        assert connection.close_code == 1000


async def test_a_sighup_with_wrong_settings_on_disk_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    async with a_stack(tmp_path, cwd=folder) as stack:
        connection = await stack.dingtalk.connection()
        (folder / ".env").write_text("DINGDA_PORT=none\n", "utf-8")
        stack.process.popen.send_signal(signal.SIGHUP)
        await asyncio.to_thread(stack.process.wait_for, "not reloaded.*DINGDA_PORT")
        await connection.send(a_ping())
        await connection.until_acked("ping-1")


_HANGING = """
import asyncio, time
from aiohttp.resolver import DefaultResolver

async def hang(*_, **__):
    print("looks up", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)

DefaultResolver.resolve = hang
from dingda.gateway.stream.command import stream
stream()
"""


def test_a_look_up_of_dingtalks_name_that_hangs_does_not_keep_it_from_ending() -> None:
    env = {
        "DINGDA_APP_KEY": "dinga",
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_OPENAPI_URL": "https://api.example",
    }
    with process("-c", _HANGING, env=env) as started:
        started.wait_for("looks up")
        assert started.stop() == 0


async def test_it_is_ready_while_it_is_connected(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as stack:
        connection = await stack.dingtalk.connection()
        await connection.send(a_ping())
        await connection.until_acked("ping-1")
        assert (await stack.get("/healthz")).status_code == 200
        assert (await stack.get("/readyz")).json() == {"ready": True}
        stack.dingtalk.refusals = [web.Response(status=503) for _ in range(99)]
        connection.cut()
        await asyncio.to_thread(stack.process.wait_for, "gives no ticket")
        response = await stack.get("/readyz")
        assert response.status_code == 503
        assert "no connection to DingTalk" in response.json()["why"]


async def test_systemd_hears_that_it_is_ready_once_it_is_connected_and_that_it_stops(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(0)
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        async with a_stack(tmp_path, watched) as stack:
            stack.dingtalk.refusals = [web.Response(status=503) for _ in range(99)]
            await asyncio.to_thread(stack.process.wait_for, "gives no ticket")
            assert heard(systemd) == {"WATCHDOG=1"}
            stack.dingtalk.refusals.clear()
            await hear(systemd, "READY=1")
            assert len(stack.dingtalk.connections) == 1
            await stack.stop()
            await hear(systemd, "STOPPING=1")


async def hear(systemd: socket.socket, state: str) -> None:
    """Wait until a process tells a state, and nothing else but that it works."""
    async with asyncio.timeout(30):
        while (told := await asyncio.get_running_loop().sock_recv(systemd, 200)) != state.encode():
            assert told == b"WATCHDOG=1"


def heard(systemd: socket.socket) -> set[str]:
    """What a process has told so far."""
    told = set()
    with suppress(BlockingIOError):
        while True:
            told.add(systemd.recv(200).decode())
    return told


async def test_it_counts_what_it_does(tmp_path: Path) -> None:
    async with connected(tmp_path) as (stack, connection):
        await connection.send(a_frame(message()))
        await connection.until_acked()
        await connection.send(a_disconnect())
        second = await stack.dingtalk.connection(2)
        await second.send(a_ping())
        await second.until_acked("ping-1")
        metrics = (await stack.get("/metrics")).text
        assert 'dingda_stream_frames_total{outcome="stored",topic="message"} 1.0' in metrics
        assert "dingda_stream_ack_duration_seconds_count 3.0" in metrics
        assert 'dingda_stream_connects_total{result="opened"} 2.0' in metrics
        assert re.search(r'\ndingda_stream_connections{robot="dinga"} [12]\.0\n', metrics)
        assert "dingda_intake_batch_size_count 1.0" in metrics


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"DINGDA_APP_SECRET": SECRET}, "DINGDA_APP_KEY"),
        ({"DINGDA_APP_KEY": "dinga"}, "DINGDA_APP_SECRET"),
    ],
)
def test_without_its_credentials_it_says_where_they_are(
    settings: dict[str, str], says: str
) -> None:
    with process(*STREAM, env=settings) as started:
        assert started.wait() == 2
        assert says in started.output
        assert "凭证与基础信息" in started.output


def test_it_sends_no_secret_unencrypted() -> None:
    env = {
        "DINGDA_APP_KEY": "dinga",
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_OPENAPI_URL": "http://api.example",
    }
    with process(*STREAM, env=env) as started:
        assert started.wait() == 2
        assert "DINGDA_OPENAPI_URL must be https" in started.output


async def test_each_robot_of_mode_stream_has_a_connection_of_its_own(tmp_path: Path) -> None:
    async with connected(tmp_path, **TWO_ROBOTS) as (stack, _):
        await stack.dingtalk.connection(2)
        opened = {(each["clientId"], each["clientSecret"]) for each in stack.dingtalk.opens}
        assert opened == {("dinga", SECRET), ("dingb", SECRET + "-b")}


async def test_what_comes_over_one_robots_connection_and_names_another_is_not_stored(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path, **TWO_ROBOTS) as (stack, _):
        await stack.dingtalk.connection(2)
        (connection,) = (each for each in stack.dingtalk.connections if each.client_id == "dinga")
        for name in ("dingb", "dinga", "normal"):
            body = a_callback("在吗", msgId=f"message-{name}", robotCode=name)
            await connection.send(a_frame(body, message_id=name))
        codes = {
            name: (await connection.until_acked(name))["code"]
            for name in ("dingb", "dinga", "normal")
        }
        assert codes == {"dingb": 400, "dinga": 200, "normal": 200}
        assert stack.stored() == 2


async def test_a_message_that_names_no_robot_is_one_message_over_http_and_stream(
    tmp_path: Path,
) -> None:
    body = a_callback(robotCode="normal")
    async with connected(tmp_path, **TWO_ROBOTS) as (stack, _):
        await stack.dingtalk.connection(2)
        (connection,) = (each for each in stack.dingtalk.connections if each.client_id == "dinga")
        with gateway(stack.redis.url, **TWO_ROBOTS) as (_, address):
            await connection.send(a_frame(body))
            assert (await connection.until_acked())["code"] == 200
            response = await asyncio.to_thread(post_callback, address, body)
            assert response.json() == {"msgtype": "empty"}
        assert stack.stored() == 1
        metrics = (await stack.get("/metrics")).text
        assert 'dingda_robot_messages_total{robot="dinga"} 1.0' in metrics


async def test_a_wrong_secret_is_said_in_a_sentence(tmp_path: Path) -> None:
    async with a_stack(tmp_path) as stack:
        await stack.dingtalk.connection()
        assert await stack.stop() == 0
        body = {"code": "authFailed", "message": "鉴权失败"}
        stack.dingtalk.refusals = [web.json_response(body, status=401)]
        with process(*STREAM, env=environment(stack.dingtalk, stack.redis)) as started:
            await asyncio.to_thread(started.wait_for, "HTTP 401, authFailed.*Client Secret")
            assert "鉴权失败" not in started.output
            assert await asyncio.to_thread(started.stop) == 0
