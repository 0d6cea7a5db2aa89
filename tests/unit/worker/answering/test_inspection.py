"""What a worker tells the simulator of a developer's machine while it answers a message."""

import logging
from datetime import datetime
from errno import ENOSPC
from pathlib import Path
from typing import Annotated, Self

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.inspection import Inspection, OfferedCommand
from dingda.shared.runtime.inspection_file import (
    INSPECTION_FILE,
    InspectionReader,
    InspectionWriter,
)
from dingda.skill import Context, Picture, RefusalError, Skill
from dingda.slots import Day, FoldedText
from dingda.worker.answering import inspection
from dingda.worker.answering.attempt_notes import AttemptNotes
from dingda.worker.answering.inspection import inspected
from tests.support.worker_harness import SkillFunction, open_worker, well

logger = logging.getLogger(__name__)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "inspection.jsonl"
    monkeypatch.setenv(INSPECTION_FILE, str(path))
    return path


async def told(path: Path, function: SkillFunction, text: str = "问") -> Inspection:
    """What is told of a message to a skill."""
    with inspected({}) as new_notes:
        async with open_worker(function, new_notes=new_notes) as here:
            message = await here.asked(text)
    reports = InspectionReader(path).read()
    all_of_it = Inspection()
    for report in reports:
        if report.message_id == message.id:
            all_of_it = all_of_it.followed_by(report.inspection)
    return all_of_it


async def test_the_skill_and_the_command_are_told(path: Path) -> None:
    read = await told(path, well, "問")
    assert (read.skill, read.command) == ("test", "问")


async def test_arguments_are_told_with_their_values(path: Path) -> None:
    def asked(ctx: Context, count: int, rest: Annotated[str, "其余"]) -> str:  # noqa: ARG001
        return "好"

    assert (await told(path, asked, "问 3 杯")).arguments == {"count": "3", "rest": "'杯'"}


async def test_what_is_told_is_in_the_file_alone(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def asked(rest: Annotated[str, "其余"]) -> str:
        return f"{len(rest)} 个字"

    caplog.set_level(logging.DEBUG)
    with inspected({}) as new_notes:
        async with open_worker(asked, new_notes=new_notes) as here:
            await here.asked("问 秘密")
            stored = [await here.redis.dump(key) for key in await here.redis.keys()]
    shown = caplog.text + repr(stored)
    assert "秘密" not in shown
    assert repr("秘密".encode())[2:-1] not in shown
    assert "'秘密'" in repr(InspectionReader(path).read())


async def test_a_long_argument_is_cut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_MAX_ARGUMENT_CHARS", 5)

    def asked(rest: Annotated[str, "其余"]) -> str:  # noqa: ARG001
        return "好"

    assert (await told(path, asked, "问 一二三四五")).arguments["rest"] == "'一二三四…"


class Nameless:
    """An author's own type, whose values can't be shown."""

    label = "什么"

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText]:
        del now
        return cls(), words

    def __repr__(self) -> str:
        raise RuntimeError


async def test_an_argument_that_can_not_be_shown_is_answered_all_the_same(path: Path) -> None:
    def asked(what: Nameless) -> str:
        return type(what).__name__

    read = await told(path, asked, "问")
    assert read.arguments == {"what": "<Nameless, whose repr raises>"}
    assert read.traceback == ""


async def test_the_command_of_a_message_that_can_not_be_read_is_told(path: Path) -> None:
    def asked(day: Day) -> str:  # noqa: ARG001
        return "好"

    read = await told(path, asked)
    assert (read.command, dict(read.arguments)) == ("问", {})


async def test_calls_to_backends_are_told_by_host_and_status(path: Path) -> None:
    async def asked(ctx: Context) -> str:
        await ctx.services.http.json("API", "GET", "https://api.example/v1?key=hidden")
        return "好"

    (call,) = (await told(path, asked)).calls
    assert (call.host, call.status) == ("api.example", "200")


async def test_the_log_lines_of_the_message_are_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def asked() -> str:
        logger.info("see https://oapi.dingtalk.com/robot/send?access_token=%s", "abc")
        return "好"

    logger.info("of no message")
    first, *_, last = (await told(path, asked)).log
    assert (first.level, first.text) == (
        "INFO",
        "see https://oapi.dingtalk.com/robot/send?access_token=***",
    )
    assert last.text.startswith("answered")


async def test_a_failure_is_told_with_its_words_and_its_whole_way(path: Path) -> None:
    def asked() -> str:
        raise ValueError("no beans")

    lines = (await told(path, asked)).traceback.splitlines()
    assert lines[-1] == "ValueError: no beans"
    assert "in asked" in lines[1]
    assert any("in asked" in line for line in lines)


async def test_a_refusal_is_no_failure(path: Path) -> None:
    def asked() -> str:
        raise RefusalError("只能在单聊里查")

    assert (await told(path, asked)).traceback == ""


async def test_an_error_that_can_not_be_shown_is_told_by_where_it_was_raised(path: Path) -> None:
    class OddError(Exception):
        @property
        def __notes__(self) -> list[str]:  # type: ignore[override]
            raise SystemExit

    def asked() -> str:
        raise OddError

    assert (await told(path, asked)).traceback.startswith("OddError")


async def test_a_text_that_is_no_unicode_is_told_all_the_same(path: Path) -> None:
    def asked() -> str:
        raise ValueError("\ud800")

    assert (await told(path, asked)).traceback.endswith("ValueError: \\ud800\n")


@pytest.mark.usefixtures("path")
async def test_a_message_is_answered_although_nothing_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    with inspected({}) as new_notes:
        monkeypatch.setattr(InspectionWriter, "write", full)
        async with open_worker(well, new_notes=new_notes) as here:
            await here.asked()
            assert here.said == ["好"]


def test_the_skills_are_told_with_what_one_types(path: Path) -> None:
    skill = Skill("shop", summary="买东西")

    @skill.command("买", "购买")
    def buy(what: Annotated[str, "什么"], count: int = 1) -> str:
        return f"{what}{count}"

    @skill.command("看图")
    def look(picture: Picture) -> str:
        return str(picture)

    @skill.command("账单")
    def bill(month: Annotated[str, "月份"] = "") -> str:
        return month

    with inspected({"one": [skill], "two": [skill]}):
        pass
    (report,) = InspectionReader(path).read()
    assert report.offered is not None
    shop, help_ = report.offered.skills
    assert (shop.name, shop.summary, shop.robots) == ("shop", "买东西", ("one", "two"))
    assert shop.commands == (
        OfferedCommand("买", "买 <什么> [count]", complete=False),
        OfferedCommand("看图", "看图", complete=False),
        OfferedCommand("账单", "账单 [月份]", complete=True),
    )
    assert help_.name == "help"


def test_a_file_that_can_not_be_written_stops_the_worker_with_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSPECTION_FILE, str(path / "no" / "such"))
    with pytest.raises(SettingsError, match=INSPECTION_FILE), inspected({}):
        pass


def test_without_a_file_the_notes_are_those_of_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(INSPECTION_FILE, raising=False)
    before = list(logging.getLogger().handlers)
    with inspected({}) as new_notes:
        assert type(new_notes("m")) is AttemptNotes
        assert logging.getLogger().handlers == before
    assert list(tmp_path.iterdir()) == []
