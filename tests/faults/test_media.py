"""Pictures that were sent, on a bad day of DingTalk's storage, and workers that die over them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dingda.worker.services.downloads import STORAGE
from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.processes import wait_until
from tests.support.storage import FakeStorage

NOTICED_WITHIN_S = 25.0
SKILLS = {"DINGDA_SKILLS": "tests.e2e.media_skill,dingda.worker.skills.demo"}
PICTURE: dict[str, Any] = {
    "msgtype": "richText",
    "content": {"richText": [{"text": "识图"}, {"type": "picture", "downloadCode": "code"}]},
}


@pytest.fixture
def storage() -> Iterator[FakeStorage]:
    with FakeStorage() as storage:
        yield storage


def texts(env: FaultEnvironment) -> list[str]:
    replies = [json.loads(post.body) for post in env.webhook.shown]
    return [reply["text"]["content"] for reply in replies if "text" in reply]


@pytest.mark.slow
@pytest.mark.fault("F103")
def test_a_worker_that_is_killed_while_it_downloads_leaves_the_picture_to_another(
    env: FaultEnvironment, storage: FakeStorage, figure: Figure
) -> None:
    settings = SKILLS | storage.settings
    storage.fault = "hang"
    with env.worker(**settings) as doomed:
        env.accept("识图", **PICTURE)
        wait_until(lambda: storage.downloads)
        doomed.kill()
    storage.fault = "none"
    with env.worker(**settings):
        noticed_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1)
    (answer,) = texts(env)
    assert answer.startswith("image/png ")
    figure("downloaded again and answered after", f"{noticed_s:.1f} s")


@pytest.mark.fault("F103")
def test_a_download_that_breaks_off_is_made_again(
    env: FaultEnvironment, storage: FakeStorage
) -> None:
    storage.fault = "break"
    with env.worker(**(SKILLS | storage.settings)):
        env.accept("识图", **PICTURE)
        env.expect_ends(answered=1)
    assert storage.downloads == 2
    (answer,) = texts(env)
    assert answer.startswith("image/png ")


@pytest.mark.slow
@pytest.mark.fault("F103")
def test_a_storage_that_hangs_is_told_to_the_sender_and_keeps_nobody_else_waiting(
    env: FaultEnvironment, storage: FakeStorage, figure: Figure
) -> None:
    storage.fault = "hang"
    with env.worker(**(SKILLS | storage.settings)):
        env.accept("识图", 20, **PICTURE)
        wait_until(lambda: storage.downloads)
        env.accept("帮助")
        others_s = env.took_s(lambda: env.counts().answered == 1, within_s=10)
        told_s = env.took_s(lambda: env.counts().open == 0, within_s=60)
        env.expect_ends(answered=1, dead={"failed": 20})
    assert [STORAGE.name in text for text in texts(env)] == 20 * [True]
    figure("another question answered after", f"{others_s:.1f} s")
    figure("all twenty senders told after", f"{told_s:.1f} s")
