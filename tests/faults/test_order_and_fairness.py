"""What one person, one conversation and one skill may do to everybody else, and in which order."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from dingda.shared import texts
from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import EMPTY, FaultEnvironment, session_of
from tests.support.builders import now_ms
from tests.support.processes import Script, signed, wait_until

NOTICED_WITHIN_S = 25.0
_POSTING = 4


# One person's messages ----------------------------------------------------------------------


@pytest.mark.fault("F40")
@pytest.mark.parametrize("workers", slow_but(2, of=(1, 2)))
def test_a_quick_answer_waits_for_the_slow_one_that_was_asked_for_before(
    env: FaultEnvironment, workers: int
) -> None:
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(env.worker())
        for person in range(10):
            for number, text in enumerate(["慢 0.7", "慢 0.3", "慢 0"]):
                ask(env, text, person, f"p{person}n{number}")
        env.expect_ends(answered=30)
    assert_in_order(env, people=10, questions=3)


@pytest.mark.fault("F40")
def test_what_may_overtake_does(env: FaultEnvironment) -> None:
    with env.worker():
        for number, text in enumerate(["慢 4", "帮助", "慢 0", "text", "吃了吗"]):
            ask(env, text, 1, f"p1n{number}")
        env.expect_ends(answered=4, unmatched=1)
    sessions = [session_of(post.path) for post in env.webhook.posts]
    assert set(sessions[:2]) == {"p1n1", "p1n3"}
    assert sessions[2:] == ["p1n0", "p1n2"]


@pytest.mark.fault("F40")
def test_a_short_failure_of_dingtalk_changes_no_order(env: FaultEnvironment) -> None:
    env.webhook.first.extend([Script(status=503, shows=False)] * 2)
    with env.worker():
        for number in range(3):
            ask(env, "慢 0", 1, f"p1n{number}")
        env.expect_ends(answered=3)
    sessions = [session_of(post.path) for post in env.webhook.shown]
    assert sessions == ["p1n0", "p1n1", "p1n2"]


@pytest.mark.slow
@pytest.mark.fault("F41")
@pytest.mark.timeout(180)
def test_the_order_outlives_the_worker_that_held_the_first(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker() as doomed:
        for number, text in enumerate(["慢 3", "慢 0", "慢 0"]):
            ask(env, text, 1, f"p1n{number}")
        env.wait_for_state("leased")
        time.sleep(0.5)
        with env.worker():
            doomed.kill()
            took_s = env.took_s(lambda: env.webhook.posts, within_s=NOTICED_WITHIN_S + 5)
            env.expect_ends(answered=3)
    assert_in_order(env, people=1, questions=3)
    figure("first of three answered after", f"{took_s:.1f} s")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F45")
@pytest.mark.timeout(180)
def test_one_persons_questions_run_one_at_a_time_and_keep_nobody_waiting(
    env: FaultEnvironment, figure: Figure
) -> None:
    ends_ms = now_ms() + 20_000
    bodies = [
        env.body("慢 2.5", senderId="$:LWCP_v1:$one", sessionWebhookExpiredTime=ends_ms)
        for _ in range(600)
    ]
    with env.worker():
        post_all(env, bodies)
        waits_s = [another(env, f"other{number}") for number in range(5)]
        held = env.counts()
        env.expect_ends(
            within_s=40,
            answered=(answered := wait_for_the_rest(env)).answered,
            dead=answered.dead,
        )
    assert held.answered < 30
    assert max(waits_s) < 5
    figure("600 questions of 2.5 s", f"another waited {max(waits_s) * 1000:.0f} ms at most")


@pytest.mark.fault("F42")
def test_a_limit_counts_a_sender_without_a_staff_id(env: FaultEnvironment) -> None:
    with env.worker(DINGDA_SENDER_LIMIT="3"):
        env.accept("text", 20, senderStaffId="", senderId="$:LWCP_v1:$outsider")
        env.accept("text", senderStaffId="", senderId="$:LWCP_v1:$other")
        env.expect_ends(answered=4, refused=17)
    texts_shown = [post.payload["text"]["content"] for post in env.webhook.posts]
    assert sum(texts.TOO_MANY in each for each in texts_shown) == 1


# One skill, one conversation ----------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F43")
@pytest.mark.timeout(180)
def test_a_skill_that_hangs_keeps_no_other_waiting_and_everybody_who_waits_gets_a_reply(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker(DINGDA_SKILL_TIMEOUT="10"):
        waits_s = waits_beside(env, "不停")
        # An apology, or that too many are asking.
        wait_until(lambda: len(env.shown()) == 520, within_s=60)
    assert max(waits_s) < 5
    figure("500 wait", f"another skill answered after {median_ms(waits_s):.0f} ms")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F43")
@pytest.mark.timeout(180)
def test_a_skill_that_blocks_its_threads_keeps_no_other_waiting(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker(DINGDA_SKILL_TIMEOUT="30"):
        waits_s = waits_beside(env, "占着 60")
    assert max(waits_s) < 5
    figure("500 wait for a thread", f"another skill answered after {median_ms(waits_s):.0f} ms")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F44")
@pytest.mark.timeout(180)
def test_one_conversation_leaves_places_to_the_others(
    env: FaultEnvironment, figure: Figure
) -> None:
    bodies = [env.body("慢 1", conversationId="cidBUSY==") for _ in range(200)]
    with env.worker(DINGDA_CONCURRENCY="20"):
        post_all(env, bodies)
        waits_s = [another(env, f"other{number}") for number in range(20)]
        env.expect_ends(within_s=60, answered=220)
    assert max(waits_s) < 5
    what = "beside 200 look-ups of 1 s from one group, 20 places"
    figure(what, f"another group waited {median_ms(waits_s):.0f} ms")


# --------------------------------------------------------------------------------------------


def waits_beside(env: FaultEnvironment, hangs: str) -> list[float]:
    """How long others wait, in seconds, while 500 ask what does not come back."""
    post_all(env, [env.body(hangs, conversationId=f"cid{n % 50}==") for n in range(500)])
    return [another(env, f"other{number}") for number in range(20)]


def median_ms(waits_s: list[float]) -> float:
    return sorted(waits_s)[len(waits_s) // 2] * 1000


def ask(env: FaultEnvironment, text: str, person: int, session: str, **fields: Any) -> None:
    sender = f"$:LWCP_v1:$p{person}"
    env.accept(text, senderId=sender, sessionWebhook=env.webhook.url(session), **fields)


def another(env: FaultEnvironment, session: str, **fields: Any) -> float:
    """Ask something quick as somebody else; returns how long the answer took, in seconds."""
    elsewhere = {"conversationId": "cidELSEWHERE=="}
    began = time.monotonic()
    env.accept("慢 0", sessionWebhook=env.webhook.url(session), **elsewhere | fields)
    wait_until(lambda: session in env.shown())
    return time.monotonic() - began


def post_all(env: FaultEnvironment, bodies: Sequence[bytes]) -> None:
    """Post many callbacks in a moment: a client for each would take most of the time."""

    def post(some: Sequence[bytes]) -> None:
        with httpx.Client() as client:
            for body in some:
                # A busy machine may be too slow for the gateway's second.
                wait_until(lambda: say(client, body) == EMPTY)  # noqa: B023 - waits right here

    def say(client: httpx.Client, body: bytes) -> Any:
        return client.post(env.address, content=body, headers=signed()).json()

    with ThreadPoolExecutor(_POSTING) as pool:
        list(pool.map(post, [bodies[n::_POSTING] for n in range(_POSTING)]))


def wait_for_the_rest(env: FaultEnvironment) -> Any:
    wait_until(lambda: env.counts().open == 0, within_s=60)
    return env.counts()


def assert_in_order(env: FaultEnvironment, *, people: int, questions: int) -> None:
    sessions = [session_of(post.path) for post in env.webhook.posts]
    for person in range(people):
        mine = (
            [each for each in sessions if each.startswith(f"p{person}n")]
            if people > 1
            else sessions
        )
        assert len(mine) == questions
        assert mine == sorted(mine)
