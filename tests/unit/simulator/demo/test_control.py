"""What the demo's control refuses while its processes are down, and what it tells of them."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from starlette.applications import Starlette

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_bounded_redis
from dingda.simulator.demo.control import DemoControl
from dingda.simulator.demo.supervisor import Supervisor
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.api_requests import ApiError, error_response
from dingda.simulator.http.extension import SimulatorParts
from dingda.simulator.watch import LedgerWatch
from tests.support.simulator_harness import SIMULATOR_URL, Clock


async def read_nothing(message_ids: Sequence[str]) -> list[MessageTimeline | None]:
    return [None] * len(message_ids)


@pytest.fixture
def control(dingtalk: Simulation, changes: ChangeNotifier, clock: Clock) -> DemoControl:
    """The control of a demo whose processes have not been started."""
    names = ("redis", "gateway", "worker-1", "worker-2")
    supervisor = Supervisor(dict.fromkeys(names, ()), changes.announce)
    parts = SimulatorParts(
        dingtalk,
        changes,
        create_bounded_redis(RedisAddress("redis://127.0.0.1:9/0"), timeout_s=1.0),
        JobQueue.create("dingda", skill_timeout_s=30),
        LedgerWatch(read_nothing, dingtalk, changes, clock),
    )
    return DemoControl(supervisor, parts)


@pytest.fixture
async def api(control: DemoControl) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=list(control.routes), exception_handlers={ApiError: error_response})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client:
        yield client


async def test_it_tells_how_each_process_is_and_the_numbers(api: httpx.AsyncClient) -> None:
    state = (await api.get("/api/demo")).json()
    assert [each["name"] for each in state["processes"]] == [
        *("redis", "gateway", "worker-1", "worker-2")
    ]
    assert state["processes"][0] == {
        "name": "redis",
        "state": "down",
        "pid": None,
        "restarts": 0,
        "down_ms": None,
    }
    assert state["numbers"]["accepted"] == 0


async def test_its_events_tell_the_same(api: httpx.AsyncClient, control: DemoControl) -> None:
    assert control.views["demo"]().to_json() == (await api.get("/api/demo")).content


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("kill", {"what": "worker"}, "No worker is running at present."),
        ("kill", {"what": "gateway"}, "No gateway is running at present."),
        ("stop-redis", {"seconds": 5}, "Redis is not running at present."),
    ],
)
async def test_a_process_that_does_not_run_cannot_be_killed(
    api: httpx.AsyncClient, path: str, body: dict[str, object], detail: str
) -> None:
    response = await api.post(f"/api/demo/{path}", json=body)
    assert response.status_code == 409
    assert response.json() == {"error": "down", "detail": detail}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("kill", {"what": "redis"}),
        ("kill", {}),
        ("kill", {"what": "worker", "pid": 1}),
        ("stop-redis", {"seconds": 0}),
        ("stop-redis", {"seconds": 3600}),
    ],
)
async def test_a_request_that_is_not_as_described_is_refused(
    api: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    response = await api.post(f"/api/demo/{path}", json=body)
    assert response.status_code == 400


async def test_a_page_elsewhere_cannot_make_a_browser_kill_anything(
    api: httpx.AsyncClient,
) -> None:
    response = await api.post("/api/demo/kill", content=b'{"what": "worker"}')
    assert response.status_code == 415
