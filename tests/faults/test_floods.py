"""More messages than anybody expected."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import BUSY, EMPTY, FaultEnvironment, session_of
from tests.faults.load import load
from tests.support.builders import KEYS, now_ms
from tests.support.processes import Script, wait_until

BACKLOG = 5_000


@pytest.mark.slow
@pytest.mark.fault("F33")
@pytest.mark.timeout(180)
def test_one_askers_flood_does_not_keep_another_waiting(
    scene: FaultEnvironment, figure: Figure
) -> None:
    waits_s: list[float] = []
    # One person's messages run one at a time: the last of these may never be answered.
    one: Any = {"senderId": "$:LWCP_v1:$one", "sessionWebhookExpiredTime": now_ms() + 20_000}
    with scene.worker():
        with load(scene, "慢 0.5", per_s=50, **one) as flood:
            for number in range(20):
                session = f"other{number}"
                began = time.monotonic()
                scene.accept("text", sessionWebhook=scene.webhook.url(session))
                wait_until(lambda: session in scene.shown())  # noqa: B023 - waits right here
                waits_s.append(time.monotonic() - began)
        wait_until(lambda: scene.counts().open == 0, within_s=60)
        answered = scene.counts().answered
        expired = len(flood.acks) + 20 - answered
        scene.expect_ends(answered=answered, dead={"expired": expired} if expired else {})
    figure("50 messages a second from one", f"the other waited {max(waits_s):.1f} s at most")


@pytest.mark.slow
@pytest.mark.fault("F34")
@pytest.mark.timeout(300)
def test_a_backlog_is_drained_in_order(scene: FaultEnvironment, figure: Figure) -> None:
    with scene.server.client() as client:
        empty_bytes = client.info("memory")["used_memory"]
        with ThreadPoolExecutor(16) as pool:
            bodies = [scene.body("text") for _ in range(BACKLOG)]
            assert all(ack.json() == EMPTY for ack in pool.map(scene.post, bodies))
        full_bytes = client.info("memory")["used_memory"]
    with scene.worker(DINGDA_CONCURRENCY="20") as answers:
        took_s = scene.took_s(lambda: scene.counts().open == 0, within_s=200)
        scene.expect_ends(answered=BACKLOG)
        rss_mb = _rss_kb(answers.popen.pid) / 1024
    first = [int(session_of(post.path)[1:]) for post in scene.webhook.posts[:100]]
    assert max(first) <= 200
    figure("Redis holds", f"{(full_bytes - empty_bytes) / BACKLOG:.0f} bytes a message")
    figure("drained", f"{BACKLOG / took_s:.0f} a second, the worker at {rss_mb:.0f} MB")


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
@pytest.mark.fault("F56")
@pytest.mark.timeout(180)
def test_what_waits_for_a_dingtalk_that_is_down_is_bounded_and_the_next_asker_hears_busy(
    scene: FaultEnvironment, figure: Figure
) -> None:
    scene.webhook.script = Script(status=503, shows=False)
    with scene.gateway(DINGDA_BACKLOG_LIMIT="50") as (_, address), scene.worker():

        def all_rest() -> bool:
            with scene.server.client() as client:
                return client.scard(KEYS.resting) == 50

        for _ in range(50):
            assert scene.post(scene.body("text"), address=address).json() == EMPTY
        wait_until(all_rest)
        # One that rests may just have been taken for its next attempt, and leaves room meanwhile.
        wait_until(lambda: BUSY in scene.post(scene.body("text"), address=address).text)
        sent = [scene.post(scene.body("text"), address=address).text for _ in range(100)]
        still_open = scene.counts().open
        scene.webhook.script = Script()
        wait_until(lambda: scene.counts().open == 0, within_s=90)
        scene.expect_ends(answered=scene.counts().accepted)
    assert sum(BUSY in said for said in sent) >= 50
    figure("limit 50, 151 and more sent", f"{still_open} open")
