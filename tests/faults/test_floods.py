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


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F33")
@pytest.mark.timeout(180)
def test_one_senders_flood_does_not_keep_another_waiting(
    env: FaultEnvironment, figure: Figure
) -> None:
    waits_s: list[float] = []
    # One person's messages run one at a time: the last of these may never be answered.
    one: Any = {"senderId": "$:LWCP_v1:$one", "sessionWebhookExpiredTime": now_ms() + 20_000}
    with env.worker():
        with load(env, "慢 0.5", per_s=50, **one) as flood:
            for number in range(20):
                session = f"other{number}"
                began = time.monotonic()
                env.accept("text", sessionWebhook=env.webhook.url(session))
                wait_until(lambda: session in env.shown())  # noqa: B023 - waits right here
                waits_s.append(time.monotonic() - began)
        wait_until(lambda: env.counts().open == 0, within_s=60)
        answered = env.counts().answered
        expired = len(flood.acks) + 20 - answered
        env.expect_ends(answered=answered, dead={"expired": expired} if expired else {})
    figure("50 messages a second from one", f"the other waited {max(waits_s):.1f} s at most")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F34")
@pytest.mark.timeout(300)
def test_a_backlog_is_drained_in_order(env: FaultEnvironment, figure: Figure) -> None:
    with env.server.client() as client:
        empty_bytes = client.info("memory")["used_memory"]
        with ThreadPoolExecutor(16) as pool:
            bodies = [env.body("text") for _ in range(BACKLOG)]
            assert all(ack.json() == EMPTY for ack in pool.map(env.post, bodies))
        full_bytes = client.info("memory")["used_memory"]
    with env.worker(DINGDA_CONCURRENCY="20") as answers:
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=200)
        env.expect_ends(answered=BACKLOG)
        rss_mb = _rss_kb(answers.popen.pid) / 1024
    first = [int(session_of(post.path)[1:]) for post in env.webhook.posts[:100]]
    assert max(first) <= 200
    figure("Redis holds", f"{(full_bytes - empty_bytes) / BACKLOG:.0f} bytes a message")
    figure("drained", f"{BACKLOG / took_s:.0f} a second, the worker at {rss_mb:.0f} MB")


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
@pytest.mark.fault("F56")
@pytest.mark.timeout(180)
def test_what_waits_for_a_dingtalk_that_is_down_is_bounded_and_the_next_sender_is_told_busy(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.script = Script(status=503, shows=False)
    with env.gateway(DINGDA_BACKLOG_LIMIT="50") as (_, address), env.worker():

        def all_rest() -> bool:
            with env.server.client() as client:
                return client.scard(KEYS.resting) == 50

        for _ in range(50):
            assert env.post(env.body("text"), address=address).json() == EMPTY
        wait_until(all_rest)
        # One that rests may just have been taken for its next attempt, and leaves room meanwhile.
        wait_until(lambda: BUSY in env.post(env.body("text"), address=address).text)
        acks = [env.post(env.body("text"), address=address).text for _ in range(100)]
        still_open = env.counts().open
        env.webhook.script = Script()
        wait_until(lambda: env.counts().open == 0, within_s=90)
        env.expect_ends(answered=env.counts().accepted)
    assert sum(BUSY in ack for ack in acks) >= 50
    figure("limit 50, 151 and more sent", f"{still_open} open")
