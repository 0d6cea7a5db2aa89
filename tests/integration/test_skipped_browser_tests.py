"""A run of pytest without a browser ends with what was skipped, and how to run it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BROWSER_TEST = "tests/browser/test_page_access.py::test_both_languages_have_the_same_texts"
OTHER_TEST = "tests/unit/shared/test_queue.py"


def last_line_of_pytest(tests: str, *, path: str) -> str:
    """The last line that pytest prints, with the programs of a PATH."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    run = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()[-1]


def test_without_a_browser_the_last_line_says_how_to_run_what_was_skipped() -> None:
    last = last_line_of_pytest(BROWSER_TEST, path="")

    assert last.startswith("Skipped for want of Chromium: 1")
    assert "apt install chromium" in last
    assert "make test-browser" in last


def test_where_no_browser_test_was_skipped_nothing_is_said_of_them() -> None:
    assert "browser" not in last_line_of_pytest(OTHER_TEST, path=os.environ["PATH"])
