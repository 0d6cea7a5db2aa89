"""`dingda say` tells the truth: who answers, for how long, and that nobody is there to."""

import asyncio
from collections.abc import Iterator

import pytest

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.testing.processes import free_port
from tests.support.processes import SECRET, process, valkey, wait_until, worker

NOTICE_AFTER_S = 1
WORKS_S = 7
"""Longer than a reply was waited for once, which was five seconds."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a bot without a worker, and of the simulated DingTalk that it listens to."""
    gateway_port, simulator_port = free_port(), free_port()
    origin = f"http://127.0.0.1:{simulator_port}"
    with valkey(tmp_path_factory.mktemp("say")) as server:
        settings = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_REDIS_URL": server.url,
            "DINGDA_PORT": str(gateway_port),
            "DINGDA_SIMULATOR_PORT": str(simulator_port),
            "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
            "DINGDA_SKILLS": "tests.e2e.slow_skill",
            "DINGDA_NOTICE_AFTER": str(NOTICE_AFTER_S),
        }
        with (
            process("-m", "dingda", "gateway", env=settings) as gateway,
            process("-m", "dingda", "simulator", env=settings) as simulator,
        ):
            gateway.wait_for("listening on")
            simulator.wait_for("playing DingTalk")
            yield settings


def say(text: str, settings: dict[str, str]) -> tuple[int, str]:
    with process("-m", "dingda", "say", text, env=settings) as said:
        return said.wait(within_s=60), said.output


def test_without_a_worker_the_message_is_said_to_be_queued(settings: dict[str, str]) -> None:
    status, output = say("慢 0", settings)
    assert status == 1
    assert '{"msgtype":"empty"}' in output
    assert "queued   no worker is alive: `dingda worker` starts one" in output


def test_a_slow_answer_is_waited_for_and_the_notice_is_shown_when_it_comes(
    settings: dict[str, str],
) -> None:
    with (
        worker("", **settings),
        process("-m", "dingda", "say", f"慢 {WORKS_S}", env=settings) as said,
    ):
        said.wait_for("reply    after .*: text")
        assert "查好了" not in said.output
        assert said.wait(within_s=60) == 0
        assert "查好了" in said.output


def test_nothing_follows_an_answer_that_was_sent(settings: dict[str, str]) -> None:
    with worker("", **settings):
        status, output = say("慢 0", settings)
    assert status == 0
    assert output.rstrip().endswith("查好了")


def test_of_a_worker_that_was_killed_the_terminal_learns_at_once(settings: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{settings['DINGDA_SIMULATOR_PORT']}"

    async def are_gone() -> bool:
        async with SimulatorClient(url) as client:
            return (await client.workers()).are_gone

    with worker("", **settings) as killed:
        assert not asyncio.run(are_gone())
        killed.kill()
        wait_until(lambda: asyncio.run(are_gone()), within_s=10)
