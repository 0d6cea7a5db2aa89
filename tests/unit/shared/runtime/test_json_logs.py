"""A log for machines: one JSON object a line, in which nothing is said that must not be."""

import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import run
from dingda.shared.runtime.logs import (
    JSONFormatter,
    LogFormat,
    RedactingFormatter,
    configure_logging,
    name_worker,
)
from dingda.shared.runtime.task_owner import TaskOwner
from tests.support.builders import SESSION_WEBHOOK
from tests.unit.shared.runtime.test_logs import FORGED, TRICKS, root_logger

__all__ = ("root_logger",)

TOKEN = SESSION_WEBHOOK.partition("session=")[2]


def a_line(message: str, *arguments: object, **traits: Any) -> dict[str, Any]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())
    record = logging.LogRecord("worker", logging.ERROR, __file__, 1, message, arguments, None)
    vars(record).update(traits)
    handler.handle(record)
    (line,) = written.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


class Process:
    """This process, with its logging set up as a worker's or a gateway's."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def configure(self, log_format: LogFormat = "json") -> None:
        configure_logging("INFO", log_format)

    def said(self) -> str:
        out, err = self._capsys.readouterr()
        assert out == ""
        return err

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said().splitlines()]


@pytest.fixture
def process(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> Iterator[Process]:
    assert not root_logger.handlers
    excepthook = sys.excepthook
    yield Process(capsys)
    sys.excepthook = excepthook
    logging.captureWarnings(capture=False)


def test_a_line_has_the_fields_that_the_docs_name() -> None:
    line = a_line("put back")
    assert set(line) == {"timestamp", "severity", "logger", "message"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert (line["severity"], line["logger"], line["message"]) == ("ERROR", "worker", "put back")


def test_a_line_about_a_message_names_it_in_full() -> None:
    owner = TaskOwner("a" * 64, "weather", 2, since_s=1.0)
    line = a_line("put back", task_owner=owner)
    assert (line["message_id"], line["skill"], line["attempt"]) == ("a" * 64, "weather", 2)
    assert line["duration_s"] > 0


def test_facts_of_one_line_are_fields_of_it() -> None:
    line = a_line("ended", line_facts={"event": "message.ended", "queue_s": 0.25, "reason": None})
    assert (line["event"], line["queue_s"]) == ("message.ended", 0.25)
    assert "reason" not in line


def test_an_exception_is_its_class_and_its_places() -> None:
    try:
        int("我的工资")
    except ValueError as error:
        line = a_line("failed", exc_info=(type(error), error, None))
    assert line["error.type"] == "ValueError"
    assert line["stack"].startswith(f"ValueError\n  {__file__}:")
    assert "工资" not in str(line)


@pytest.mark.parametrize("trick", [*TRICKS, FORGED, '", "severity": "INFO', "{}", "\\", "😀"])
def test_nothing_in_a_message_breaks_a_line_or_adds_a_field(trick: str) -> None:
    for line in (a_line("a group called %s", trick), a_line(f"called {trick}".replace("%", "%%"))):
        assert set(line) == {"timestamp", "severity", "logger", "message"}
        assert line["severity"] == "ERROR"
        assert line["message"].isprintable()


@pytest.mark.parametrize(
    "text",
    [
        f'"{SESSION_WEBHOOK}"',
        f"'{SESSION_WEBHOOK}'",
        f'{{"url": "{SESSION_WEBHOOK}"}}',
        f"{SESSION_WEBHOOK}\\",
        SESSION_WEBHOOK.replace("=", "%3D"),
        SESSION_WEBHOOK.replace("session=", "session=\x00"),
        f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}&sign=1",
        f"wss://wss-open-connection.dingtalk.com:443/connect?ticket={TOKEN}",
    ],
)
def test_the_token_of_a_url_is_blanked_before_it_is_put_into_json(text: str) -> None:
    line = a_line("POST %s", text, line_facts={"url": text}, stack_info=text)
    assert TOKEN not in json.dumps(line)
    assert "***" in line["message"]
    assert "***" in line["url"]
    assert "***" in line["stack"]


@given(st.text(st.characters(), max_size=50), st.text(st.characters(), max_size=50))
def test_whatever_is_logged_both_formats_hold_a_line_without_the_token(
    before: str, after: str
) -> None:
    text = f"{before}{SESSION_WEBHOOK}&{after}"
    assert TOKEN not in json.dumps(a_line("POST %s", text))
    record = logging.LogRecord("worker", logging.ERROR, "", 1, "%s", (text,), None)
    shown = RedactingFormatter("%(message)s").format(record)
    assert TOKEN not in shown
    assert shown.isprintable()


def test_a_message_that_never_ends_is_cut() -> None:
    assert len(a_line("x" * 100_000)["message"]) < 3_000


def test_every_line_of_a_worker_carries_its_name(process: Process) -> None:
    process.configure()
    name_worker("a-worker")
    logging.getLogger("rq.queue").warning("old")
    assert [line["worker"] for line in process.lines()] == ["a-worker"]


@pytest.mark.filterwarnings("always")
def test_pythons_own_lines_are_objects_as_well(process: Process) -> None:
    process.configure()
    warnings.warn("careful", UserWarning, stacklevel=1)
    thread = threading.Thread(target=int, args=("s3cret",), name="a-thread")
    thread.start()
    thread.join()
    error = ValueError("s3cret")
    sys.excepthook(ValueError, error, None)
    lines = process.lines()
    assert [line["logger"] for line in lines] == ["py.warnings", "thread", "python"]
    assert [line.get("error.type") for line in lines] == [None, "ValueError", "ValueError"]
    assert "s3cret" not in str(lines)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_line_that_cannot_be_made_shows_where_and_not_its_arguments(
    process: Process, log_format: Any
) -> None:
    process.configure(log_format)
    logging.getLogger("worker").info("%d", "s3cret")
    shown = process.said()
    assert f"a line of {__file__}:" in shown
    assert "s3cret" not in shown


def test_a_command_that_fails_says_so_in_an_object(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command
    def command() -> None:
        raise SettingsError("DINGDA_PORT: not a number\nDINGDA_HOST: neither")

    monkeypatch.setenv("DINGDA_LOG_FORMAT", "json")
    monkeypatch.setattr("sys.argv", ["dingda"])
    assert run(command) == 2
    (line,) = process.lines()
    assert line["severity"] == "CRITICAL"
    assert line["message"] == r"DINGDA_PORT: not a number\nDINGDA_HOST: neither"
