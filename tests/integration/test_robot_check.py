"""`dingda check` asks a simulated DingTalk on real sockets, and sends nothing to anybody."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from dingda.gateway.console import openapi
from dingda.gateway.console.openapi import DingTalk, open_client
from dingda.gateway.console.robot_check import check_robots
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime.egress import DIRECT, Egress
from dingda.shared.runtime.finding import Finding, Severity
from dingda.simulator.backends.dingtalk_errors import FOREIGN_ADDRESS
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI, Person
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_faults import OpenFault, StreamFaults
from dingda.simulator.http.stream import stream_routes
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from tests.integration.test_delivery_sockets import listening, self_signed
from tests.support.processes import gateway, process, valkey
from tests.support.stream_harness import a_stream

ROBOT = Robot("dingbot", app_key="dingbot", secrets=("canary-secret",), mode="stream")
PROBLEMS = (Severity.WARNING, Severity.DANGER)


@dataclass(frozen=True, slots=True)
class Console:
    """A simulated DingTalk, where a test sets what its console would."""

    url: str
    api: FakeOpenAPI
    stream: Stream

    async def check(self, *robots: Robot, egress: Egress = DIRECT) -> list[Finding]:
        async with open_client(egress) as ask:
            dingtalk = DingTalk(ask, f"{self.url}/openapi", f"{self.url}/openapi")
            found = await check_robots(Robots(robots or (ROBOT,)), dingtalk)
        assert self.api.sent == []
        assert self.stream.state.connections == ()
        assert "canary" not in repr(found)
        return found

    async def problems(self, *robots: Robot) -> dict[str, Finding]:
        found = await self.check(*robots)
        return {each.name: each for each in found if each.severity in PROBLEMS}


@pytest.fixture
async def console(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Console]:
    monkeypatch.setattr(openapi, "TIMEOUT_S", 60.0)  # this machine may be slow
    async with a_console() as found:
        yield found


@asynccontextmanager
async def a_console() -> AsyncIterator[Console]:
    api = FakeOpenAPI([Person("u1", "张三")], app_key="dingbot", app_secret="canary-secret")
    stream = a_stream(apps={"dingbot": ["canary-secret"]})
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    routes = stream_routes(stream, base_url=url, changes=ChangeNotifier())
    app = Starlette(routes=[*routes, Mount("/openapi", routes=api.routes())])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield Console(url, api, stream)
    server.should_exit = True
    await serving


async def test_a_robot_that_lacks_nothing_is_good_in_every_respect(console: Console) -> None:
    found = await console.check()
    assert [each for each in found if each.severity is not Severity.OK] == []
    assert len(console.api.asked) == 5


@pytest.mark.parametrize(
    ("permission", "name"),
    [
        ("qyapi_robot_sendmsg", "private-answers"),
        ("qyapi_get_member", "people"),
        ("qyapi_get_department_list", "departments"),
        ("qyapi_addresslist_search", "names"),
    ],
)
async def test_each_permission_that_is_taken_away_is_found_missing(
    console: Console, permission: str, name: str
) -> None:
    console.api.permissions.remove(permission)
    found = await console.problems()
    assert list(found) == [name]
    assert permission in found[name].what


async def test_a_wrong_secret_is_found_by_the_token_and_by_the_connection(console: Console) -> None:
    found = await console.problems(replace(ROBOT, secrets=("wrong",)))
    assert list(found) == ["credentials"]


async def test_another_applications_robot_is_found_out(console: Console) -> None:
    assert list(await console.problems(replace(ROBOT, code="dingother"))) == ["robot-code"]


async def test_a_list_of_addresses_without_ours_is_found(console: Console) -> None:
    console.api.faults += [FOREIGN_ADDRESS] * 4
    assert list(await console.problems()) == ["address"]


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (OpenFault.UNAUTHORIZED, "credentials"),
        (OpenFault.BAD_REQUEST, "stream-mode"),
        (OpenFault.QUOTA, "quota"),
        (OpenFault.UNAVAILABLE, "busy"),
        (OpenFault.HTML, "network"),
    ],
)
async def test_what_keeps_a_connection_from_being_opened_is_found(
    console: Console, fault: OpenFault, name: str
) -> None:
    console.stream.faults = StreamFaults(open=fault)
    assert list(await console.problems()) == [name]


async def test_one_robots_trouble_is_not_anothers(console: Console) -> None:
    other = Robot("dingb", name="人事", app_key="dingb", secrets=("wrong",))
    found = await console.check(ROBOT, other)
    assert [each.robot for each in found if each.severity in PROBLEMS] == ["人事"]


async def test_a_server_that_never_answers_is_given_up(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = await replace(console, url=url).check()
    problems = [each for each in found if each.severity in PROBLEMS]
    assert [each.name for each in problems] == ["network"]
    assert "TimeoutError" in problems[0].what


async def test_a_certificate_that_nobody_vouches_for_is_told(
    console: Console, tmp_path: Path
) -> None:
    async with listening(self_signed(tmp_path)) as peer:
        found = await replace(console, url=peer.origin).check()
    assert "certificate" in next(each for each in found if each.name == "network").what
    assert peer.requests == []


async def test_a_proxy_is_asked_and_its_password_is_not_shown(console: Console) -> None:
    url = f"http://user:canary-password@127.0.0.1:{free_port()}"
    found = await console.check(egress=Egress(url))
    network = next(each for each in found if each.name == "network")
    assert "ClientProxyConnectionError" in network.what
    assert console.api.asked == []


def test_the_command_tells_it_of_each_robot_without_secrets(tmp_path: Path) -> None:
    with a_stream_simulator(tmp_path) as simulator:
        env = simulator.settings | {"DINGDA_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
        good = checked("-m", "gateway", "check", "--json", env=env)
        wrong = checked(
            *("-m", "dingda", "check"), env=env | {"DINGDA_APP_SECRET": "canary-canary-canary"}
        )
    asked = [each for each in json.loads(good) if each["robot"]]
    assert {each["severity"] for each in asked} == {"ok"}
    assert {"credentials", "stream-mode", "private-answers"} <= {each["name"] for each in asked}
    assert simulator.client_secret not in good
    assert f"warning: {simulator.client_id}: credentials: " in wrong
    assert "canary" not in wrong


def checked(*command: str, env: Mapping[str, str]) -> str:
    """What the command prints; again, where this machine was too slow for one of its calls."""
    for _ in range(5):
        with process(*command, env=env) as started:
            assert started.popen.wait(60) == 0  # what DingTalk says keeps nothing from starting
        if "TimeoutError" not in started.output:
            break
    return started.output


def test_a_gateway_that_starts_calls_no_dingtalk(tmp_path: Path) -> None:
    with valkey(tmp_path) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"DINGDA_APP_KEY": "ding", "DINGDA_OPENAPI_URL": url, "DINGDA_OAPI_URL": url}
        with gateway(server.url, **settings):
            silent.settimeout(0)
            with pytest.raises(BlockingIOError):
                silent.accept()
