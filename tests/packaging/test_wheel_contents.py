"""The wheel's contents, and that it works beside an author's packages named like our folders."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, build

ROOMS = ("gateway", "shared", "simulator", "worker")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages; their dependencies are in our environment."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def files(folder: Path) -> set[str]:
    """The files of a checkout's folder, except Python's caches."""
    return {
        str(path.relative_to(ROOT))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_it_holds_one_package(names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"dingda", f"dingda-{VERSION}.dist-info"}


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_folder_is_in_it(names: set[str], room: str) -> None:
    ours = {f"dingda/{name}" for name in files(ROOT / room)}
    assert any(name.endswith(".py") for name in ours)
    assert {name for name in names if name.startswith(f"dingda/{room}/")} == ours


@pytest.mark.parametrize(
    "pattern",
    [
        "dingda/py.typed",
        "dingda/shared/*.lua",
        "dingda/worker/*.lua",
        "dingda/worker/*.json",
        "dingda/worker/*.html",
        "dingda/worker/*.css",
        "dingda/worker/*.js",
        "dingda/simulator/*.html",
        "dingda/simulator/*.js",
        "dingda/simulator/*.css",
    ],
)
def test_the_data_files_of_the_code_are_in_it(names: set[str], pattern: str) -> None:
    folder, _, suffix = pattern.partition("*")
    assert [name for name in names if name.startswith(folder) and name.endswith(suffix)]


def test_neither_tests_nor_bytecode_are_in_it(names: set[str]) -> None:
    assert [n for n in names if Path(n).match("test_*.py") or n.endswith(".pyc")] == []


def test_a_wheel_built_from_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path / f"dingda-{VERSION}", tmp_path, "wheel")
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_everything_that_the_image_is_built_from_reaches_docker(
    wheel: Path, tmp_path: Path
) -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert rules[0] == "*"
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, tmp_path)
    build(tmp_path, tmp_path / "dist", "wheel")
    assert (tmp_path / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_installed_package_ignores_foreign_packages_in_the_current_folder(
    installed: Path, tmp_path: Path
) -> None:
    for name in (*ROOMS, "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not ours')")
    code = (
        "import dingda.gateway.app, dingda.worker.app, dingda.simulator.http.app;"
        "print(dingda.__version__, dingda.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [VERSION, str(installed / "dingda" / "__init__.py")]
