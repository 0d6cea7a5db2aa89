"""The clock of skills, which a test of the whole bot can set by a file that holds the time.

It is the real one unless `DINGDA_SIMULATOR_CLOCK_FILE` names a file, as the test kit does for its
processes, and the file is there.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from dingda.shared.runtime.clock import CHINA, china_now
from dingda.shared.runtime.environment import value_set

logger = logging.getLogger(__name__)

CLOCK_FILE = "DINGDA_SIMULATOR_CLOCK_FILE"
"""The variable, or the line in `.env`, that names the file."""


def find_clock() -> Callable[[], datetime]:
    """The clock that the environment chooses."""
    named = value_set(CLOCK_FILE)
    if not named:
        return china_now
    logger.warning("%s: skills are told the time that %s says", CLOCK_FILE, Path(named).absolute())
    return clock_of(Path(named))


def clock_of(path: Path | None) -> Callable[[], datetime]:
    """The clock that a file sets; None: the real one."""
    return partial(_read, path) if path else china_now


def _read(path: Path) -> datetime:
    try:
        return datetime.fromisoformat(path.read_text("ascii")).astimezone(CHINA)
    except FileNotFoundError:
        return china_now()


def set_clock(path: Path, now: datetime | None) -> None:
    """Write the time into a file, for all its readers at once; None: it is the present again.

    Raises:
        ValueError: if the time has no time zone.
    """
    if now is None:
        path.unlink(missing_ok=True)
        return
    if now.tzinfo is None:
        raise ValueError("a time without a time zone may be any of 24: add tzinfo=CHINA")
    written = path.with_suffix(".new")
    written.write_text(now.isoformat(), "ascii")
    written.replace(path)
