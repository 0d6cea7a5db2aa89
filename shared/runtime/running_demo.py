"""The demo that runs in the current folder: where it is written down, and how commands find it.

`dingda demo` writes its settings to `data/demo.json` while it runs, so that nobody has to export
them in the other terminal.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from dingda.shared.runtime.environment import check_env_file, names_set

DATA = Path("data")
"""The demo's data folder, in the folder where it was started."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A demo that runs."""

    pid: int
    page: str
    """The address of its chat page."""
    settings: dict[str, str]
    """The environment variables that it gives its processes."""


@contextmanager
def announced(settings: Mapping[str, str], *, page: str, folder: Path = DATA) -> Iterator[None]:
    """Let commands find a demo of this process for the length of a `with` block.

    Args:
        settings: the environment variables that it gives its processes; no secret of anybody's.
        page: the address of its chat page.
        folder: its data folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    demo = RunningDemo(os.getpid(), page, dict(settings))
    _file(folder).write_text(json.dumps(asdict(demo), indent=2), "utf-8")
    try:
        yield
    finally:
        _file(folder).unlink(missing_ok=True)


def find_demo(folder: Path = DATA) -> RunningDemo | None:
    """Find the demo with this data folder; None if there is none, or its process has died."""
    try:
        facts: Any = json.loads(_file(folder).read_text("utf-8"))
        # Like a `.env`, it sets nothing but what is ours.
        settings = {k: str(v) for k, v in facts["settings"].items() if k.startswith("DINGDA_")}
        demo = RunningDemo(int(facts["pid"]), str(facts["page"]), settings)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return demo if _is_alive(demo.pid) else None


def join_demo(*unless: str) -> None:
    """Take over the settings of the demo that runs in this folder, and say so on standard error.

    What the environment sets stays; where nothing runs, nothing happens.

    Args:
        unless: variables that say where to go instead: with one of them in the environment or in
            `.env`, the demo is left alone.

    Raises:
        SettingsError: if `.env` can't be read.
    """
    check_env_file(Path(".env"))
    demo = None if set(unless) & set(names_set()) else find_demo()
    if demo is None:
        return
    for name, value in demo.settings.items():
        os.environ.setdefault(name, value)
    told = f"(with the demo that runs in this folder, {demo.page})"
    click.echo(told, err=True)


def _file(folder: Path) -> Path:
    return folder / "demo.json"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0
