"""A rolling upgrade, and a rollback: the version before and the present one on one Redis.

What the version before has stored, the present one reads, and the reverse. The version before is
taken from the repository's history, so none of this runs in an sdist or in a shallow clone.
"""

import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import EMPTY, FaultEnvironment
from tests.faults.load import load
from tests.faults.stream_mode import stream_mode
from tests.support.processes import ROOT, Script, post_callback, process, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.fault("F70"), pytest.mark.timeout(240)]

BEFORE = "2ba88cf"
"""The last commit of the version before: the one without Sentinels, journal and metrics."""
DIRECTIONS = pytest.mark.parametrize("direction", ["upgrade", "rollback"])
_TAKEN_OVER_WITHIN_S = 40.0


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the version before."""
    run = subprocess.run(
        ["git", "archive", BEFORE],  # noqa: S607 - the developer's own git
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        pytest.skip(f"the history does not reach back to {BEFORE}")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=BytesIO(run.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def versions(before: Path, direction: str) -> tuple[Path, Path]:
    """The version that runs, and the one that takes its place."""
    return (before, ROOT) if direction == "upgrade" else (ROOT, before)


@pytest.fixture
def old(versions: tuple[Path, Path]) -> Path:
    return versions[0]


@pytest.fixture
def new(versions: tuple[Path, Path]) -> Path:
    return versions[1]


@pytest.fixture
def address(env: FaultEnvironment, old: Path) -> Iterator[str]:
    """Where a gateway of the version that runs takes callbacks; others are posted there too."""
    with env.gateway(old) as (_, address):
        env.address = address
        yield address


def test_the_version_before_runs_its_own_code(before: Path) -> None:
    where = ("-c", "import dingda.worker.app as app; print(app.__file__)")
    with process(*where, env={"PYTHONPATH": str(before)}, cwd=before) as run:
        run.wait_for(re.escape(str(before / "dingda/worker/app.py")))


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_what_one_version_stores_the_other_answers(env: FaultEnvironment, new: Path) -> None:
    env.accept("text", 20)
    env.accept("慢 1", 5)
    env.accept("没有这个", 3)
    with env.worker(new):
        env.expect_ends(answered=25, unmatched=3)


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_under_load_nothing_is_lost_or_doubled_while_gateways_and_workers_are_replaced(
    env: FaultEnvironment, old: Path, new: Path, figure: Figure
) -> None:
    with ExitStack() as stack:
        leaving = [stack.enter_context(env.worker(old)) for _ in range(2)]
        with load(env, "慢 0.5", per_s=20) as sent:
            wait_until(lambda: len(sent.acks) >= 40)
            coming = stack.enter_context(env.worker(new))
            _, address = stack.enter_context(env.gateway(new))
            wait_until(lambda: len(sent.acks) >= 80)
            env.address = address  # callbacks go to the gateway that has come
            leaving[0].stop()
            wait_until(lambda: len(sent.acks) >= 120)
            leaving[1].kill()  # and what it held is taken over
            wait_until(lambda: len(sent.acks) >= 160)
        env.expect_ends(within_s=_TAKEN_OVER_WITHIN_S, answered=len(sent.acks))
        assert coming.popen.poll() is None
    assert sent.outcomes == {"stored": len(sent.acks)}
    figure("callbacks", f"{len(sent.acks)} stored and answered once each")


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_a_message_that_one_version_left_behind_is_taken_over_by_the_other(
    env: FaultEnvironment, old: Path, new: Path
) -> None:
    with env.worker(old) as killed:
        env.accept("慢 1", 3)
        env.wait_for_state("leased", 3)
        killed.kill()
    with env.worker(new):
        env.expect_ends(within_s=_TAKEN_OVER_WITHIN_S, answered=3)


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_a_reply_that_one_version_may_have_sent_the_other_does_not_send_again(
    env: FaultEnvironment, old: Path, new: Path
) -> None:
    env.webhook.script = Script(delay_s=30)
    with env.worker(old) as killed:
        env.accept("text")
        env.webhook.wait_for(1)
        killed.kill()
    env.webhook.script = Script()
    with env.worker(new):
        env.expect_ends(within_s=_TAKEN_OVER_WITHIN_S, dead={"unknown": 1})
    assert len(env.webhook.posts) == 1


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_what_waits_for_another_attempt_is_delivered_by_the_other_version(
    env: FaultEnvironment, old: Path, new: Path
) -> None:
    env.webhook.script = Script(status=503, shows=False)
    with env.worker(old) as stopped:
        env.accept("text", 3)
        env.webhook.wait_for(3)
        stopped.stop()
    env.webhook.script = Script()
    with env.worker(new):
        env.expect_ends(within_s=_TAKEN_OVER_WITHIN_S, answered=3)


@DIRECTIONS
def test_a_callback_that_one_version_has_answered_is_known_to_the_other(
    env: FaultEnvironment, old: Path, new: Path, address: str
) -> None:
    with env.worker(old), env.worker(new):
        body = env.body("text")
        assert env.post(body).json() == EMPTY
        env.expect_ends(answered=1)
        with env.gateway(new) as (_, other):
            for each in (other, address):
                assert post_callback(each, body).json() == EMPTY
        env.expect_ends(answered=1)
    assert len(env.webhook.posts) == 1


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_a_dead_letter_of_one_version_is_retried_by_the_other(
    env: FaultEnvironment, old: Path, new: Path
) -> None:
    env.webhook.script = Script(status=302, shows=False)
    with env.worker(old):
        env.accept("text", 2)
        env.expect_ends(dead={"failed": 2})
    env.webhook.script = Script()
    with env.worker(new):
        assert "failed" in command(env, new, "dead", "list")
        ids = [line.split()[0] for line in command(env, new, "dead", "list").splitlines()]
        assert command(env, new, "dead", "retry", ids[0]).count("accepted again") == 1
        assert command(env, old, "dead", "retry", ids[1]).count("accepted again") == 1
        wait_until(lambda: len(env.shown()) == 2)
        wait_until(lambda: env.counts().open == 0)
        time.sleep(0.3)
    assert set(env.shown().values()) == {1}
    assert command(env, old, "dead", "list").strip() == "no dead letters"
    assert command(env, new, "dead", "list").strip() == "no dead letters"


@DIRECTIONS
@pytest.mark.usefixtures("address")
def test_each_version_shows_the_status_of_the_other(
    env: FaultEnvironment, old: Path, new: Path
) -> None:
    with env.worker(old), env.worker(new):
        env.accept("text", 4)
        env.expect_ends(answered=4)
        for checkout in (old, new):
            assert "4" in command(env, checkout, "status")


def command(env: FaultEnvironment, checkout: Path, *words: str) -> str:
    """What an operator's command of a version prints; fail the test if it fails."""
    settings = {"DINGDA_REDIS_URL": env.redis_url, "PYTHONPATH": str(checkout)}
    with process("-m", "worker", *words, env=settings, cwd=checkout) as run:
        assert run.popen.wait(30) == 0, run.output
        run.close()
        return run.output


def test_an_event_that_the_version_before_cannot_read_is_kept_for_the_present_one(
    env: FaultEnvironment, before: Path, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    settings = {"DINGDA_SKILLS": "tests.e2e.hooking_skill", "TESTS_HOOKING_FILE": str(called)}
    with stream_mode(env, tmp_path) as dingtalk, env.worker(before):
        dingtalk.stream.push_event("chat_add_member", {"userId": ["0002"]})
        env.expect_ends(dead={"failed": 1})
    (line,) = command(env, ROOT, "dead", "list").splitlines()
    assert line.endswith("failed: InvalidMessageError")
    with env.worker(**settings):
        assert "accepted again" in command(env, ROOT, "dead", "retry", line.split()[0])
        wait_until(called.exists)
        env.expect_ends(answered=1, dead={"failed": 1})
    assert called.read_text().startswith("joined 0002 ")
    assert env.shown() == {}
