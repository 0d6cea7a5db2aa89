"""Loads Lua scripts, which are beside the code that runs them.

A script comes after the `common.lua` of its folder, and after the parts that its head names in a
line `-- Needs: jobs, sender_queue`: files of the folder `parts`, which may need others themselves.
Every call of a script makes all its functions, and each takes about a thousand instructions: so
it has few but those that it uses.
"""

from importlib import resources
from importlib.resources.abc import Traversable

_NEEDS = "-- Needs: "


def lua_source(package: str, name: str) -> str:
    """Read a script, preceded by what it needs.

    Args:
        package: the package whose folder `lua` holds `common.lua` and the script.
        name: the script's file name, without its ending.

    Raises:
        FileNotFoundError: there is no such script, or a part that it needs.
    """
    folder = resources.files(package) / "lua"
    common, script = _read(folder, "common"), _read(folder, name)
    return "\n".join((common, *_parts(folder / "parts", script).values(), script))


def needs(source: str) -> list[str]:
    """The names of the parts that a script, or a part, needs itself."""
    lines = (line for line in source.splitlines() if line.startswith(_NEEDS))
    return [name for line in lines for name in line.removeprefix(_NEEDS).split(", ")]


def _parts(folder: Traversable, source: str) -> dict[str, str]:
    """All parts that a source needs, each after those that it needs itself."""
    parts: dict[str, str] = {}
    for name in needs(source):
        part = _read(folder, name)
        parts |= _parts(folder, part) | {name: part}
    return parts


def _read(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.lua").read_text("utf-8")
