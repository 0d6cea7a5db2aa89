"""Pictures and files through the whole bot, with the simulator's storage."""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from dingda.simulator.testing.stack import a_running_stack
from dingda.testing import SimulatedDingTalk

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4000
SKILL = "tests.e2e.media_skill"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with a_running_stack(tmp_path_factory.mktemp("media"), {"DINGDA_SKILLS": SKILL}) as stack:
        yield stack.url


@pytest.fixture
def dingtalk(url: str) -> Iterator[SimulatedDingTalk]:
    with SimulatedDingTalk.at(url) as dingtalk:
        yield dingtalk


def shown(dingtalk: SimulatedDingTalk, text: str, **fields: Any) -> dict[str, Any]:
    """The one reply to a message."""
    (reply,) = dingtalk.ask(text, **fields).shown
    assert reply.payload is not None
    return reply.payload


def test_a_skill_reads_the_picture_that_was_sent(dingtalk: SimulatedDingTalk) -> None:
    file = dingtalk.give_file("cat.png", PNG)
    assert shown(dingtalk, "识图", kind="richText", pictures=1, file=file)["text"]["content"] == (
        f"image/png {sha256(PNG).hexdigest()}"
    )


def test_a_skill_reads_the_file_that_was_sent(dingtalk: SimulatedDingTalk) -> None:
    file = dingtalk.give_file("周报.pdf", b"%PDF-1.7")
    assert shown(dingtalk, "周报.pdf", kind="file", single=True, file=file)["text"]["content"] == (
        f"周报.pdf {sha256(b'%PDF-1.7').hexdigest()}"
    )


def test_a_skills_picture_is_shown(dingtalk: SimulatedDingTalk) -> None:
    text = shown(dingtalk, "画图")["markdown"]["text"]
    found = re.fullmatch(r"!\[\]\((@\S+)\)", text)
    assert found
    assert dingtalk.media(found[1]) == b"\x89PNG\r\n\x1a\na plot"
