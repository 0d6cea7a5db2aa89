"""The page about delivery says of each errcode what the worker makes of it."""

import re
from pathlib import Path

from dingda.worker.delivery.outcome import FailureKind
from dingda.worker.services.errcodes import ERRCODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "delivery.md").read_text("utf-8")


def test_the_errcodes_are_those_of_the_table_in_its_order() -> None:
    rows = re.findall(r"^\| (-?\d+) \| (\w+) \|", PAGE, re.MULTILINE)
    assert rows == [(str(code), meaning.value) for code, meaning in ERRCODES.items()]


def test_every_kind_of_trouble_has_its_row() -> None:
    header, *rows = re.findall(
        r"^\| ([a-z]+) \|", PAGE.partition("## What is final")[0], re.MULTILINE
    )
    assert (header, rows) == ("kind", [kind.value for kind in FailureKind])
