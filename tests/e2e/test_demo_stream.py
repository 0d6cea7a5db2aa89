"""`dingda demo --stream`: the bot has no address; DingTalk is heard over its own connection."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from tests.support.demo import Demo, free_ports, is_alive, run_demo
from tests.support.processes import SECRET, process, wait_until


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # What is not acknowledged comes again soon.
    settings = free_ports() | {"DINGDA_SIMULATOR_STREAM_REDELIVER_S": "1"}
    with run_demo(tmp_path_factory.mktemp("acme"), settings, "--stream") as demo:
        yield demo
        assert demo.process.stop() == 0


def connections(demo: Demo) -> list[dict[str, Any]]:
    stream = httpx.get(f"{demo.page}/api/stream", trust_env=False).json()
    return [each for each in stream["connections"] if each["state"] == "open"]


def test_the_message_comes_in_a_frame_and_the_ack_says_which(demo: Demo) -> None:
    said = demo.run(demo.advised('say "整体跳转"')).stdout
    assert '"messageId"' in said
    assert "州的先生" in said


def test_nothing_listens_on_the_gateways_port(demo: Demo) -> None:
    port = int(demo.ports["DINGDA_PORT"])
    assert str(port) not in demo.process.output
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_messages_said_during_a_disconnect_and_after_it_are_answered_once(demo: Demo) -> None:
    (before,) = wait_until(lambda: connections(demo))
    httpx.post(f"{demo.page}/api/stream/disconnect", json={}, trust_env=False)
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        # While no connection is open it is put off, and the simulator says so.
        with suppress(RequestRejectedError):
            dingtalk.say(UserMessage("text", sender="李四"))
        (after,) = wait_until(lambda: connections(demo))
        assert after["id"] != before["id"]
        assert len(dingtalk.ask("整体跳转").shown) == 1
    wait_until(lambda: newest_of("李四", demo)["replies"])
    assert len(newest_of("李四", demo)["replies"]) == 1


def newest_of(sender: str, demo: Demo) -> dict[str, Any]:
    records = httpx.get(f"{demo.page}/api/messages", trust_env=False).json()
    found: dict[str, Any] = next(
        record for record in reversed(records) if record["said"]["sender"] == sender
    )
    return found


def test_a_stream_process_that_is_killed_is_followed_by_another(demo: Demo) -> None:
    pid = demo.state_of("stream")["pid"]
    (before,) = wait_until(lambda: connections(demo))
    os.kill(pid, signal.SIGKILL)
    demo.process.wait_for("the stream died: here is another")
    wait_until(lambda: any(each["id"] != before["id"] for each in connections(demo)))
    assert not is_alive(pid)
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        assert len(dingtalk.ask("整体跳转").shown) == 1


def test_without_a_connection_it_says_what_to_start(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"DINGDA_SIMULATOR_PORT": port}
    mode = {"DINGDA_SIMULATOR_MODE": "stream", "DINGDA_APP_SECRET": SECRET}
    with process("-m", "dingda", "simulator", env=settings | mode, cwd=tmp_path) as simulator:
        simulator.wait_for("playing DingTalk")
        with process("-m", "dingda", "say", "你好", env=settings, cwd=tmp_path) as say:
            assert say.wait() == 1
    assert "No Stream connection is open. Start one with `dingda stream`" in say.output
