"""The command `dingda new`: write a skill package to start from."""

import keyword
import os
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.command_line import HELP_OPTIONS

_SUFFIX = ".tmpl"
"""The suffix of every file of the template, so that no tool reads it as code."""
_PACKAGE = "package/"
"""The template's folder that is renamed to the package's name."""
_NEXT = """
Next:

    cd {folder}
    pip install -e ".[test]"
    pytest
    dingda demo
"""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class ProjectError(DingdaError):
    """The project cannot be created; the text says why."""


@click.command(context_settings=HELP_OPTIONS)
@click.argument("name")
def new(name: str) -> None:
    """Write a skill package, with tests and what deploys it.

    NAME is also the name of its folder, which is created here.
    """
    folder = Path(name)
    for path in create_project(name, folder):
        click.echo(f"  {path}")
    click.echo(_NEXT.format(folder=folder))


def create_project(name: str, folder: Path) -> list[Path]:
    """Write a package with one skill, its tests and its deployment files.

    Args:
        name: the distribution's name, such as `acme-bot`; the package is then `acme_bot`.
        folder: the project's folder, which is created if missing.

    Returns:
        The files written, sorted.

    Raises:
        click.BadParameter: if the name cannot name a package.
        ProjectError: if the folder is not empty, or can't be written.
    """
    package = _package(name)
    placeholders = {"name": name, "package": package, "prefix": package.upper()}
    try:
        return _create(folder, placeholders)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ProjectError(f"{folder.absolute()} can't be written: {why}") from None


def _create(folder: Path, placeholders: dict[str, str]) -> list[Path]:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} exists already, and is not an empty folder")
    written = []
    for path, source in _walk(files("dingda") / "template"):
        inside = path.removeprefix(_PACKAGE)
        target = folder / (path if inside == path else f"{placeholders['package']}/{inside}")
        written.append(_write(target, source, placeholders))
    return sorted(written)


def _package(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _bad_name(
            f"{name!r}: use lower-case letters, digits and single hyphens, and begin with a "
            "letter, as in acme-bot"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package):
        raise _bad_name(f"{package} is a Python keyword")
    if find_spec(package):
        raise _bad_name(f"a package {package} is installed here")
    return package


def _bad_name(why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint="NAME")


def _walk(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """The files of the template, each with the path that it is written to."""
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        path = above + entry.name
        if entry.is_dir():
            found += _walk(entry, f"{path}/")
        elif path.endswith(_SUFFIX):
            found.append((path.removesuffix(_SUFFIX), entry))
    return found


def _write(path: Path, source: Traversable, placeholders: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = Template(source.read_text("utf-8")).substitute(placeholders)
    path.write_text(text, "utf-8", newline="\n")
    return path
