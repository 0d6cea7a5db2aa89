"""`python -m simulator`, as a person starts it: real processes and real sockets."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from dingda.shared.dingtalk.robots import Robot
from tests.support.builders import a_callback
from tests.support.simulator_harness import ROBOTS, SECRET, Bot, Clock

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[4]
HELLO = {"msgtype": "text", "text": {"content": "你好"}}


@dataclass(frozen=True, slots=True)
class Ended:
    status: int | None
    out: str
    err: str


class Shell:
    """Starts the simulator's commands away from the developer's own settings."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.settings: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        ours = {name: value for name, value in os.environ.items() if "DINGDA" not in name}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulator", *arguments),
            cwd=self.directory,
            env={
                **ours,
                "PYTHONPATH": str(ROOT),
                "PYTHONUTF8": "1",
                "PYTHONUNBUFFERED": "1",
                "DINGDA_SIMULATOR_PORT": str(self.port),
                **self.settings,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, typed: str = "") -> Ended:
        process = await self.start(*arguments)
        out, err = await process.communicate(typed.encode())
        return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def shell(tmp_path: Path, unused_tcp_port: int) -> Shell:
    return Shell(tmp_path, unused_tcp_port)


@asynccontextmanager
async def a_listening_bot(*robots: Robot) -> AsyncIterator[tuple[Bot, str]]:
    clock = Clock()
    clock.now_ms = time.time_ns() // 1_000_000
    bot = Bot(clock, robots or ROBOTS)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(bot.app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield bot, f"http://127.0.0.1:{listener.getsockname()[1]}/dd_robot/"
    server.should_exit = True
    await serving


@asynccontextmanager
async def a_running_simulator(shell: Shell) -> AsyncIterator[list[str]]:
    """Yields its log: one item until it listens, then a second with the rest until its end."""
    process = await shell.start()
    assert process.stderr is not None
    log = [(await process.stderr.readline()).decode()]
    await until(lambda: answers(shell.url))
    yield log
    process.send_signal(signal.SIGINT)
    log.append((await process.stderr.read()).decode())
    assert await process.wait() == 0


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await happened():
                return
            await asyncio.sleep(0.02)


async def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{url}/api/health")).is_success
    return False


async def test_a_message_goes_to_the_bot_and_its_reply_to_the_terminal(shell: Shell) -> None:
    async with a_listening_bot() as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_APP_SECRET": f"{SECRET},older",
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            ended = await shell.run("say", "整体跳转", "--single", "--sender", "李四")
    assert ended.status == 0
    assert ended.out.endswith(" ms: text\n         你好\n")
    assert bot.callbacks[0]["text"]["content"] == "整体跳转"
    assert bot.callbacks[0]["senderNick"] == "李四"


async def test_other_kinds_and_whole_callbacks_can_be_said_from_the_terminal(
    shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "callback.json"
    file.write_bytes(a_callback("", msgtype="odd"))
    async with a_listening_bot() as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            options = ("--kind", "richText", "--at", "李四", "--quote", "旧的", "--client", "iOS")
            sent = await shell.run("say", "绩效", *options)
            raw = await shell.run("say", "--callback", str(file))
            wrong = await shell.run("say", "看", "--kind", "picture")
            missing = await shell.run("say", "--callback", str(tmp_path / "none.json"))
    assert (sent.status, raw.status, wrong.status, missing.status) == (0, 0, 1, 1)
    first, second = bot.callbacks
    assert (first["msgtype"], first["senderPlatform"]) == ("richText", "iOS")
    assert first["content"]["repliedMsg"]["content"] == {"text": "旧的"}
    assert len(first["atUsers"]) == 2
    assert second["msgtype"] == "odd"
    assert raw.out.endswith("你好\n")
    assert wrong.err == 'a picture has no words: text must be ""\n'
    assert missing.err.endswith("none.json can't be read: No such file or directory\n")


async def test_say_chooses_the_group_and_the_robot(shell: Shell) -> None:
    secret = "the-other-robots"
    robots = [{"name": "小钉", "code": "dinga", "secret": "the-first-robots"}]
    robots += [{"name": "人事助手", "code": "dinghr", "secret": secret}]
    async with a_listening_bot(Robot("dinghr", secrets=(secret,))) as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_ROBOTS": json.dumps(robots),
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            sent = await shell.run("say", "你好", "--group", "值班群", "--robot", "人事助手")
            wrong = await shell.run("say", "你好", "--robot", "小盯")
    assert (sent.status, wrong.status) == (0, 1)
    (callback,) = bot.callbacks
    assert (callback["conversationTitle"], callback["robotCode"]) == ("值班群", "dinghr")
    assert wrong.err.startswith("robot: none is called 小盯; there are 小钉, 人事助手.")


async def test_json_is_one_object_and_nothing_else(shell: Shell) -> None:
    async with a_listening_bot() as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            ended = await shell.run("say", "你好", "--json")
    assert json.loads(ended.out)["replies"][0]["payload"] == HELLO


async def test_a_conversation_can_be_piped_in_and_ends_at_an_empty_line(shell: Shell) -> None:
    async with a_listening_bot() as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            ended = await shell.run("chat", typed="一\n二\n\n三\n")
    assert ended.status == 0
    assert [callback["text"]["content"] for callback in bot.callbacks] == [" 一", " 二"]
    assert ended.out.count("你好") == 2
    assert ended.out.startswith("张三> 一\nack      200 after ")


async def test_a_conversation_goes_on_after_a_message_that_fails(
    shell: Shell, unused_tcp_port_factory: Callable[[], int]
) -> None:
    shell.settings = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_PORT": str(unused_tcp_port_factory()),
    }
    async with a_running_simulator(shell):
        ended = await shell.run("chat", typed="一\n二\n")
    assert ended.status == 1
    assert ended.out.count("Start the gateway with `dingda gateway`") == 2


async def test_without_a_gateway_a_message_fails(
    shell: Shell, unused_tcp_port_factory: Callable[[], int]
) -> None:
    port = unused_tcp_port_factory()
    shell.settings = {"DINGDA_APP_SECRET": SECRET, "DINGDA_PORT": str(port)}
    async with a_running_simulator(shell):
        ended = await shell.run("say", "你好")
    assert ended.status == 1
    assert ended.err.startswith(f"Nothing answers at http://127.0.0.1:{port}/dd_robot/. ")


@pytest.mark.parametrize("command", [("say", "你好"), ("chat",)])
async def test_without_the_server_it_says_what_to_start(
    shell: Shell, command: tuple[str, ...]
) -> None:
    ended = await shell.run(*command, typed="你好\n")
    assert ended.status == 1
    assert ended.err == (
        f"Nothing answers at {shell.url}. Start it with `dingda demo`, or name another with "
        "DINGDA_SIMULATOR_URL.\n"
    )


async def test_without_a_secret_it_says_what_to_set(shell: Shell) -> None:
    ended = await shell.run()
    assert ended.status == 2
    assert ended.err.startswith("DINGDA_APP_SECRET is not set")


async def test_a_port_that_is_taken_is_named_with_how_to_choose_another(shell: Shell) -> None:
    shell.settings = {"DINGDA_APP_SECRET": SECRET}
    with socket.create_server(("127.0.0.1", shell.port)):
        ended = await shell.run()
    assert ended.status == 2
    assert ended.err == (
        f"cannot listen on 127.0.0.1:{shell.port} (Address already in use); "
        "choose another with DINGDA_SIMULATOR_PORT or DINGDA_SIMULATOR_HOST\n"
    )


async def test_it_logs_its_address_and_the_bots(shell: Shell) -> None:
    shell.settings = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_SESSION_WEBHOOK_ORIGINS": shell.url,
    }
    async with a_running_simulator(shell) as log:
        pass
    assert f"playing DingTalk at {shell.url}, for the bot at http://127.0.0.1:8000" in log[0]
    assert log[1:] == [""]


async def test_it_warns_when_others_can_reach_it(shell: Shell) -> None:
    shell.settings = {"DINGDA_APP_SECRET": SECRET, "DINGDA_SIMULATOR_HOST": "0.0.0.0"}
    async with a_running_simulator(shell) as log:
        pass
    assert "0.0.0.0 is not loopback" in log[1]


async def test_it_warns_when_the_worker_would_not_reply_to_it(shell: Shell) -> None:
    shell.settings = {"DINGDA_APP_SECRET": SECRET}
    async with a_running_simulator(shell) as log:
        pass
    assert f"let it with DINGDA_SESSION_WEBHOOK_ORIGINS={shell.url}" in log[1]


async def test_it_stops_at_once_while_a_request_waits(shell: Shell) -> None:
    async with a_listening_bot() as (bot, callback_url):
        shell.settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell) as log:
            waiting = asyncio.create_task(shell.run("say", "你好", "--wait", "60"))
            await until(bot.has_received_any)
            await asyncio.sleep(0.3)
        ended = await waiting
    assert ended.status == 1
    assert ended.err == "The simulator is being stopped.\n"
    assert "Traceback" not in log[1]


async def test_it_stops_at_once_while_a_client_follows(shell: Shell) -> None:
    shell.settings = {"DINGDA_APP_SECRET": SECRET}
    following = asyncio.Event()

    async def follow() -> None:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("GET", f"{shell.url}/api/events") as response,
        ):
            async for _ in response.aiter_lines():
                following.set()

    async with asyncio.timeout(20), a_running_simulator(shell) as log:
        follower = asyncio.create_task(follow())
        await following.wait()
    await follower
    assert "Traceback" not in log[1]


async def test_on_loopback_it_answers_to_no_name_but_its_own(shell: Shell) -> None:
    shell.settings = {"DINGDA_APP_SECRET": SECRET}
    async with a_running_simulator(shell), httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{shell.url}/", headers={"host": "evil.example"})
    assert response.status_code == 421


async def test_where_a_public_url_is_named_it_answers_to_that_too(shell: Shell) -> None:
    shell.settings = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_SIMULATOR_PUBLIC_URL": "http://tunnel.example",
    }
    async with a_running_simulator(shell), httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{shell.url}/", headers={"host": "tunnel.example"})
    assert response.status_code == 200


@pytest.mark.parametrize("wait", ["-1", "5401", "soon"])
async def test_a_wait_that_makes_no_sense_is_refused(shell: Shell, wait: str) -> None:
    ended = await shell.run("say", "你好", f"--wait={wait}")
    assert ended.status == 2
    assert "'--wait'" in ended.err


async def test_ctrl_c_ends_a_conversation_cleanly(shell: Shell) -> None:
    async with a_listening_bot() as (bot, callback_url):
        bot.replies = [HELLO]
        shell.settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SIMULATOR_CALLBACK_URL": callback_url,
        }
        async with a_running_simulator(shell):
            process = await shell.start("chat")
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("一\n".encode())
            await process.stdout.readuntil("你好\n\n".encode())
            process.send_signal(signal.SIGINT)
            assert await process.communicate() == (b"\n", b"")
    assert process.returncode == 0
