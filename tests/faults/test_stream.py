"""Stream mode: connections that are cut, deaf or gone, and processes that are killed, under load.

DingTalk's page on the protocol says that a robot's message is pushed once; clients have seen it
come again after 16 to 60 s. Here it comes again after two, and each row says as well what would
have been lost if it had not.
"""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from dingda.gateway.stream.backoff import TOLD_AT_ONCE_S
from dingda.gateway.stream.connection import SILENCE_S
from tests.faults.conftest import Figure
from tests.faults.environment import session_of, supervised
from tests.faults.load import Load, load
from tests.faults.stream_environment import (
    NO_ACK,
    NO_CONNECTION,
    STORED_ONLY,
    StreamEnvironment,
    as_figure,
    stream_environment,
    stream_environment_behind_proxy,
)
from tests.support.processes import Process, wait_until

KILLS = 5
DISCONNECTS = 5
LIVES_S = TOLD_AT_ONCE_S + 0.5
CUTS = 4
LOST_ACKS = 50
OVER_BOTH = 50
IN_HAND = 8
"""How many messages both processes have in hand, because Redis dawdles, when one has to end."""
AWAY_S = 60.0
STORED = '{"msgtype":"empty"}'
"""What the callback's response says then."""
ROBOTS = {"left": "左边", "right": "右边"}


@pytest.fixture
def env(tmp_path: Path) -> Iterator[StreamEnvironment]:
    with stream_environment(tmp_path) as opened:
        yield opened


def pushed(
    env: StreamEnvironment, text: str = "text", *, per_s: float = 20, **fields: Any
) -> AbstractContextManager[Load]:
    """Messages that DingTalk pushes as long as the context is open."""
    return load(env, text, per_s=per_s, senders=64, deliver=env.push, **fields)


@pytest.mark.slow
@pytest.mark.fault("F72")
@pytest.mark.timeout(300)
def test_messages_stored_by_a_stream_process_that_died_before_acknowledging_are_answered_once(
    env: StreamEnvironment, figure: Figure
) -> None:
    failpoints = iter(["after-accept=kill"] * KILLS)

    def start() -> AbstractContextManager[Process]:
        return env.stream_process(DINGDA_FAILPOINTS=next(failpoints, ""))

    with env.worker(), supervised(start) as started:
        with pushed(env) as sent:
            wait_until(lambda: len(started) > KILLS, within_s=120)
            sent.wait_for_stored(50)
        assert [each.popen.wait() for each in started[:KILLS]] == [-signal.SIGKILL] * KILLS
        assert sent.outcomes[STORED_ONLY] > 0
        env.expect_each_answered_once(len(sent.acks))
    figure(f"{KILLS} kills", as_figure(sent))


@pytest.mark.slow
@pytest.mark.fault("F73")
@pytest.mark.timeout(180)
def test_a_message_whose_acknowledgement_is_lost_comes_again_and_is_answered_once(
    env: StreamEnvironment, figure: Figure
) -> None:
    with env.worker(), env.stream_process():
        with pushed(env) as sent, env.stream.faults(lost_acks=LOST_ACKS):
            wait_until(lambda: env.stream.state.redelivered >= LOST_ACKS, within_s=60)
            sent.wait_for_stored(50)
        assert sent.outcomes[STORED_ONLY] > 0
        env.expect_each_answered_once(len(sent.acks))
    figure(f"{LOST_ACKS} acknowledgements lost", as_figure(sent))


@pytest.mark.slow
@pytest.mark.fault("F74")
@pytest.mark.timeout(300)
def test_a_connection_that_dingtalk_asks_to_leave_is_replaced_before_it_ends(
    env: StreamEnvironment, figure: Figure
) -> None:
    gaps_s = []
    with env.worker(), env.stream_process():
        with pushed(env) as sent:
            for number in range(DISCONNECTS):
                time.sleep(LIVES_S)
                sent.wait_for_stored(20)
                env.stream.disconnect(f"reason {number}")
                gaps_s.append(env.took_s(lambda: env.connections("open"), within_s=90))
                assert env.connections("told")
            sent.wait_for_stored(50)
        env.expect_each_answered_once(len(sent.acks))
        wait_until(lambda: len(env.stream.state.connections) == 1)
    figure(f"{DISCONNECTS} in a row", as_figure(sent))
    figure("without a connection", ", ".join(f"{gap_s:.2f}" for gap_s in gaps_s) + " s")


@pytest.mark.slow
@pytest.mark.fault("F75")
@pytest.mark.timeout(400)
def test_a_connection_that_brings_nothing_is_given_up_and_what_went_there_comes_again(
    env: StreamEnvironment, figure: Figure
) -> None:
    with env.worker(), env.stream_process() as hears:
        with pushed(env, per_s=4) as sent:
            sent.wait_for_stored(10)
            env.stream.set_faults(zombie=True)
            given_up_s = env.took_s(lambda: env.connections("open"), within_s=2 * SILENCE_S)
            sent.wait_for_stored(20)
        assert "lost (silence)" in hears.output
        assert sent.outcomes[NO_ACK] > 0
        env.expect_each_answered_once(len(sent.acks))
    figure(f"replaced after {given_up_s:.0f} s", as_figure(sent))


@pytest.mark.slow
@pytest.mark.fault("F76")
@pytest.mark.timeout(400)
def test_messages_of_a_minute_without_a_network_are_answered_once_it_is_back(
    tmp_path: Path, figure: Figure
) -> None:
    with (
        stream_environment_behind_proxy(tmp_path) as (env, proxy),
        env.worker(),
        env.stream_process(),
    ):
        with pushed(env, per_s=4) as sent:
            sent.wait_for_stored(10)
            with proxy.nothing_passes():
                time.sleep(AWAY_S)
            before = len(sent.stored)
            back_s = env.took_s(lambda: len(sent.stored) > before, within_s=90)
            sent.wait_for_stored(20)
        assert sent.outcomes[NO_ACK] + sent.outcomes[NO_CONNECTION] > 0
        env.expect_each_answered_once(len(sent.acks))
    figure(f"away {AWAY_S:.0f} s, stored again {back_s:.1f} s after", as_figure(sent))


@pytest.mark.slow
@pytest.mark.fault("F77")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_two_stream_processes_started_again_one_after_the_other_lose_and_double_nothing(
    env: StreamEnvironment, figure: Figure, number: signal.Signals
) -> None:
    with ExitStack() as stack:
        stack.enter_context(env.worker())
        running = [stack.enter_context(env.stream_process()) for _ in range(2)]
        with pushed(env) as sent:
            for each in running:
                sent.wait_for_stored(50)
                with env.server.frozen():
                    wait_until(partial(are_pushed, env, env.stream.state.pushed + IN_HAND))
                    each.popen.send_signal(number)
                assert each.wait() == (0 if number == signal.SIGTERM else -number)
                stack.enter_context(env.stream_process())
            sent.wait_for_stored(50)
        env.expect_each_answered_once(len(sent.acks))
    figure(f"both restarted by {number.name}", as_figure(sent))


@pytest.mark.slow
@pytest.mark.fault("F78")
@pytest.mark.timeout(300)
def test_what_comes_while_redis_is_away_is_not_acknowledged_and_is_answered_when_it_comes_again(
    env: StreamEnvironment, figure: Figure
) -> None:
    with env.worker(), env.stream_process() as hears:
        with pushed(env) as sent:
            sent.wait_for_stored(50)
            connections = env.connections("open")
            env.server.restart(away_s=5)
            sent.wait_for_stored(50)
        assert sent.outcomes[NO_ACK] > 0
        env.expect_each_answered_once(len(sent.acks))
        assert env.connections("open") == connections
        assert "so it shall come again" in hears.output
    figure("away 5 s", as_figure(sent))


@pytest.mark.fault("F79")
@pytest.mark.timeout(180)
def test_a_message_over_http_and_over_stream_at_once_is_answered_once(
    env: StreamEnvironment, figure: Figure
) -> None:
    with (
        env.worker(),
        env.stream_process(),
        env.gateway() as (_, address),
        httpx.Client(timeout=20) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        bodies = [env.body("text") for _ in range(OVER_BOTH)]
        both = [
            (pool.submit(env.push, client, body), pool.submit(env.post, body, address=address))
            for body in bodies
        ]
        acks = [(stream.result(), http.result().text) for stream, http in both]
        env.expect_each_answered_once(OVER_BOTH)
    acknowledged = acks.count(("stored", STORED))
    assert acknowledged > 0
    figure(f"{OVER_BOTH} messages", f"{acknowledged} acknowledged over both, each answered once")


@pytest.mark.slow
@pytest.mark.fault("F82")
@pytest.mark.timeout(300)
def test_two_robots_whose_connections_are_cut_answer_each_their_own_messages(
    tmp_path: Path, figure: Figure
) -> None:
    robots = [a_robot(code) for code in ROBOTS]
    sent = {}
    with (
        stream_environment(tmp_path, robots=json.dumps(robots)) as env,
        env.worker(DINGDA_SKILLS=""),
        env.stream_process(),
    ):
        with ExitStack() as loads:
            for code in ROBOTS:
                asked = pushed(env, "谁", per_s=10, robotCode=code, chatbotUserId=code)
                sent[code] = loads.enter_context(asked)
            for _ in range(CUTS):
                wait_until(lambda: len(env.connections("open")) == len(ROBOTS), within_s=90)
                for each in sent.values():
                    each.wait_for_stored(20)
                env.stream.cut()
            for each in sent.values():
                each.wait_for_stored(20)
        env.expect_each_answered_once(sum(len(each.acks) for each in sent.values()))
        assert answers(env) == {
            session_of(json.loads(ack.body)["sessionWebhook"]): ROBOTS[code]
            for code, each in sent.items()
            for ack in each.acks
        }
    figure(f"both cut {CUTS} times", as_figure(*sent.values()))


def are_pushed(env: StreamEnvironment, count: int) -> bool:
    """Whether DingTalk has pushed so many."""
    return env.stream.state.pushed >= count


def a_robot(code: str) -> dict[str, Any]:
    """A robot whose skill alone says which it is."""
    return {
        "code": code,
        "app_key": code,
        "secret": f"the-secret-of-{code}",
        "mode": "stream",
        "skills": [f"tests.faults.{code}_skill"],
    }


def answers(env: StreamEnvironment) -> dict[str, str]:
    """What each session's reply says, of those that robots may say."""
    return {
        session_of(post.path): said
        for post in env.webhook.shown
        for said in ROBOTS.values()
        if said in post.body.decode()
    }
