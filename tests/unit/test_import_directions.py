"""Imports run one way: gateway → shared ← worker; simulator → shared."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "shared": {"shared"},
    "gateway": {"gateway", "shared"},
    "worker": {"worker", "shared"},
    "simulator": {"simulator", "shared"},
}
"""Room → the rooms that it may import."""
ROOMS = {*ALLOWED, "tests", "benchmarks", "scripts"}


def imported(source: str, package: str) -> Iterator[str]:
    """The modules that a source of a package imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -node.level + 1 or None] if node.level else []
            yield ".".join((*above, *filter(None, [node.module])))
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))  # type: ignore[misc]


def forbidden(source: str, package: str) -> set[str]:
    """The rooms that a source of a package may not import and does."""
    rooms = {module.partition(".")[0] for module in imported(source, package)}
    return (rooms & ROOMS) - ALLOWED[package.partition(".")[0]]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def loaded_by(module: str) -> set[str]:
    """The rooms that are loaded once a fresh Python has imported a module."""
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split()) & ROOMS


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


def _package(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


@pytest.mark.parametrize("module", ["gateway.app", "gateway.__main__"])
def test_the_gateway_never_loads_the_worker(module: str) -> None:
    assert loaded_by(module) == {"gateway", "shared"}


def test_the_worker_never_loads_the_gateway_or_the_simulator() -> None:
    assert loaded_by("worker.app, worker.commands, worker.skills.demo") == {"worker", "shared"}


def test_the_simulator_loads_neither() -> None:
    assert loaded_by("simulator.app, simulator.__main__") == {"simulator", "shared"}


@pytest.mark.parametrize(
    ("package", "source", "wrong"),
    [
        ("gateway", "import worker", {"worker"}),
        ("gateway", "from worker.job import answer", {"worker"}),
        ("gateway", "def f():\n    import worker.job as job", {"worker"}),
        ("gateway", "import importlib\nimportlib.import_module('worker.job')", {"worker"}),
        ("gateway", "__import__('worker')", {"worker"}),
        ("shared", "if TYPE_CHECKING:\n    from gateway import app", {"gateway"}),
        ("shared", "from tests.builders import now_ms", {"tests"}),
        ("worker", "import gateway, simulator.app", {"gateway", "simulator"}),
        ("worker.skills", "from ... import gateway", set()),
        ("simulator.backends", "from worker.text import fold", {"worker"}),
        ("gateway", "import workers, shared.queue\nfrom . import callback", set()),
        ("worker.skills", "from . import demo\nfrom .. import text\nfrom ..x import y", set()),
        ("gateway", "NAME = 'worker.job.answer'", set()),
    ],
)
def test_the_check_itself_finds_what_is_forbidden_and_nothing_else(
    package: str, source: str, wrong: set[str]
) -> None:
    assert forbidden(source, package) == wrong


def test_the_check_at_run_time_finds_what_is_loaded() -> None:
    assert loaded_by("shared.queue, worker.job") == {"shared", "worker"}
