"""`docs/connect.md` names permissions, findings and lines of the log as the code has them."""

import re
from pathlib import Path

from dingda.gateway.console.permissions import PERMISSIONS
from dingda.gateway.console.troubles import TROUBLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connect.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> str:
    return "\n".join(re.findall(r"^ *\| ([^|]*) \|", text, re.MULTILINE))


def test_each_permission_that_is_checked_is_shown_with_dingtalks_name_of_it() -> None:
    rows = re.findall(r"^ *\| `(\w+)` \| (\S+) \|", section("In the console"), re.MULTILINE)
    assert rows == [(each.code, each.title) for each in PERMISSIONS]


def test_each_finding_about_a_robot_has_its_row() -> None:
    named = re.findall(r"`([\w-]+)`", first_cells(section("What `dingda check` finds out")))
    findings = {each.finding for each in PERMISSIONS} | {name for name, *_ in TROUBLES.values()}
    assert set(named) == findings | {"robot-code", "stream-mode"}


def test_each_line_of_the_log_that_it_shows_is_one_that_the_stream_process_writes() -> None:
    written = "".join(path.read_text("utf-8") for path in (ROOT / "gateway/stream").glob("*.py"))
    shown = re.findall(r"`([^`]+)`", first_cells(section("What the log says")))
    parts = [part for line in shown for part in re.split(r"… ?|\(.*?\)| s$", line)]
    plain = [part.strip(" :;") for part in parts]
    assert len(plain) > len(shown) > 3
    assert [part for part in plain if part not in written and part != "robot ding"] == []
