"""Imports run one way: gateway → shared ← worker; simulator → shared. Nothing imports tests."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "shared": {"shared"},
    "gateway": {"gateway", "shared"},
    "worker": {"worker", "shared"},
    "simulator": {"simulator", "shared"},
    "benchmarks": {"benchmarks", "gateway", "shared", "simulator", "worker"},
    "scripts": {"scripts", "gateway", "shared", "simulator", "worker"},
}
"""Room → the rooms that it may import."""
GROUND = {"errors", "contained"}
"""What every room of the worker may import."""
LEVELS = {
    "errors": set(),
    "contained": set(),
    "language": GROUND,
    "services": GROUND,
    "engine": GROUND,
    "maintenance": GROUND,
    "delivery": {"services", *GROUND},
    "sdk": {"language", "services", *GROUND},
    "skills": set(),  # they are written with `dingda.skill` and `dingda.slots`
    "answering": {"delivery", "sdk", "language", "services", *GROUND},
}
"""Room of the worker → the rooms of the worker that it may import."""
LOOKS_DOWN_ON_ALL = {"__init__", "__main__", "app", "job", "operations", "testing"}
ROOMS = {*ALLOWED, "tests"}
FORMER = re.compile(r"^(gateway|worker|shared|simulator)\b")
"""What others may call packages of their own: nothing imports ours by these names."""


def imported(source: str, package: str) -> Iterator[str]:
    """The modules that a source of a package imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -node.level + 1 or None] if node.level else []
            module = ".".join((*above, *filter(None, [node.module])))
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))  # type: ignore[misc]


def forbidden(source: str, package: str) -> set[str]:
    """The rooms that a source of a package may not import and does."""
    modules = set(imported(source, package))
    rooms = set(map(room_of, modules))
    former = {"not dingda's" for module in modules if FORMER.match(module)}
    return (rooms & ROOMS) - ALLOWED[room_of(package)] | former


def room_of(module: str) -> str:
    """The first part of a module's name that is not `dingda`."""
    return module.removeprefix("dingda.").partition(".")[0]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def loaded_by(module: str) -> set[str]:
    """The rooms that are loaded once a fresh Python has imported a module."""
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(map(room_of, done.stdout.split())) & ROOMS


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    found = sources(room)
    assert found
    offenders = {
        str(path.relative_to(ROOT)): wrong
        for path in found
        if (wrong := forbidden(path.read_text("utf-8"), _package(path)))
    }
    assert offenders == {}


@pytest.mark.parametrize("room", LEVELS)
def test_a_room_of_the_worker_imports_only_what_is_below_it(room: str) -> None:
    paths = sources(f"worker/{room}") or [ROOT / "worker" / f"{room}.py"]
    offenders = {
        str(path.relative_to(ROOT)): wrong
        for path in paths
        if (wrong := worker_rooms(path) - LEVELS[room] - {room})
    }
    assert offenders == {}


def worker_rooms(path: Path) -> set[str]:
    """The rooms of the worker that a file imports."""
    modules = (name.split(".") for name in imported(path.read_text("utf-8"), _package(path)))
    return {parts[2] for parts in modules if parts[:2] == ["dingda", "worker"] and len(parts) > 2}


def test_every_room_of_the_worker_has_a_level_and_there_are_few() -> None:
    rooms = {path.stem for path in (ROOT / "worker").iterdir() if path.name != "__pycache__"}
    assert rooms == LEVELS.keys() | LOOKS_DOWN_ON_ALL
    assert len(rooms) <= 16


def test_no_room_of_the_worker_is_above_itself() -> None:
    TopologicalSorter(LEVELS).prepare()  # it raises CycleError


def _package(path: Path) -> str:
    return ".".join(("dingda", *path.relative_to(ROOT).parent.parts))


@pytest.mark.parametrize("module", ["dingda.gateway.app", "dingda.gateway.__main__"])
def test_the_gateway_never_loads_the_worker(module: str) -> None:
    assert loaded_by(module) == {"gateway", "shared"}


def test_the_worker_never_loads_the_gateway_or_the_simulator() -> None:
    assert loaded_by(
        "dingda.worker.app, dingda.worker.operations.commands, dingda.worker.skills.demo"
    ) == {
        "worker",
        "shared",
    }


def test_the_simulator_loads_neither() -> None:
    assert loaded_by("dingda.simulator.http.app, dingda.simulator.__main__") == {
        "simulator",
        "shared",
    }


@pytest.mark.parametrize(
    ("package", "source", "wrong"),
    [
        ("gateway", "import dingda.worker", {"worker"}),
        ("gateway", "from dingda.worker.job import answer", {"worker"}),
        ("gateway", "from dingda import worker", {"worker"}),
        ("gateway", "def f():\n    import dingda.worker.job as job", {"worker"}),
        ("gateway", "import importlib\nimportlib.import_module('dingda.worker.job')", {"worker"}),
        ("gateway", "__import__('dingda.worker')", {"worker"}),
        ("shared", "if TYPE_CHECKING:\n    from dingda.gateway import app", {"gateway"}),
        ("shared", "from tests.support.builders import now_ms", {"tests"}),
        ("benchmarks", "from tests.support.processes import valkey", {"tests"}),
        ("worker", "import dingda.gateway, dingda.simulator.http.app", {"gateway", "simulator"}),
        ("worker.skills", "from ... import gateway", {"gateway"}),
        ("simulator.backends", "from dingda.worker.language.text import fold", {"worker"}),
        ("worker", "from worker.text import fold", {"not dingda's"}),
        ("worker", "import shared", {"not dingda's"}),
        ("gateway", "import workers, dingda.shared.queue\nfrom . import callback", set()),
        ("worker.skills", "from . import demo\nfrom .. import text\nfrom ..x import y", set()),
        ("gateway", "NAME = 'dingda.worker.job.answer'", set()),
    ],
)
def test_the_check_itself_finds_what_is_forbidden_and_nothing_else(
    package: str, source: str, wrong: set[str]
) -> None:
    assert forbidden(source, f"dingda.{package}") == wrong


def test_the_check_at_run_time_finds_what_is_loaded() -> None:
    assert loaded_by("dingda.shared.queue, dingda.worker.job") == {"shared", "worker"}
