"""Loads Lua scripts, which are beside the code that runs them."""

from importlib import resources


def lua_source(package: str, name: str) -> str:
    """Read a script, preceded by the `common.lua` of its folder.

    Args:
        package: the package whose folder `lua` holds `common.lua` and the script.
        name: the script's file name, without its ending.
    """
    folder = resources.files(package) / "lua"
    return "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name))
