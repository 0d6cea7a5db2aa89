"""The demo that runs in the current folder: where it is written down, and how commands find it.

`dingda demo` writes its settings to `data/demo.json` while it runs, so that nobody has to export
them in the other terminal. As long as it runs it holds a lock on `data/demo.lock`, which the
kernel releases however it dies.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.environment import check_env_file, names_set

DATA = Path("data")
"""The demo's data folder, in the folder where it was started."""


class DemoRunsError(DingdaError):
    """Another demo has the folder already."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A demo that runs."""

    page: str
    """The address of its chat page."""
    settings: dict[str, str]
    """The environment variables that it gives its processes."""


@contextmanager
def claimed(folder: Path = DATA) -> Iterator[None]:
    """Have a data folder for this process's demo alone, for the length of a `with` block.

    Raises:
        DemoRunsError: if another demo has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = find_demo(folder)
            where = f": {other.page}/" if other else ""
            raise DemoRunsError(f"A demo runs in this folder already{where}") from None
        _file(folder).unlink(missing_ok=True)  # of a demo that was killed
        yield


@contextmanager
def announced(settings: Mapping[str, str], *, page: str, folder: Path = DATA) -> Iterator[None]:
    """Let commands find the demo that has claimed a folder, for the length of a `with` block.

    Args:
        settings: the environment variables that it gives its processes; no secret of anybody's.
        page: the address of its chat page.
        folder: its data folder.
    """
    demo = RunningDemo(page, dict(settings))
    _file(folder).write_text(json.dumps(asdict(demo), indent=2), "utf-8")
    try:
        yield
    finally:
        _file(folder).unlink(missing_ok=True)


def find_demo(folder: Path = DATA) -> RunningDemo | None:
    """Find the demo with this data folder; None if there is none, or its process has died."""
    try:
        if not _is_claimed(folder):
            return None
        facts: Any = json.loads(_file(folder).read_text("utf-8"))
        # Like a `.env`, it sets nothing but what is ours.
        settings = {k: str(v) for k, v in facts["settings"].items() if k.startswith("DINGDA_")}
        return RunningDemo(str(facts["page"]), settings)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def join_demo(*unless: str) -> None:
    """Take over the settings of the demo that runs in this folder, and say so on standard error.

    What the environment or `.env` sets stays; where nothing runs, nothing happens.

    Args:
        unless: variables that say where to go instead: with one of them in the environment or in
            `.env`, the demo is left alone.

    Raises:
        SettingsError: if `.env` can't be read.
    """
    check_env_file(Path(".env"))
    already_set = set(names_set())
    demo = None if already_set.intersection(unless) else find_demo()
    if demo is None:
        return
    os.environ |= {k: v for k, v in demo.settings.items() if k not in already_set}
    told = f"(with the demo that runs in this folder, {demo.page})"
    click.echo(told, err=True)


def _file(folder: Path) -> Path:
    return folder / "demo.json"


def _lock(folder: Path) -> Path:
    return folder / "demo.lock"


def _is_claimed(folder: Path) -> bool:
    """Whether a process holds the lock.

    Raises:
        OSError: if there is no lock.
    """
    with _lock(folder).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
