"""The demo of two minutes: what is killed comes back, and each message is answered once.

In Stream mode as with a gateway. `make test-demo` runs it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dingda.testing import Record, SimulatedDingTalk, UserMessage
from tests.support.demo import MODES, Demo, free_ports, run_demo
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

SLOW = UserMessage("慢慢来")
SLOW_ANSWER = "慢工出细活：用了 8 秒"
"""What the skill says that takes eight seconds."""
LEASE_S = 22
"""How long another worker waits before it takes up what a dead one had begun."""
SENT = 200


@pytest.fixture(scope="module", params=MODES)
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    with run_demo(tmp_path_factory.mktemp("acme"), free_ports(), *request.param) as demo:
        wait_until(lambda: len(demo.worker_pids()) == 2)
        yield demo
        assert demo.process.stop() == 0


@pytest.fixture
def dingtalk(demo: Demo) -> Iterator[SimulatedDingTalk]:
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        yield dingtalk


def state_of(record: Record) -> str:
    return record.story.state if record.story else ""


def is_done(demo: Demo, accepted: int) -> bool:
    numbers = demo.numbers()
    return bool(numbers["accepted"] >= accepted and numbers["open"] == 0)


def sent_so_far(demo: Demo) -> int:
    numbers = demo.numbers()
    return numbers["accepted"] + numbers["turned_away"]


def expect_each_answered_once(demo: Demo) -> None:
    numbers = demo.numbers()
    assert (numbers["twice"], numbers["lost"], numbers["dead"]) == (0, 0, 0)
    assert numbers["answered"] == numbers["accepted"]


def test_a_worker_dies_in_mid_answer_and_the_answer_comes_once_all_the_same(
    demo: Demo, dingtalk: SimulatedDingTalk
) -> None:
    asked = dingtalk.say(SLOW)
    wait_until(lambda: state_of(dingtalk.look(asked)) == "leased")
    killed = demo.control("kill", what="worker")
    assert [each["msg_id"] for each in killed["messages"]] == [asked.msg_id]
    assert killed["messages"][0]["lease_ends_ms"] > time.time() * 1000
    wait_until(lambda: demo.state_of(killed["name"])["restarts"] == 1)
    answered = wait_until(
        lambda: next(filter(ended, [dingtalk.look(asked)]), None), within_s=LEASE_S + 20
    )
    assert [reply.payload["text"]["content"] for reply in answered.shown] == [SLOW_ANSWER]
    assert (answered.story.state, answered.story.lease_count) == ("answered", 2)
    expect_each_answered_once(demo)


def ended(record: Record) -> bool:
    return record.story is not None and record.story.ended


def test_redis_is_stopped_and_what_was_accepted_before_is_answered_once(
    demo: Demo, dingtalk: SimulatedDingTalk
) -> None:
    accepted = demo.numbers()["accepted"]
    asked = dingtalk.say(SLOW)
    wait_until(lambda: state_of(dingtalk.look(asked)) == "leased")
    demo.control("stop-redis", seconds=5)
    wait_until(lambda: demo.state_of("redis")["state"] == "stopped")
    wait_until(lambda: demo.state_of("redis")["state"] == "running")
    assert demo.state_of("redis")["down_ms"] >= 5000
    wait_until(lambda: is_done(demo, accepted + 1), within_s=LEASE_S + 30)
    assert len(dingtalk.look(asked).shown) == 1
    expect_each_answered_once(demo)


def test_two_hundred_at_once_are_answered_once_each_though_a_worker_dies_among_them(
    demo: Demo,
) -> None:
    before = sent_so_far(demo)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_many, demo)
        wait_until(lambda: sent_so_far(demo) > before + SENT // 4)
        demo.control("kill", what="worker")
        assert len(sending.result()) == SENT
    # While the gateway is busy, DingTalk may not get an acknowledgement in time.
    wait_until(lambda: sent_so_far(demo) == before + SENT)
    wait_until(lambda: demo.numbers()["open"] == 0, within_s=LEASE_S + 40)
    numbers = demo.numbers()
    assert (numbers["twice"], numbers["lost"], numbers["open"]) == (0, 0, 0)
    # A worker that died while it sent a reply cannot know whether it shows.
    assert numbers["answered"] + numbers["dead"] == numbers["accepted"]


def send_many(demo: Demo) -> list[object]:
    message = {"text": "咖啡", "single": True, "sender": "同事"}
    burst = {"message": message, "count": SENT, "senders": SENT}
    response = httpx.post(f"{demo.page}/api/bursts", json=burst, timeout=60, trust_env=False)
    records: list[object] = response.json()
    return records
