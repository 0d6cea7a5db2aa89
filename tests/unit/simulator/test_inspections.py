"""What workers tell through a file is in the records, and the skills are offered."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.shared.runtime.inspection import (
    Inspection,
    OfferedCommand,
    OfferedSkill,
    OfferedSkills,
    Report,
)
from dingda.shared.runtime.inspection_file import InspectionReader, InspectionWriter
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.inspections import Inspections

COFFEE = OfferedSkills(
    (OfferedSkill("coffee", "来一杯咖啡", ("",), (OfferedCommand("咖啡", "咖啡", complete=True),)),)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inspection.jsonl"


@pytest.fixture
def inspections(path: Path, dingtalk: Simulation, changes: ChangeNotifier) -> Inspections:
    return Inspections(InspectionReader(path), dingtalk.records, changes)


@pytest.fixture
def writer(path: Path) -> Iterator[InspectionWriter]:
    with InspectionWriter(path, Report(offered=COFFEE)) as writer:
        yield writer


def say(dingtalk: Simulation) -> tuple[str, str]:
    """Say something; returns DingTalk's id of it and the ledger's."""
    msg_id = dingtalk.send(UserMessage("咖啡")).msg_id
    record = dingtalk.record(msg_id)
    assert record is not None
    return msg_id, record.ledger_id or ""


def told(dingtalk: Simulation, msg_id: str) -> Inspection:
    record = dingtalk.record(msg_id)
    assert record is not None
    return record.inspection


def test_what_is_told_is_in_the_record_of_its_message_alone(
    dingtalk: Simulation, inspections: Inspections, writer: InspectionWriter
) -> None:
    (first, ledger_id), (second, _) = say(dingtalk), say(dingtalk)
    writer.write(Report(ledger_id, Inspection(skill="coffee", command="咖啡")))
    writer.write(Report(ledger_id, Inspection(traceback="no beans")))
    assert inspections.catch_up()
    assert told(dingtalk, first) == Inspection("coffee", "咖啡", traceback="no beans")
    assert told(dingtalk, second) == Inspection()


def test_what_is_told_of_other_messages_changes_nothing(
    dingtalk: Simulation, inspections: Inspections, writer: InspectionWriter
) -> None:
    msg_id, _ = say(dingtalk)
    writer.write(Report("another", Inspection(skill="coffee")))
    inspections.catch_up()
    assert told(dingtalk, msg_id) == Inspection()


def test_the_skills_are_those_of_the_worker_that_started_last(
    path: Path, inspections: Inspections, writer: InspectionWriter
) -> None:
    assert inspections.skills == OfferedSkills()
    inspections.catch_up()
    assert inspections.skills == COFFEE
    with InspectionWriter(path, Report(offered=OfferedSkills())):
        inspections.catch_up()
    assert inspections.skills == OfferedSkills()
    del writer


async def test_followers_are_woken_when_something_is_told(
    dingtalk: Simulation,
    inspections: Inspections,
    changes: ChangeNotifier,
    writer: InspectionWriter,
) -> None:
    msg_id, ledger_id = say(dingtalk)
    running = asyncio.create_task(inspections.run())
    writer.write(Report(ledger_id, Inspection(skill="coffee")))
    await changes.wait_until(lambda: told(dingtalk, msg_id).skill == "coffee", wait_s=10)
    assert told(dingtalk, msg_id).skill == "coffee"
    await changes.close()
    await running
