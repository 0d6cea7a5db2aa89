"""Each Lua script comes after what all of its folder begin with, and the parts that it names."""

from pathlib import Path

import pytest

from dingda.shared.runtime.lua_source import lua_source

FILES = {
    "common": "common",
    "alone": "alone",
    "script": "-- Says what it does.\n-- Needs: cup, saucer\n\nscript",
    "lost": "-- Needs: spoon\nlost",
    "parts/table": "table",
    "parts/cup": "-- Needs: saucer, table\ncup",
    "parts/saucer": "-- Needs: table\nsaucer",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with these scripts and parts."""
    lua = tmp_path / "package_with_scripts" / "lua"
    (lua / "parts").mkdir(parents=True)
    (lua.parent / "__init__.py").touch()
    for name, text in FILES.items():
        (lua / f"{name}.lua").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return lua.parent.name


def code(source: str) -> list[str]:
    """The lines of a script that are no comments."""
    return [line for line in source.splitlines() if line and not line.startswith("--")]


def test_a_script_that_needs_nothing_comes_after_what_is_common(package: str) -> None:
    assert code(lua_source(package, "alone")) == ["common", "alone"]


def test_every_part_comes_once_and_after_those_that_it_needs(package: str) -> None:
    assert code(lua_source(package, "script")) == ["common", "table", "saucer", "cup", "script"]


def test_a_part_that_is_unknown_is_an_error(package: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"spoon\.lua"):
        lua_source(package, "lost")
