"""Pushes whose worker or gateway is killed, while Redis is away, and beyond a robot's minute."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx
import pytest

from dingda.worker.delivery.minute_limit import MESSAGES_A_MINUTE
from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef"
NOTICED_WITHIN_S = 40.0


@dataclass
class OtherSystem:
    """What pushes to a group by `POST /push`; `settings` are the bot's."""

    settings: dict[str, str]
    address: str

    def push(self, key: str = "deploy 42", content: str = "部署完成") -> httpx.Response:
        body = {"to": {"group": "ops"}, "msgtype": "text", "text": {"content": content}}
        shown = {"authorization": f"Bearer {TOKEN}", "idempotency-key": key}
        return httpx.post(urljoin(self.address, "/push"), json=body, headers=shown, timeout=30)

    def push_until_stored(self, key: str) -> None:
        """As docs/push.md tells: again and again with the same key, until it is a 2xx."""

        def is_stored() -> bool:
            try:
                return self.push(key).is_success
            except httpx.TransportError:
                return False

        wait_until(is_stored, within_s=NOTICED_WITHIN_S)


@pytest.fixture
def other(env: FaultEnvironment) -> Iterator[OtherSystem]:
    webhook = f"{env.webhook.origin}/robot/send?access_token=t&session=ops"
    settings = {
        "DINGDA_GROUPS": json.dumps({"ops": webhook}),
        "DINGDA_PUSH_TOKEN": TOKEN,
        "DINGDA_SESSION_WEBHOOK_ORIGINS": env.webhook.origin,
    }
    with env.gateway(**settings) as (_, address):
        yield OtherSystem(settings, address)


@pytest.mark.fault("F86")
@pytest.mark.parametrize("place", ["after-lease", "before-claim"])
def test_a_push_whose_worker_is_killed_before_the_claim_is_sent_once_by_another(
    env: FaultEnvironment, other: OtherSystem, place: str, figure: Figure
) -> None:
    assert other.push().status_code == 202
    with env.worker(**other.settings, DINGDA_FAILPOINTS=f"{place}=kill") as killed:
        wait_until(lambda: killed.popen.poll() is not None, within_s=NOTICED_WITHIN_S)
    with env.worker(**other.settings):
        took_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1)
    assert env.shown() == {"ops": 1}
    figure("sent after", f"{took_s:.1f} s")


@pytest.mark.fault("F86")
@pytest.mark.parametrize(("place", "shown"), [("after-claim", 0), ("after-delivery", 1)])
def test_a_push_whose_worker_is_killed_after_the_claim_is_never_sent_again(
    env: FaultEnvironment, other: OtherSystem, place: str, shown: int
) -> None:
    assert other.push().status_code == 202
    with env.worker(**other.settings, DINGDA_FAILPOINTS=f"{place}=kill") as killed:
        wait_until(lambda: killed.popen.poll() is not None, within_s=NOTICED_WITHIN_S)
    with env.worker(**other.settings):
        env.expect_ends(within_s=NOTICED_WITHIN_S, dead={"unknown": 1})
    assert env.shown()["ops"] == shown


@pytest.mark.fault("F86")
def test_a_long_push_whose_worker_is_killed_between_two_parts_goes_on_with_the_next(
    env: FaultEnvironment, other: OtherSystem
) -> None:
    assert other.push(content="句子。" * 5_000).status_code == 202
    with env.worker(**other.settings, DINGDA_FAILPOINTS="between-parts=kill") as killed:
        wait_until(lambda: killed.popen.poll() is not None, within_s=NOTICED_WITHIN_S)
    sent = env.shown()["ops"]
    with env.worker(**other.settings):
        env.expect_ends(within_s=NOTICED_WITHIN_S, answered=1, parts=3)
    said = "".join(post.payload["text"]["content"] for post in env.webhook.shown)
    assert sent == 1
    assert said.count("句子") == 5_000


@pytest.mark.fault("F87")
def test_a_push_that_a_gateway_stored_and_died_before_it_said_so_is_sent_once(
    env: FaultEnvironment, other: OtherSystem
) -> None:
    with env.gateway(**other.settings, DINGDA_FAILPOINTS="after-accept=kill") as (doomed, address):
        with pytest.raises(httpx.RemoteProtocolError):
            OtherSystem(other.settings, address).push()
        assert doomed.popen.wait(20) == -signal.SIGKILL
    assert other.push().status_code == 200  # the client tries again
    with env.worker(**other.settings):
        env.expect_ends(answered=1)
    assert env.shown() == {"ops": 1}


@pytest.mark.fault("F88")
def test_a_push_while_redis_is_away_is_not_taken_and_the_next_try_is_sent_once(
    env: FaultEnvironment, other: OtherSystem
) -> None:
    with env.worker(**other.settings):
        env.server.kill()
        busy = other.push()
        assert (busy.status_code, "retry-after" in busy.headers) == (503, True)
        env.server.start()
        other.push_until_stored("deploy 42")
        env.expect_ends(within_s=NOTICED_WITHIN_S, answered=1)
    assert env.shown() == {"ops": 1}


@pytest.mark.fault("F89")
@pytest.mark.timeout(300)
def test_what_is_beyond_a_custom_robots_minute_is_sent_in_the_next_by_any_worker(
    env: FaultEnvironment, other: OtherSystem, figure: Figure
) -> None:
    count = MESSAGES_A_MINUTE + 7
    for number in range(count):
        assert other.push(str(number)).status_code == 202
    with env.worker(**other.settings), env.worker(**other.settings):
        wait_until(lambda: env.shown()["ops"] == MESSAGES_A_MINUTE, within_s=30)
        took_s = env.took_s(lambda: env.counts().answered == count, within_s=150)
        env.expect_ends(answered=count, parts=count)
    assert env.shown() == {"ops": count}
    figure(f"{count} pushes", f"{MESSAGES_A_MINUTE} at once, the last after {took_s:.0f} s")
