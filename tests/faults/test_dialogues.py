"""Dialogues whose worker is killed, whose Redis is away, whose clock jumps: a step counts once."""

import signal
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.builders import KEYS
from tests.support.processes import wait_until

SKILLS = {"DINGDA_SKILLS": "tests.faults.asking_skill"}
ONE_PERSON: dict[str, Any] = {"senderId": "$:LWCP_v1:$one"}
WITHIN_S = 45.0
HOUR_MS = 3_600_000


def say(env: FaultEnvironment, text: str) -> None:
    env.accept(text, **ONE_PERSON)


def last_shown(env: FaultEnvironment) -> str:
    """The last text that the sender was shown."""
    return str(env.webhook.shown[-1].payload["text"]["content"]) if env.webhook.shown else ""


def wait_for(env: FaultEnvironment, words: str, *, within_s: float = WITHIN_S) -> None:
    wait_until(lambda: words in last_shown(env), within_s=within_s)
    wait_until(lambda: env.counts().open == 0, within_s=within_s)


@pytest.mark.slow
@pytest.mark.fault("F83")
@pytest.mark.parametrize("place", ["after-lease", "before-claim", "after-claim", "after-delivery"])
def test_each_word_of_a_dialogue_counts_once_wherever_the_worker_dies(
    env: FaultEnvironment, figure: Figure, place: str
) -> None:
    is_unknown = place in ("after-claim", "after-delivery")
    with env.worker(**SKILLS):
        say(env, "接龙")
        wait_for(env, "第 1 个？")
    with env.worker(**SKILLS, DINGDA_FAILPOINTS=f"{place}=kill") as doomed:
        say(env, "甲")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker(**SKILLS):
        noticed_s = env.took_s(lambda: env.counts().open == 0, within_s=WITHIN_S)
        say(env, "乙")
        wait_for(env, "第 3 个？")
        say(env, "丙")
        wait_for(env, "接好了：甲、乙、丙")
        dead = {"unknown": 1} if is_unknown else None
        env.expect_ends(answered=3 if is_unknown else 4, dead=dead)
    figure(f"killed {place}", f"甲、乙、丙, gone on with after {noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F83")
def test_an_answer_whose_worker_is_killed_in_the_step_is_taken_by_another(
    env: FaultEnvironment,
) -> None:
    with env.worker(**SKILLS) as doomed:
        say(env, "接龙")
        wait_for(env, "第 1 个？")
        say(env, "慢甲")
        env.wait_for_state("leased")
        say(env, "乙")
        doomed.kill()
    with env.worker(**SKILLS), env.worker(**SKILLS):
        wait_for(env, "第 3 个？")
        say(env, "丙")
        wait_for(env, "接好了：慢甲、乙、丙")
        env.expect_ends(answered=4)


@pytest.mark.slow
@pytest.mark.fault("F83")
def test_an_answer_that_is_delivered_again_and_again_counts_once(env: FaultEnvironment) -> None:
    with env.worker(**SKILLS), env.worker(**SKILLS):
        say(env, "接龙")
        wait_for(env, "第 1 个？")
        for word in ("甲", "乙", "丙"):
            body = env.body(word, **ONE_PERSON)
            for _ in range(5):
                env.post(body)
            wait_until(lambda: env.counts().open == 0)
        wait_for(env, "接好了：甲、乙、丙")
        env.expect_ends(answered=4)


@pytest.mark.slow
@pytest.mark.fault("F84")
@pytest.mark.parametrize("away_s", [0.5, 5.0])
def test_a_question_is_still_open_when_redis_comes_back(
    env: FaultEnvironment, away_s: float
) -> None:
    with env.worker(**SKILLS), env.worker(**SKILLS):
        say(env, "接龙")
        wait_for(env, "第 1 个？")
        env.server.restart(away_s=away_s)
        say_when_it_is_there(env, "慢甲")
        env.server.restart(away_s=away_s)
        wait_for(env, "第 2 个？", within_s=60)
        say(env, "乙")
        wait_for(env, "第 3 个？")
        say(env, "丙")
        wait_for(env, "接好了：慢甲、乙、丙")
        env.expect_ends(answered=4)


def say_when_it_is_there(env: FaultEnvironment, text: str) -> None:
    """Say something, again for as long as Redis can't store it."""
    body = env.body(text, **ONE_PERSON)
    wait_until(lambda: env.post(body).json() == {"msgtype": "empty"}, within_s=WITHIN_S)


@pytest.mark.slow
@pytest.mark.fault("F85")
def test_a_clock_that_jumps_ahead_ends_a_question_and_one_that_jumps_back_does_not(
    env: FaultEnvironment,
) -> None:
    with env.worker(**SKILLS):
        say(env, "接龙")
        wait_for(env, "第 1 个？")
        jump(env, -HOUR_MS)
        say(env, "甲")
        wait_for(env, "第 2 个？")
        jump(env, HOUR_MS)
        say(env, "乙")
        wait_for(env, "已经过了时间")
        say(env, "接龙")
        wait_for(env, "第 1 个？")
        env.expect_ends(answered=4)


def jump(env: FaultEnvironment, by_ms: int) -> None:
    """Let Redis's clock jump: what was written down before it lies so much further back."""
    with env.server.client() as client:
        (key,) = client.scan_iter(KEYS.dialogue("*"))
        stored: Any = client.get(key)
        until_ms, asked_ms, json = str(stored).split(" ", 2)
        moved = f"{int(until_ms) - by_ms} {int(asked_ms) - by_ms} {json}"
        client.set(key, moved, keepttl=True)
