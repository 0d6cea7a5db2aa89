"""The page of faults names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "regressions.md").read_text("utf-8")


def test_each_of_the_faults_has_a_row() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 26)]


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[^`]+\.py)`", PAGE))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
