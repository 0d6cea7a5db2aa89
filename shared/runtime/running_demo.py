"""The demo that runs in the current folder: where it is written down, and how commands find it.

`dingda demo` writes its settings to `data/demo.json` while it runs, so that nobody has to export
them in the other terminal. As long as it runs it holds a lock on `data/demo.lock`, which the
kernel releases however it dies.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import click
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.environment import check_env_file, names_set
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.secret_files import secret_files

DATA = Path("data")
"""The demo's data folder, in the folder where it was started."""
_MAX_BYTES = 64 * 1024

# Like a `.env`, it sets nothing but what is ours.
Variable = Annotated[str, Field(pattern=r"^DINGDA_[A-Z0-9_]+$")]
Value = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class DemoRunsError(DingdaError):
    """Another demo has the folder already."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A demo that runs."""

    page: str
    """The address of its chat page."""
    settings: dict[Variable, Value]
    """The environment variables that it gives its processes."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")


_RUNNING_DEMO = TypeAdapter(RunningDemo)


@contextmanager
def claimed(folder: Path = DATA) -> Iterator[None]:
    """Have a data folder for this process's demo alone, for the length of a `with` block.

    Raises:
        DemoRunsError: if another demo has it.
        DingdaError: if nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(_lock(folder), "ab", opener=_open_at_once)  # noqa: SIM115 - below
    except OSError as error:
        raise DingdaError(
            f"{folder.absolute()} can't be the demo's folder: {os.strerror(error.errno or 0)}"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = find_demo(folder)
            where = f": {printable(other.page)}/" if other else ""
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
        return _RUNNING_DEMO.validate_json(_read(_file(folder)))
    except (OSError, ValidationError):
        return None


def join_demo(*unless: str) -> None:
    """Take over the settings of the demo that runs in this folder, and say so on standard error.

    What the environment, `.env` or a secret's file sets stays; where nothing runs, nothing happens.

    Args:
        unless: variables that say where to go instead: with one of them in the environment or in
            `.env`, the demo is left alone.

    Raises:
        SettingsError: if `.env` can't be read.
    """
    check_env_file(Path(".env"))
    already_set = set(names_set()) | set(secret_files())
    demo = None if already_set.intersection(unless) else find_demo()
    if demo is None:
        return
    os.environ |= {k: v for k, v in demo.settings.items() if k not in already_set}
    told = f"(with the demo that runs in this folder, {printable(demo.page)})"
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
    with open(_lock(folder), "rb", opener=_open_at_once) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _read(path: Path) -> bytes:
    """Read a small regular file.

    Raises:
        OSError: if it is something else.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_BYTES:
            raise OSError(f"{path} is no small file")
        return file.read(_MAX_BYTES)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer, if it is a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
