"""A DingTalk that comes back hesitantly: no answer is given up while its session is open."""

import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from dingda.shared.ledger.times import MARGIN_MS
from dingda.shared.texts import REJECTED
from dingda.worker.answering.settlement import LAST_TRY_MS
from tests.faults import name_service
from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import SKILLS, FaultEnvironment
from tests.support.builders import KEYS, now_ms
from tests.support.processes import OK, Post, Process, Script, SessionWebhook, wait_until


def saying(errcode: int) -> Script:
    """What DingTalk answers to a reply that it doesn't show."""
    return Script(body=f'{{"errcode": {errcode}, "errmsg": "…"}}'.encode(), shows=False)


HESITATES: dict[str, Script] = {
    "errcode -1": saying(-1),
    "errcode 34015": saying(34015),
    "errcode 500100": saying(500100),
    "HTTP 500": Script(status=500, shows=False),
    "HTTP 503": Script(status=503, shows=False),
}


def accept_from(env: FaultEnvironment, port: int) -> dict[str, str]:
    """Accept a message whose DingTalk has that port; returns a worker's settings for it."""
    env.accept("text", sessionWebhook=f"http://127.0.0.1:{port}/robot/send?session=s1")
    return {"DINGDA_SESSION_WEBHOOK_ORIGINS": f"http://127.0.0.1:{port}"}


def wait_for_failures(worker: Process, count: int) -> None:
    wait_until(lambda: worker.output.count("not connected") >= count, within_s=40)


def rests_s(env: FaultEnvironment) -> float:
    """How long the only message rests before its next attempt, in seconds."""
    with env.server.client() as client:
        (key,) = client.scan_iter(KEYS.message("*"))
        not_before_ms: Any = client.hget(key, "not_before_ms")
    return (int(not_before_ms) - now_ms()) / 1000


@pytest.mark.slow
@pytest.mark.fault("F50")
@pytest.mark.parametrize("way", HESITATES)
def test_after_a_spell_without_connection_a_first_failure_of_another_kind_counts_as_the_first(
    env: FaultEnvironment, figure: Figure, silent_port: int, way: str
) -> None:
    with env.worker(**accept_from(env, silent_port)) as answers:
        wait_for_failures(answers, 4)
        with SessionWebhook(silent_port) as back:
            back.first.append(HESITATES[way])
            back.wait_for(1, within_s=20)
            took_s = env.took_s(lambda: env.counts().open == 0, within_s=10)
            env.expect_ends(answered=1)
            assert len(back.posts) == 2
    figure(way, f"answered {took_s:.1f} s after that")


@pytest.mark.slow
@pytest.mark.fault("F50")
def test_after_a_spell_without_connection_the_first_throttle_rests_a_minute(
    env: FaultEnvironment, figure: Figure, silent_port: int
) -> None:
    with env.worker(**accept_from(env, silent_port)) as answers:
        wait_for_failures(answers, 3)
        with SessionWebhook(silent_port) as back:
            back.first.append(saying(130101))
            back.wait_for(1, within_s=20)
            answers.wait_for("errcode 130101")
            env.wait_for_state("accepted")
            rested_s = rests_s(env)
    assert 50 < rested_s <= 66
    figure("130101", f"rests {rested_s:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F50")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", HESITATES)
def test_a_dingtalk_that_fails_for_long_is_tried_again_and_again(
    env: FaultEnvironment, figure: Figure, way: str
) -> None:
    with env.worker():
        env.webhook.first.extend([HESITATES[way]] * 5)
        env.accept("text")
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=60)
        env.expect_ends(answered=1)
    assert len(env.webhook.posts) == 6
    assert len({post.body for post in env.webhook.posts}) == 1
    figure(f"{way} five times", f"answered after {took_s:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F50")
def test_a_worker_that_dies_between_two_attempts_takes_no_count_with_it(
    env: FaultEnvironment,
) -> None:
    env.webhook.first.extend([saying(-1)] * 3)
    with env.worker() as first:
        env.accept("text")
        env.webhook.wait_for(3)
        first.wait_for("retry in .* ms(?s:.*)retry in .* ms(?s:.*)retry in .* ms")
        env.wait_for_state("accepted")  # logged before it is stored
        first.kill()
    rested_s = rests_s(env)
    assert rested_s <= 2.4  # the third pause, not a new first one
    with env.worker():
        env.expect_ends(answered=1)
    assert len(env.webhook.posts) == 4


class FailingUntil:
    """Turns replies away until a moment, and notes when each came."""

    def __init__(self, until_ms: float, way: Script) -> None:
        self.came_ms = list[int]()
        self._until_ms = until_ms
        self._way = way

    def __call__(self, _: Post) -> Script:
        self.came_ms.append(now_ms())
        return Script() if now_ms() >= self._until_ms else self._way


@pytest.mark.slow
@pytest.mark.fault("F51")
@pytest.mark.parametrize("errcode", [130101, -1])
def test_just_before_the_session_closes_there_is_a_last_try(
    env: FaultEnvironment, figure: Figure, errcode: int
) -> None:
    closes_ms = now_ms() + 25_000
    last_ms = closes_ms - MARGIN_MS - LAST_TRY_MS
    env.webhook.decide = dingtalk = FailingUntil(last_ms - 500, saying(errcode))
    with env.worker():
        env.accept("text", sessionWebhookExpiredTime=closes_ms)
        env.expect_ends(answered=1, within_s=30)
    remaining_s = (closes_ms - dingtalk.came_ms[-1]) / 1000
    assert remaining_s > MARGIN_MS / 1000
    figure(f"errcode {errcode}", f"answered {remaining_s:.1f} s before the end")


@pytest.mark.slow
@pytest.mark.fault("F51")
def test_a_message_expires_only_after_its_last_try_and_says_of_what(
    env: FaultEnvironment, figure: Figure
) -> None:
    closes_ms = now_ms() + 20_000
    env.webhook.decide = dingtalk = FailingUntil(float("inf"), saying(-1))
    with env.worker():
        env.accept("text", sessionWebhookExpiredTime=closes_ms)
        env.expect_ends(dead={"expired": 1}, within_s=25)
    # Whether the worker decides so after the last try, or is refused the lease for another.
    with env.server.client() as client:
        (key,) = client.scan_iter(KEYS.message("*"))
        assert client.hmget(key, "reason", "detail") == ["expired", "errcode -1"]
    remaining_s = (closes_ms - dingtalk.came_ms[-1]) / 1000
    assert remaining_s <= (MARGIN_MS + LAST_TRY_MS) / 1000 + 1
    figure("errcode -1 for good", f"last try {remaining_s:.1f} s before the end")


@pytest.mark.slow
@pytest.mark.fault("F52")
@pytest.mark.timeout(120)
def test_a_name_that_cannot_be_looked_up_for_a_while_is_tried_until_it_can(
    env: FaultEnvironment, figure: Figure, silent_port: int, tmp_path: Path
) -> None:
    mended, origin = tmp_path / "mended", f"http://{name_service.NAME}:{silent_port}"
    settings = {
        "DINGDA_SKILLS": f"{SKILLS},tests.faults.name_service",
        "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
        "DINGDA_ALLOW": "http-origin",
        name_service.MENDED: str(mended),
    }
    with SessionWebhook(silent_port) as webhook, env.worker(**settings) as answers:
        env.accept("text", sessionWebhook=f"{origin}/robot/send?session=s1")
        answers.wait_for("not connected: NameLookupError")
        time.sleep(20)
        mended.touch()
        # By then the pauses have grown to half a minute and a fifth, and a sweep comes after it.
        took_s = env.took_s(lambda: webhook.posts, within_s=60)
        env.expect_ends(answered=1)
        assert len(webhook.posts) == 1
    figure("no such name for 20 s", f"answered {took_s:.1f} s after there was one")


@pytest.mark.fault("F54")
def test_where_a_proxy_is_the_only_way_out_replies_go_through_it(env: FaultEnvironment) -> None:
    # A proxy takes a request for another host; here it is DingTalk as well.
    origin = f"http://{name_service.NAME}"
    settings = {
        "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
        "DINGDA_ALLOW": "http-origin",
        "DINGDA_PROXY_URL": env.webhook.origin,
    }
    with env.worker(**settings):
        env.accept("text", sessionWebhook=f"{origin}/robot/send?session=s1")
        env.expect_ends(answered=1)
    assert [post.path for post in env.webhook.posts] == [f"{origin}/robot/send?session=s1"]


@pytest.mark.fault("F53")
def test_an_answer_that_is_gzip_all_the_same_is_read(env: FaultEnvironment) -> None:
    env.webhook.script = Script(body=gzip.compress(OK), headers={"content-encoding": "gzip"})
    with env.worker():
        env.accept("text")
        env.expect_ends(answered=1)
    assert len(env.webhook.posts) == 1


@pytest.mark.fault("F53")
@pytest.mark.parametrize("errcode", slow_but(400402, of=(400402, 400403, 460101)))
def test_a_reply_whose_fields_dingtalk_refuses_is_followed_by_a_plain_text(
    env: FaultEnvironment, errcode: int
) -> None:
    env.webhook.first.append(saying(errcode))
    with env.worker():
        env.accept("text")
        env.expect_ends(dead={"failed": 1})
    assert [post.payload["text"]["content"] for post in env.webhook.posts][1:] == [REJECTED]
