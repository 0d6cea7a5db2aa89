"""What workers write into the file of inspections is read by the simulator, line by line."""

import os
from pathlib import Path
from stat import S_IMODE

import pytest

from dingda.shared.runtime import inspection_file
from dingda.shared.runtime.inspection import (
    MAX_CALLS,
    MAX_LINES,
    InspectedCall,
    InspectedLine,
    Inspection,
    OfferedSkills,
    Report,
)
from dingda.shared.runtime.inspection_file import InspectionReader, InspectionWriter

FIRST = Report(offered=OfferedSkills())
CALL = InspectedCall(at_ms=1, host="api.example", status="200", took_ms=5)
LINE = InspectedLine(at_ms=2, level="INFO", text="两行\n一条")
TOLD = Report("m1", Inspection(arguments={"city": "'北京'"}, calls=(CALL,), log=(LINE,)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inspection.jsonl"


def test_what_is_written_is_read_once(path: Path) -> None:
    reader = InspectionReader(path)
    with InspectionWriter(path, FIRST) as writer:
        writer.write(TOLD)
        assert reader.read() == [FIRST, TOLD]
        assert reader.read() == []


def test_two_writers_are_read_as_they_wrote(path: Path) -> None:
    with InspectionWriter(path, FIRST) as one, InspectionWriter(path, FIRST) as other:
        one.write(TOLD)
        other.write(Report("m2"))
    assert InspectionReader(path).read() == [FIRST, FIRST, TOLD, Report("m2")]


def test_only_its_owner_can_read_the_file(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0o644)
    with InspectionWriter(path, FIRST):
        assert S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match="symbolic links"):
        InspectionWriter(path, FIRST)


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_left_as_it_is_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    path.chmod(0o644)
    with pytest.raises(OSError, match="No such device"):
        InspectionWriter(path, FIRST)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="no regular file"):
        InspectionWriter(path, FIRST)
    os.close(reader)
    assert S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.timeout(10)
def test_nothing_is_read_from_a_named_pipe_nor_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert InspectionReader(path).read() == []


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(path: Path) -> None:
    line = TOLD.to_json() + b"\n"
    path.write_bytes(line[:20])
    reader = InspectionReader(path)
    assert reader.read() == []
    with path.open("ab") as file:
        file.write(line[20:])
    assert reader.read() == [TOLD]


def test_what_is_no_report_is_left_out(path: Path) -> None:
    path.write_bytes(b'nonsense\n[1]\n{"message_id": 5}\n\xff\n' + TOLD.to_json() + b"\n")
    assert InspectionReader(path).read() == [TOLD]


def test_a_line_that_is_too_long_does_not_hide_what_follows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_file, "_READ_BYTES", 1_000)
    path.write_bytes(b"x" * 2_500 + b"\n" + Report("m2").to_json() + b"\n")
    reader = InspectionReader(path)
    assert [reader.read() for _ in range(4)] == [[], [], [Report("m2")], []]


def test_a_file_that_was_replaced_is_read_from_its_beginning(path: Path) -> None:
    reader = InspectionReader(path)
    with InspectionWriter(path, FIRST) as writer:
        writer.write(TOLD)
    reader.read()
    other = path.with_suffix(".new")
    other.write_bytes(Report("m2").to_json() + b"\n")
    other.replace(path)
    assert reader.read() == [Report("m2")]


def test_without_a_file_there_is_nothing_to_read(path: Path) -> None:
    assert InspectionReader(path).read() == []
    assert InspectionReader(None).read() == []


def test_a_full_file_is_emptied_and_still_begins_with_the_skills(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_file, "MAX_FILE_BYTES", 1_000)
    reader = InspectionReader(path)
    with InspectionWriter(path, FIRST) as writer:
        while path.stat().st_size <= 1_000:
            writer.write(TOLD)
        reader.read()
        writer.write(Report("m2"))
        assert reader.read() == [FIRST, Report("m2")]
        assert os.path.getsize(path) < 1_000  # noqa: PTH202 - what the writer's fstat says


def test_later_words_about_a_message_follow_the_earlier_ones() -> None:
    begun = Inspection(skill="weather", command="天气")
    worked = begun.followed_by(TOLD.inspection).followed_by(Inspection(traceback="boom"))
    assert worked == Inspection(
        "weather", "天气", {"city": "'北京'"}, calls=(CALL,), log=(LINE,), traceback="boom"
    )


def test_another_command_has_none_of_the_arguments_before_it() -> None:
    first = Inspection(command="天气", arguments={"city": "'北京'"})
    assert first.followed_by(Inspection(command="帮助")).arguments == {}


def test_of_many_calls_and_lines_the_latest_are_kept() -> None:
    told = Inspection()
    for number in range(MAX_LINES + 1):
        line = InspectedLine(number, "INFO", "")
        told = told.followed_by(Inspection(calls=(CALL,), log=(line,)))
    assert (len(told.calls), len(told.log)) == (MAX_CALLS, MAX_LINES)
    assert told.log[0].at_ms == 1
