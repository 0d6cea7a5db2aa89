"""What a terminal follows: a message with what came after it, and the workers."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from redis.exceptions import RedisError

from dingda.shared.ledger.worker_report import WorkerReport
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from tests.support.simulator_harness import Clock, FakeWorkers

OpenClient = Callable[[], SimulatorClient]
WORKER = WorkerReport("w1", "host", 42, "1.0", 0, 0, slots=1, slots_used=0)
TEXT = {"msgtype": "text", "text": {"content": "早"}}


async def test_an_exchange_has_what_the_bot_sent_since_the_message_and_nothing_earlier(
    open_client: OpenClient, dingtalk: Simulation, clock: Clock
) -> None:
    dingtalk.bot_sends.to_person("张三", TEXT)
    clock.now_ms += 1
    async with open_client() as client:
        record = await client.send(UserMessage("你好"))
        dingtalk.bot_sends.to_group(TEXT)
        exchange = await client.exchange(record.msg_id)
    assert exchange.record.msg_id == record.msg_id
    assert [push.record.said.single for push in exchange.pushed] == [False]


async def test_an_exchange_is_waited_for_until_something_has_changed(
    open_client: OpenClient, dingtalk: Simulation
) -> None:
    async with open_client() as client:
        record = await client.send(UserMessage("你好"))
        before = await client.exchange(record.msg_id)
        same = await client.exchange(record.msg_id, after=before.revision, wait_s=0.01)
        assert same == before
        dingtalk.bot_sends.to_group(TEXT)
        after = await client.exchange(record.msg_id, after=before.revision, wait_s=60)
    assert (len(before.pushed), len(after.pushed)) == (0, 1)
    assert after.revision > before.revision


async def test_an_unknown_message_has_no_exchange(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(RequestRejectedError, match="No message has this msgId"):
            await client.exchange("msgNONE==")


@pytest.mark.parametrize("after", ["x", "--1", "²", "9" * 5000])
async def test_a_revision_is_a_number(http: httpx.AsyncClient, after: str) -> None:
    response = await http.get("/api/messages/msgNONE==/exchange", params={"after": after})
    assert (response.status_code, response.json()["detail"]) == (400, "after: must be a revision.")


async def test_the_workers_that_are_alive_are_told(
    open_client: OpenClient, workers: FakeWorkers
) -> None:
    async with open_client() as client:
        assert (await client.workers()).are_gone
        workers.alive = [WORKER, replace(WORKER, name="w2")]
        found = await client.workers()
    assert [worker.name for worker in found.alive] == ["w1", "w2"]
    assert not found.are_gone


async def test_a_redis_that_does_not_answer_is_no_reason_to_say_that_there_is_no_worker(
    open_client: OpenClient, workers: FakeWorkers
) -> None:
    workers.error = RedisError("away")
    async with open_client() as client:
        assert not (await client.workers()).are_gone
