"""A reply in three parts, of which one is not sent, not heard of or not taken."""

import json
import signal
import time

import pytest

from dingda.shared.texts import REST_REJECTED
from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.processes import Script

NOTICED_WITHIN_S = 25.0


def shown(env: FaultEnvironment) -> list[str]:
    """What the chat shows, in order: each part's number and the mark of its answer."""
    texts = (json.loads(post.body)["text"]["content"] for post in env.webhook.shown)
    return [text[:10] if "字" in text else text for text in texts]


def numbers(env: FaultEnvironment) -> list[str]:
    """The parts that the chat shows; all must be of one answer."""
    parts = [part.split() for part in shown(env)]
    assert len({mark for mark, _ in parts}) == 1
    return [number for _, number in parts]


@pytest.mark.fault("F46")
def test_a_long_reply_is_sent_in_parts(env: FaultEnvironment) -> None:
    with env.worker():
        env.accept("长")
        env.expect_ends(answered=1, parts=3)
    assert numbers(env) == ["1", "2", "3"]
    assert max(len(post.body) for post in env.webhook.posts) <= 20_000


@pytest.mark.slow
@pytest.mark.fault("F46")
@pytest.mark.parametrize("deaths", [1, 2])
def test_what_is_left_of_a_reply_when_a_worker_dies_between_parts_is_sent_by_another(
    env: FaultEnvironment, figure: Figure, deaths: int
) -> None:
    env.accept("长")
    for _ in range(deaths):
        with env.worker(DINGDA_FAILPOINTS="between-parts=kill") as doomed:
            assert doomed.popen.wait(NOTICED_WITHIN_S + 5) == -signal.SIGKILL
    with env.worker():
        took_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1, parts=3)
    assert numbers(env) == ["1", "2", "3"]
    figure(f"{deaths} killed between parts", f"all of one answer, the rest after {took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F46")
def test_a_worker_frozen_between_parts_sends_none_that_another_has_sent(
    env: FaultEnvironment,
) -> None:
    with env.worker(DINGDA_FAILPOINTS="between-parts=stop") as zombie:
        env.accept("长")
        env.webhook.wait_for(1)
        with env.worker():
            env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
            zombie.thaw()
            time.sleep(2)
            env.expect_ends(answered=1, parts=3)
    assert numbers(env) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.fault("F47")
def test_a_death_while_the_second_part_is_on_the_wire_ends_as_unknown_and_sends_no_more(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.first += [Script(), Script(delay_s=30.0)]
    with env.worker() as doomed:
        env.accept("长")
        env.webhook.wait_for(2)
        doomed.kill()
    with env.worker():
        took_s = env.took_s(lambda: env.counts().dead, within_s=NOTICED_WITHIN_S)
        env.expect_ends(dead={"unknown": 1}, parts=2)
    assert numbers(env) == ["1", "2"]
    figure("killed within part 2 of 3", f"unknown after {took_s:.1f} s, 2 parts shown once")


@pytest.mark.fault("F47")
def test_a_line_that_breaks_within_a_part_leaves_it_unknown_and_sends_no_more(
    env: FaultEnvironment,
) -> None:
    env.webhook.first += [Script(), Script(reset=True)]
    with env.worker():
        env.accept("长")
        env.expect_ends(dead={"unknown": 1}, parts=2)
    assert numbers(env) == ["1", "2"]


@pytest.mark.fault("F58")
def test_a_part_that_is_turned_away_for_now_is_sent_again_and_then_the_rest(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.first += [Script(), Script(status=503, shows=False)]
    with env.worker():
        env.accept("长")
        took_s = env.took_s(lambda: env.counts().answered, within_s=15)
        env.expect_ends(answered=1, parts=3)
    assert numbers(env) == ["1", "2", "3"]
    figure("503 for part 2 of 3", f"all shown after {took_s:.1f} s")


@pytest.mark.fault("F58")
def test_a_part_that_is_refused_for_its_content_is_followed_by_a_sentence(
    env: FaultEnvironment,
) -> None:
    refusal = Script(body=b'{"errcode": 430102, "errmsg": "content"}', shows=False)
    env.webhook.first += [Script(), refusal]
    with env.worker():
        env.accept("长")
        env.expect_ends(dead={"failed": 1}, parts=2)
    assert [part.split()[-1] for part in shown(env)] == ["1", REST_REJECTED]


@pytest.mark.fault("F58")
def test_a_part_that_is_refused_for_good_says_which_it_was(env: FaultEnvironment) -> None:
    refusal = Script(body=b'{"errcode": 300001, "errmsg": "no session"}', shows=False)
    env.webhook.first += [Script(), Script(), refusal]
    with env.worker() as answers:
        env.accept("长")
        env.expect_ends(dead={"failed": 1}, parts=2)
        answers.wait_for(r"failed: errcode 300001 \(part 3 of 3\)")
    assert numbers(env) == ["1", "2"]
