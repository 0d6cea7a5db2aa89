"""`docs/troubleshooting.md` names sentences of the bot and reasons of the gateway as they are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
TEXTS = (ROOT / "shared" / "texts.py").read_text("utf-8")
SOURCES = [*(ROOT / "gateway").glob("**/*.py"), ROOT / "shared" / "dingtalk" / "signature.py"]
CODE = "".join(path.read_text("utf-8") for path in SOURCES)


def first_cells(title: str) -> list[str]:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)[1:]


def sentences() -> list[str]:
    cells = first_cells("The bot says that something is wrong")
    return [part for cell in cells for part in re.split(r"[…]|, ", cell) if len(part) > 1]


@pytest.mark.parametrize("part", sentences())
def test_the_bot_says_what_the_page_shows(part: str) -> None:
    assert part in re.sub(r"\{\w+\}", "…", TEXTS)


def test_each_reason_of_a_refusal_is_one_that_the_gateway_gives() -> None:
    named = re.findall(r"^40[13] `(\w+)`", "\n".join(first_cells("401, 403, 400")), re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if f'"{name}"' not in CODE] == []


def test_each_heading_that_begins_with_a_symptom_has_a_table() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert [each.splitlines()[0] for each in sections if "\n|---" not in each] == []
