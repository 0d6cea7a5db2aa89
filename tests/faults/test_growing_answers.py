"""Answers that grow, on a bad day: one card each, which comes to a visible end."""

import signal

import pytest

from dingda.shared.texts import CARD_REPLACED, INTERRUPTED
from dingda.simulator.dingtalk.card import Card, CardState
from dingda.simulator.dingtalk.card_templates import ANSWER_TEMPLATE
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault
from tests.faults.conftest import Figure
from tests.faults.openapi_environment import OpenAPIEnvironment
from tests.faults.writing_skill import WHOLE
from tests.support.processes import wait_until

SETTINGS = {
    "DINGDA_SKILLS": "tests.faults.writing_skill",
    "DINGDA_ANSWER_CARD_TEMPLATE": ANSWER_TEMPLATE,
}
WITHIN_S = 60.0
HOUR_MS = 3_600_000
FRAMES = ("/v1.0/card/streaming",)


def text_of(card: Card) -> str:
    return card.data.get("content", "")


def the_card(env: OpenAPIEnvironment) -> Card:
    """The only card."""
    (card,) = env.dingtalk.cards
    return card


def expect_one_whole_card(env: OpenAPIEnvironment) -> None:
    card = the_card(env)
    assert (text_of(card), card.state) == (WHOLE, CardState.FINISHED)
    assert [space.times for space in card.spaces] == [1]


@pytest.mark.slow
@pytest.mark.fault("F97")
@pytest.mark.parametrize(
    "place",
    ["after-lease", "card-opening", "card-created", "card-grown", "card-ending", "card-ended"],
)
def test_a_growing_answer_is_one_card_wherever_its_worker_dies(
    openapi_env: OpenAPIEnvironment, figure: Figure, place: str
) -> None:
    env = openapi_env
    with env.worker(**SETTINGS, DINGDA_FAILPOINTS=f"{place}=kill") as doomed:
        env.dingtalk.ask("写诗", wait_s=0)
        assert doomed.popen.wait(30) == -signal.SIGKILL
    with env.worker(**SETTINGS):
        noticed_s = env.took_s(lambda: env.counts().open == 0, within_s=WITHIN_S)
        env.expect_ends(answered=1)
    expect_one_whole_card(env)
    figure(f"killed at {place}", f"one card, whole after {noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F98")
def test_the_card_of_a_message_that_killed_its_workers_says_that_it_was_interrupted(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    for _ in range(3):
        with env.worker(**SETTINGS, DINGDA_FAILPOINTS="card-grown=kill") as doomed:
            if not env.dingtalk.records():
                env.dingtalk.ask("写诗", wait_s=0)
            assert doomed.popen.wait(60) == -signal.SIGKILL
    with env.worker(**SETTINGS):
        env.expect_ends(dead={"failed": 1})
        wait_until(lambda: not env.spinning(), within_s=WITHIN_S)
    assert text_of(the_card(env)).endswith(f"> {INTERRUPTED}")


@pytest.mark.slow
@pytest.mark.fault("F99")
def test_redis_away_while_an_answer_grows_costs_frames_alone(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    with env.worker(**SETTINGS):
        env.dingtalk.ask("写诗", wait_s=0)
        wait_until(lambda: env.dingtalk.cards)
        env.server.restart(away_s=3)
        wait_until(lambda: env.counts().open == 0, within_s=WITHIN_S)
        env.expect_ends(answered=1)
    expect_one_whole_card(env)


@pytest.mark.slow
@pytest.mark.fault("F19")
def test_an_answer_that_grows_when_redis_fills_up_comes_to_its_end(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    with env.worker(**SETTINGS):
        env.dingtalk.ask("写诗", wait_s=0)
        wait_until(lambda: env.dingtalk.cards)
        env.fill_redis()
        env.expect_ends(answered=1)
    expect_one_whole_card(env)


@pytest.mark.slow
@pytest.mark.fault("F100")
def test_a_storm_of_refusals_for_the_rate_costs_frames_alone(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    with env.worker(**SETTINGS):
        env.dingtalk.ask("写诗", wait_s=0)
        wait_until(lambda: env.dingtalk.cards)
        with env.dingtalk.openapi_faults(OpenAPIFault.QPS, count=3):
            wait_until(lambda: env.counts().open == 0, within_s=WITHIN_S)
            assert env.dingtalk.openapi.faults.count == 0
        env.expect_ends(answered=1)
    expect_one_whole_card(env)


@pytest.mark.slow
@pytest.mark.fault("F101")
def test_a_card_that_is_created_and_whose_response_is_lost_is_found_again(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    with (
        env.dingtalk.openapi_faults(OpenAPIFault.LOST, apis=("/v1.0/card/instances",), count=1),
        env.worker(**SETTINGS),
    ):
        env.dingtalk.ask("写诗", wait_s=0)
        wait_until(lambda: env.counts().open == 0 and env.dingtalk.cards, within_s=WITHIN_S)
        env.expect_ends(answered=1)
    expect_one_whole_card(env)


@pytest.mark.slow
@pytest.mark.fault("F102")
def test_an_answer_whose_card_can_not_be_ended_is_one_message_that_says_so(
    openapi_env: OpenAPIEnvironment,
) -> None:
    env = openapi_env
    with env.worker(**SETTINGS):
        record = env.dingtalk.ask("写诗", wait_s=0)
        wait_until(lambda: env.dingtalk.cards)
        with env.dingtalk.openapi_faults(OpenAPIFault.FORBIDDEN, apis=FRAMES):
            wait_until(lambda: env.counts().open == 0, within_s=WITHIN_S)
            env.expect_ends(answered=1)
        (shown,) = env.dingtalk.look(record).shown
        assert shown.payload is not None
        assert shown.payload["markdown"]["text"] == f"{CARD_REPLACED}\n\n{WHOLE}"
        wait_until(lambda: not env.spinning(), within_s=WITHIN_S)
