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


def shown(scene: FaultEnvironment) -> list[str]:
    """What stands in the chat, in order: each part's number and the mark of its answer."""
    texts = (json.loads(post.body)["text"]["content"] for post in scene.webhook.shown)
    return [text[:10] if "字" in text else text for text in texts]


def numbers(scene: FaultEnvironment) -> list[str]:
    """The parts that stand in the chat; all must be of one answer."""
    parts = [part.split() for part in shown(scene)]
    assert len({mark for mark, _ in parts}) == 1
    return [number for _, number in parts]


@pytest.mark.fault("F46")
def test_a_long_reply_is_sent_in_parts(scene: FaultEnvironment) -> None:
    with scene.worker():
        scene.accept("长")
        scene.expect_ends(answered=1, parts=3)
    assert numbers(scene) == ["1", "2", "3"]
    assert max(len(post.body) for post in scene.webhook.posts) <= 20_000


@pytest.mark.slow
@pytest.mark.fault("F46")
@pytest.mark.parametrize("deaths", [1, 2])
def test_what_is_left_of_a_reply_when_a_worker_dies_between_parts_is_sent_by_another(
    scene: FaultEnvironment, figure: Figure, deaths: int
) -> None:
    scene.accept("长")
    for _ in range(deaths):
        with scene.worker(DINGDA_FAILPOINTS="between-parts=kill") as doomed:
            assert doomed.popen.wait(NOTICED_WITHIN_S + 5) == -signal.SIGKILL
    with scene.worker():
        took_s = scene.took_s(lambda: scene.counts().answered, within_s=NOTICED_WITHIN_S)
        scene.expect_ends(answered=1, parts=3)
    assert numbers(scene) == ["1", "2", "3"]
    figure(f"{deaths} killed between parts", f"all of one answer, the rest after {took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F46")
def test_a_worker_frozen_between_parts_sends_none_that_another_has_sent(
    scene: FaultEnvironment,
) -> None:
    with scene.worker(DINGDA_FAILPOINTS="between-parts=stop") as zombie:
        scene.accept("长")
        scene.webhook.wait_for(1)
        with scene.worker():
            scene.took_s(lambda: scene.counts().answered, within_s=NOTICED_WITHIN_S)
            zombie.thaw()
            time.sleep(2)
            scene.expect_ends(answered=1, parts=3)
    assert numbers(scene) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.fault("F47")
def test_a_death_while_the_second_part_is_on_the_wire_ends_as_unknown_and_sends_no_more(
    scene: FaultEnvironment, figure: Figure
) -> None:
    scene.webhook.first += [Script(), Script(delay_s=2.0)]
    with scene.worker() as doomed:
        scene.accept("长")
        scene.webhook.wait_for(2)
        doomed.kill()
    with scene.worker():
        took_s = scene.took_s(lambda: scene.counts().dead, within_s=NOTICED_WITHIN_S)
        scene.expect_ends(dead={"unknown": 1}, parts=2)
    assert numbers(scene) == ["1", "2"]
    figure("killed within part 2 of 3", f"unknown after {took_s:.1f} s, 2 parts shown once")


@pytest.mark.fault("F47")
def test_a_line_that_breaks_within_a_part_leaves_it_unknown_and_sends_no_more(
    scene: FaultEnvironment,
) -> None:
    scene.webhook.first += [Script(), Script(reset=True)]
    with scene.worker():
        scene.accept("长")
        scene.expect_ends(dead={"unknown": 1}, parts=2)
    assert numbers(scene) == ["1", "2"]


@pytest.mark.fault("F58")
def test_a_part_that_is_turned_away_for_now_is_sent_again_and_then_the_rest(
    scene: FaultEnvironment, figure: Figure
) -> None:
    scene.webhook.first += [Script(), Script(status=503, shows=False)]
    with scene.worker():
        scene.accept("长")
        took_s = scene.took_s(lambda: scene.counts().answered, within_s=15)
        scene.expect_ends(answered=1, parts=3)
    assert numbers(scene) == ["1", "2", "3"]
    figure("503 for part 2 of 3", f"all shown after {took_s:.1f} s")


@pytest.mark.fault("F58")
def test_a_part_that_is_refused_for_its_content_is_followed_by_a_sentence(
    scene: FaultEnvironment,
) -> None:
    refusal = Script(body=b'{"errcode": 430102, "errmsg": "content"}', shows=False)
    scene.webhook.first += [Script(), refusal]
    with scene.worker():
        scene.accept("长")
        scene.expect_ends(dead={"failed": 1}, parts=2)
    assert [part.split()[-1] for part in shown(scene)] == ["1", REST_REJECTED]


@pytest.mark.fault("F58")
def test_a_part_that_is_refused_for_good_says_which_it_was(scene: FaultEnvironment) -> None:
    refusal = Script(body=b'{"errcode": 300001, "errmsg": "no session"}', shows=False)
    scene.webhook.first += [Script(), Script(), refusal]
    with scene.worker() as answers:
        scene.accept("长")
        scene.expect_ends(dead={"failed": 1}, parts=2)
        answers.wait_for(r"failed: errcode 300001 \(part 3 of 3\)")
    assert numbers(scene) == ["1", "2"]
