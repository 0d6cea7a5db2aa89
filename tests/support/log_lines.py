"""The log as machines read it: what a test wants to see of its lines."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dingda.shared.runtime.logs import JSONFormatter


class LogLines:
    """The lines that were logged since the test began."""

    def __init__(self, written: io.StringIO) -> None:
        self._written = written

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._written.getvalue().splitlines()]

    def one(self, words: str) -> dict[str, Any]:
        """The one line whose message holds these words."""
        (line,) = [line for line in self.all if words in line["message"]]
        return line


@contextmanager
def log_lines(level: int = logging.DEBUG) -> Iterator[LogLines]:
    """Log as JSON, too, for the length of a `with` block."""
    written, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(written), root.level
    handler.setFormatter(JSONFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield LogLines(written)
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
