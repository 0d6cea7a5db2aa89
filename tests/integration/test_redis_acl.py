"""The ACL line that we tell operators to use: the bot works under it, and little else does."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
import redis
import redis.asyncio
from redis.exceptions import NoPermissionError

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.finding import Severity
from dingda.shared.runtime.preflight import check
from dingda.shared.runtime.settings import Settings
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from dingda.worker.operations.cluster_state import read_cluster_state
from dingda.worker.operations.dashboard.access import Access
from dingda.worker.operations.dashboard.app import create_app
from dingda.worker.operations.dashboard.settings import load_dashboard_settings
from dingda.worker.operations.dashboard.site import Site
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    ROOT,
    SECRET,
    SessionWebhook,
    Valkey,
    gateway,
    process,
    signed,
    valkey,
    wait_until,
    worker,
)
from tests.unit.worker.operations.messages import ended

PASSWORD = "change-this-password"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        with redis.Redis.from_url(server.url) as client:
            for line in (ROOT / "deploy" / "redis.acl").read_text("utf-8").splitlines():
                if line.startswith("user dingda"):
                    client.execute_command("ACL", "SETUSER", *line.split()[1:])
        yield server


@pytest.fixture
def url(server: Valkey) -> str:
    return f"redis://dingda:{PASSWORD}@127.0.0.1:{server.port}/0"


def test_a_message_is_answered_and_the_worker_looks_after_the_queue(
    server: Valkey, url: str
) -> None:
    with (
        SessionWebhook() as webhook,
        gateway(url, DINGDA_RESULT_TTL="60") as (hears, address),
        worker(url, webhook.origin, DINGDA_SKILLS="dingda.worker.skills.demo") as answers,
    ):
        body = a_callback("text", sessionWebhook=webhook.url())
        assert httpx.post(address, content=body, headers=signed()).json() == {"msgtype": "empty"}
        webhook.wait_for(1)
        with redis.Redis.from_url(server.url) as client:
            wait_until(lambda: client.hget(KEYS.count, "answered"))
            wait_until(lambda: client.zcard("rq:finished:dingda"))
            assert client.xlen(KEYS.journal) == 1
            assert client.hget(KEYS.histograms, "total:sum_ms")
    for each in (hears, answers):
        assert "NOPERM" not in each.output
        assert "Traceback" not in each.output


async def test_what_comes_over_stream_is_stored_and_acknowledged(
    server: Valkey, url: str, tmp_path: Path
) -> None:
    redis_url = {"DINGDA_REDIS_URL": url}
    with (
        a_stream_simulator(tmp_path) as simulator,
        process("-m", "gateway", "--stream", env=simulator.settings | redis_url) as hears,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        before = int(client.hget(KEYS.count, "accepted") or 0)
        hears.wait_for("connected to DingTalk")
        async with SimulatorClient(simulator.url) as dingtalk:
            await dingtalk.send(UserMessage("text"))
            event = await dingtalk.push_event("chat_add_member", {"chatid": "chat1"})
            press = await dingtalk.push_card_callback({"outTrackId": "card1", "userId": "0001"})
        assert [ack.code for push in (event, press) for ack in push.acks] == [200, 200]
        assert int(client.hget(KEYS.count, "accepted") or 0) == before + 3
    assert "NOPERM" not in hears.output
    assert "Traceback" not in hears.output


def test_the_self_check_finds_nothing_amiss(url: str) -> None:
    settings = Settings(_env_file=None, app_secret=SECRET, redis_url=url)  # type: ignore[call-arg, arg-type]
    assert {finding.severity for finding in check(settings)} == {Severity.OK}


async def test_the_exporter_can_read_all_that_it_tells(url: str) -> None:
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    state = await read_cluster_state(client, LedgerAdmin(client, queue), queue)
    await client.aclose()
    untold = {name for name, value in asdict(state.redis).items() if value in (None, "")}
    assert not untold


async def test_the_dashboard_can_read_retry_discard_pause_and_resume(url: str) -> None:
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    async with redis.asyncio.from_url(url, decode_responses=True) as client:
        admin = LedgerAdmin(client, queue)
        chosen = load_dashboard_settings(None, act_password=PASSWORD)
        app = create_app(Site(client, admin, queue, chosen, Access(chosen)))
        address = "http://127.0.0.1:9109"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=address, headers={"origin": address}
        ) as page:
            await page.post("/sign-in", data={"password": PASSWORD})
            for number in range(2):
                await ended(Ledger(client, queue), msgId=f"dead{number}")
            group = {"reason": "failed: errcode 300001"}
            first, second = await admin.dead_letter_heads(newest=2)
            for response in (
                await page.get("/"),
                await page.get("/dead"),
                await page.get("/dead/group", params=group),
                await page.get("/messages"),
                await page.get(f"/messages/{first.id}"),
                await page.post("/dead/review", data=group),
                await page.post("/dead/act", data={"id": first.id, "act": "retry"}),
                await page.post("/dead/act", data={"id": second.id, "act": "discard"}),
                await page.post("/pause"),
                await page.post("/resume"),
            ):
                assert response.status_code in (200, 303)
            assert await admin.dead_letter_count() == 0


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "CONFIG SET dir /tmp",
        "SHUTDOWN",
        "KEYS *",
        "PUBLISH rq:pubsub:x shutdown",
        "GET somebody-else",
        "REPLICAOF 127.0.0.1 1",
        "ACL LIST",
        "MONITOR",
    ],
)
def test_a_command_that_could_take_the_server_over_is_refused(url: str, command: str) -> None:
    with redis.Redis.from_url(url) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())
