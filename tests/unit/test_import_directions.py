"""Imports run one way: gateway → shared ← worker; simulator → shared. Nothing imports tests."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
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
LEVELS: dict[str, dict[str, set[str]]] = {
    "shared": {
        "errors": set(),
        "texts": set(),
        "queue": set(),
        "dingtalk": {"errors"},
        "runtime": {"dingtalk", "queue", "errors"},
        "ledger": {"runtime", "dingtalk", "queue", "errors"},
    },
    "gateway": {
        "handover": set(),
        "metrics": set(),
        "intake": {"metrics"},
        "worker_presence": set(),
        "throttled_log": set(),
        "receiver": {"intake", "metrics", "worker_presence"},
        "composition": {"receiver", "intake", "worker_presence", "metrics"},
        "http": {"receiver", "metrics", "throttled_log"},
        "stream": {"composition", "receiver", "metrics", "throttled_log"},
        "console": {"stream"},
    },
    "worker": {
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
    },
    "simulator": {
        "errors": set(),
        "settings": set(),
        "page": set(),
        "dingtalk": set(),
        "backends": {"dingtalk"},
        "watch": {"dingtalk"},
        "inspections": {"dingtalk"},
        "client": {"dingtalk", "errors"},
        "demo": {"http", "watch", "backends", "dingtalk", "settings"},
        "testing": {"client", "backends", "dingtalk", "errors"},
        "http": {"watch", "inspections", "page", "backends", "dingtalk", "settings", "errors"},
    },
}
"""Package → room → the rooms of the package that it may import."""
LOOKS_DOWN_ON_ALL = {
    "shared": set[str](),
    "gateway": {"__main__", "serving", "app"},
    "worker": {"__main__", "app", "job", "operations", "testing"},
    "simulator": {"__main__"},
}
MOST_ROOMS = 15
"""How many rooms of one package can be surveyed at a glance."""
ROOMS = {*ALLOWED, "tests"}
FORMER = re.compile(r"^(gateway|worker|shared|simulator)\b")
"""What others may call packages of their own: nothing imports ours by these names."""


def imported(
    source: str, package: str, walk: Callable[[ast.AST], Iterator[ast.AST]] = ast.walk
) -> Iterator[str]:
    """The modules, and names in modules, that a source of a package imports."""
    for node in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -node.level + 1 or None] if node.level else []
            module = ".".join((*above, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))  # type: ignore[misc]


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: no bodies of functions, no TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        is_deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_deferred or (isinstance(child, ast.If) and _name(child.test) == "TYPE_CHECKING"):
            continue
        yield child
        yield from run_on_import(child)


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


@pytest.mark.parametrize(
    ("package", "room"), [(package, room) for package, rooms in LEVELS.items() for room in rooms]
)
def test_a_room_imports_only_the_rooms_of_its_package_below_it(package: str, room: str) -> None:
    paths = sources(f"{package}/{room}") or [ROOT / package / f"{room}.py"]
    offenders = {
        str(path.relative_to(ROOT)): wrong
        for path in paths
        if (wrong := rooms_within(package, path) - LEVELS[package][room] - {room})
    }
    assert offenders == {}


def rooms_within(package: str, path: Path) -> set[str]:
    """The rooms of a package that a file imports."""
    modules = (name.split(".") for name in imported(path.read_text("utf-8"), _package(path)))
    return {parts[2] for parts in modules if parts[:2] == ["dingda", package] and len(parts) > 2}


@pytest.mark.parametrize("package", LEVELS)
def test_every_room_has_a_level_and_there_are_few(package: str) -> None:
    rooms = {path.stem for path in (ROOT / package).iterdir()} - {"__init__", "__pycache__"}
    assert rooms == LEVELS[package].keys() | LOOKS_DOWN_ON_ALL[package]
    assert len(rooms) <= MOST_ROOMS


def test_no_file_imports_itself_by_way_of_others() -> None:
    """An import within a function or under TYPE_CHECKING closes no circle: see `run_on_import`."""
    paths = {_module(path): path for room in ("dingda", *LEVELS) for path in sources(room)}
    graph = {
        module: {
            name if name in paths else name.rpartition(".")[0]
            for name in imported(path.read_text("utf-8"), _package(path), run_on_import)
        }
        for module, path in paths.items()
    }
    assert "dingda.shared.ledger.ledger" in graph["dingda.worker.app"]
    TopologicalSorter(graph).prepare()  # it raises CycleError, which names the circle


def _module(path: Path) -> str:
    return f"{_package(path)}.{path.stem}".removesuffix(".__init__")


def _package(path: Path) -> str:
    folders = path.relative_to(ROOT).parent.parts
    return ".".join(folders if folders[0] == "dingda" else ("dingda", *folders))


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


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from dingda.shared import queue", {"dingda.shared.queue"}),
        ("try:\n    from . import callback\nexcept OSError: pass", {"dingda.gateway.callback"}),
        ("class A:\n    import dingda.cli", {"dingda.cli"}),
        ("def f():\n    import dingda.cli", set()),
        ("async def f():\n    import dingda.cli", set()),
        ("if TYPE_CHECKING:\n    import dingda.cli", set()),
        ("if typing.TYPE_CHECKING:\n    import dingda.cli", set()),
    ],
)
def test_an_import_that_is_put_off_closes_no_circle(source: str, found: set[str]) -> None:
    assert set(imported(source, "dingda.gateway", run_on_import)) == found
