"""The security page names tests that exist, and every threat once."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
_IN_SCOPE = [*range(1, 28), *range(30, 46), *range(49, 63), *range(70, 103), *range(110, 114)]


def test_every_threat_has_its_row() -> None:
    named: list[int] = []
    for cell in re.findall(r"^\| (T[\dT, –]+) \|", PAGE, re.MULTILINE):
        for part in cell.replace("T", "").split(", "):
            first, _, last = part.partition("–")
            named += range(int(first), int(last or first) + 1)
    assert named == _IN_SCOPE


def test_every_file_that_it_names_exists() -> None:
    named = re.findall(r"`([a-z0-9_/@.-]+/[a-z0-9_@.-]+\.[a-z]+)`", PAGE)
    missing = [
        name for name in named if not ((ROOT / name).exists() or (ROOT / "tests" / name).exists())
    ]
    assert missing == []
