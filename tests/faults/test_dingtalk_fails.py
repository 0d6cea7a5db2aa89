"""A DingTalk that is down, refuses, throttles, hangs, resets and lies."""

import json
import time
from typing import Any

import pytest

from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import FaultEnvironment
from tests.support.builders import now_ms
from tests.support.processes import Post, Script, SessionWebhook, wait_until

NOT_SHOWN: dict[str, Script] = {
    "HTTP 503": Script(status=503, shows=False),
    "HTTP 429": Script(status=429, headers={"retry-after": "1"}, shows=False),
    "HTTP 500": Script(status=500, shows=False),
    "errcode -1": Script(body=b'{"errcode": -1, "errmsg": "busy"}', shows=False),
}
SAYS_NOTHING_OF_USE: dict[str, Script] = {
    "reset": Script(reset=True),
    "connection closed": Script(hang_up=True),
    "truncated JSON": Script(body=b'{"errcode": 0, "err'),
    "200 with HTML": Script(body=b"<html>ok</html>"),
    "502": Script(status=502, body=b"bad gateway"),
}


@pytest.mark.fault("F23")
@pytest.mark.parametrize("way", slow_but("HTTP 503", "errcode -1", of=NOT_SHOWN))
def test_a_reply_that_dingtalk_turns_away_for_now_is_posted_again(
    env: FaultEnvironment, figure: Figure, way: str
) -> None:
    with env.worker():
        env.webhook.first.append(NOT_SHOWN[way])
        env.accept("text")
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=20)
        env.expect_ends(answered=1)
    assert env.webhook.posts[0].body == env.webhook.posts[1].body
    figure(way, f"second attempt answered after {took_s:.1f} s")


@pytest.mark.fault("F23")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("down_s", [1, pytest.param(150, marks=pytest.mark.slow)])
def test_a_dingtalk_that_is_down_is_tried_until_it_is_back(
    env: FaultEnvironment, figure: Figure, silent_port: int, down_s: int
) -> None:
    origin = f"http://127.0.0.1:{silent_port}"
    with env.worker(DINGDA_SESSION_WEBHOOK_ORIGINS=origin) as answers:
        env.accept("text", sessionWebhook=f"{origin}/robot/send?session=s1")
        answers.wait_for("not connected")
        time.sleep(down_s)
        with SessionWebhook(silent_port) as back:
            # The longest pause is a minute and a fifth, and a sweep comes after it.
            took_s = env.took_s(lambda: back.posts, within_s=80)
            env.expect_ends(answered=1)
            assert len(back.posts) == 1
    figure(f"down for {down_s} s", f"answered {took_s:.1f} s after it was back")


@pytest.mark.fault("F24")
@pytest.mark.parametrize("way", slow_but("reset", "502", of=SAYS_NOTHING_OF_USE))
def test_a_reply_that_may_have_been_shown_is_never_posted_again(
    env: FaultEnvironment, figure: Figure, way: str
) -> None:
    with env.worker():
        env.webhook.first.append(SAYS_NOTHING_OF_USE[way])
        env.accept("text")
        wait_until(lambda: env.counts().dead)
        time.sleep(2.5)  # a sweep, which would enqueue it again
        env.expect_ends(dead={"unknown": 1})
    assert len(env.webhook.posts) == 1
    figure(way, "unknown, 1 post")


@pytest.mark.slow
@pytest.mark.fault("F24")
def test_a_dingtalk_that_takes_a_reply_and_hangs_leaves_it_unknown(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.script.delay_s = 30
    with env.worker():
        env.accept("text")
        took_s = env.took_s(lambda: env.counts().dead, within_s=25)
        env.expect_ends(dead={"unknown": 1})
    assert len(env.webhook.posts) == 1
    figure("hangs", f"unknown after {took_s:.1f} s")


@pytest.mark.fault("F24")
def test_a_redirect_is_not_followed(env: FaultEnvironment) -> None:
    with SessionWebhook() as elsewhere, env.worker():
        where = {"location": elsewhere.url()}
        env.webhook.script = Script(status=302, headers=where, shows=False)
        env.accept("text")
        env.expect_ends(dead={"failed": 1})
        assert elsewhere.posts == []


class Throttle:
    """DingTalk's: so many replies a while; beyond that errcode 130101 until the while is over."""

    def __init__(self, *, most: int, while_s: float) -> None:
        self._most = most
        self._while_s = while_s
        self._shown_at: list[float] = []

    def __call__(self, _: Post) -> Script:
        now = time.monotonic()
        self._shown_at = [at for at in self._shown_at if now - at < self._while_s]
        if len(self._shown_at) >= self._most:
            refusal: dict[str, Any] = {"errcode": 130101, "errmsg": "send too fast"}
            return Script(body=json.dumps(refusal).encode(), shows=False)
        self._shown_at.append(now)
        return Script()


@pytest.mark.slow
@pytest.mark.fault("F25")
@pytest.mark.timeout(180)
def test_a_burst_beyond_dingtalks_throttle_is_answered_when_that_is_over(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.decide = Throttle(most=20, while_s=45)
    with env.worker():
        env.accept("text", 30)
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=120)
        env.expect_ends(answered=30)
    figure("30 in a burst", f"20 at once, all after {took_s:.0f} s, {len(env.webhook.posts)} posts")


@pytest.mark.fault("F26")
def test_a_message_whose_session_ends_in_the_queue_is_never_posted(env: FaultEnvironment) -> None:
    env.accept("text", sessionWebhookExpiredTime=now_ms() + 5_500)
    time.sleep(1)
    with env.worker():
        env.expect_ends(dead={"expired": 1})
    assert env.webhook.posts == []
