"""`dingda worker --reload`: watch the files of the skills, and end the worker when one changes.

The process then replaces itself by the command that it was started with: it keeps its id, and what
started it notices nothing. Skills that cannot be loaded end no worker: those that run go on as they
were, and the log says why. A module that the worker itself could not load holds up no change of the
others.
"""

import asyncio
import faulthandler
import logging
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.runtime.command_line import FAILED, WRONG_USAGE
from dingda.shared.runtime.logs import configure_logging, printable
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.shared.runtime.skill_modules import SHIPPED_PACKAGE
from dingda.worker.sdk.loader import FoundModule, find_skills_of

_NAME = "dingda.worker.operations.skill_changes"
logger = logging.getLogger(_NAME)  # as `-m` runs it, too

_OURS = "dingda"
_SETTLED_MS = 200
"""How long no file must change: a formatter may write again what an editor has saved."""
_IDLE_MS = 1000
"""How often the watch reports that nothing has changed."""
_ALL_LOADED = 100
"""The exit status that proves it: a module that ends its process when imported may say 0."""
_LOADED_WITHIN_S = 30.0
"""How long the changed skills may take to load: a module may wait for ever."""
_ENDS_WITHIN_S = 30.0
"""How long the worker may take to end for its restart."""


class SkillChanges:
    """Watches the folders of the modules that the settings name, and of packages around them.

    Make one before the skills are loaded: what changes from then on counts.

    Raises:
        DingdaError: if what it needs is not installed; the message says what to do.
    """

    grace_s = 1.0
    """How long messages may go on; what takes longer is answered by the changed skill."""

    def __init__(self, settings: Settings) -> None:
        if not find_spec("watchfiles"):
            raise DingdaError(
                "--reload needs watchfiles, which the bot does not: pip install 'dingda[demo]'"
            )
        self.found = False
        """Whether a file has changed, and the skills can be loaded."""
        self._settings = settings
        self._since_s = time.time()

    async def restart(self) -> None:
        """Return when the worker is to restart. One that does not end then is killed, and says why.

        What a skill has left behind, such as a log handler, may never end; nobody would notice.
        """
        await self.watch()
        # The thread that waits for this ends with the process, or as it is replaced.
        faulthandler.dump_traceback_later(_ENDS_WITHIN_S, exit=True)

    async def watch(self) -> None:
        """Return as soon as a file has changed and the skills can be loaded."""
        found = _find(self._settings)
        missing = [each.name for each in found if each.problem]
        folders = watched_folders(each.name for each in found)
        logger.info(
            "--reload watches %s; settings are read at a start", ", ".join(map(str, folders))
        )
        since_s = self._since_s
        async for reported in _changes(folders):
            changed = reported or _saved_after(since_s, folders)
            since_s = math.inf  # from now on the watch reports it
            if changed and await _is_loadable(changed, missing):
                self.found = True
                return


def watched_folders(modules: Iterable[str]) -> list[Path]:
    """The folders that hold the sources of modules: all of a package, or that of a lone module.

    Args:
        modules: their names; where there is no such module, it may be written to this folder.
    """
    return sorted({folder for name in modules for folder in _folders(name)})


def _folders(module: str) -> Iterator[Path]:
    top = module.partition(".")[0]
    spec = find_spec(SHIPPED_PACKAGE if top == _OURS else top)
    if spec and spec.submodule_search_locations:
        for location in spec.submodule_search_locations:
            yield from _packages(Path(location).resolve())
    elif spec and spec.origin and Path(spec.origin).is_file():
        yield Path(spec.origin).resolve().parent
    else:
        yield Path.cwd()


def _packages(folder: Path) -> Iterator[Path]:
    """A folder and those in it that may hold modules."""
    for path, folders, _ in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        yield Path(path)


def _saved_after(time_s: float, folders: Iterable[Path]) -> set[Path]:
    """The sources in folders that were saved after a time, in seconds since 1970."""
    sources = (path for folder in folders for path in folder.glob("*.py"))
    return {path for path in sources if path.is_file() and path.stat().st_mtime > time_s}


async def _changes(folders: Iterable[Path]) -> AsyncIterator[set[Path]]:
    """Sources that change; nothing, a while after the watch has begun and now and then."""
    from watchfiles import PythonFilter, awatch  # noqa: PLC0415 - for development only

    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    watching = awatch(
        *folders,
        watch_filter=PythonFilter(),
        step=_SETTLED_MS,
        rust_timeout=_IDLE_MS,
        yield_on_timeout=True,
        # Each folder by itself, so that a skill beside a `.venv` has not all of that watched.
        recursive=False,
    )
    async for changes in watching:
        yield {Path(path) for _, path in changes}


async def _is_loadable(changed: Iterable[Path], missing: Iterable[str]) -> bool:
    """Whether the skills can be loaded again, which the log tells."""
    names = printable(", ".join(sorted({path.name for path in changed})))
    if await can_be_loaded(but=missing):
        logger.info("%s has changed: loading the skills again", names)
        return True
    logger.error("%s has changed, and is not loaded: the skills go on as they were", names)
    return False


async def can_be_loaded(*, but: Iterable[str] = ()) -> bool:
    """Whether the skills can be loaded by a process that has none of them yet; it logs why not.

    Args:
        but: modules that need not be loaded.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _NAME, *but),
        stdin=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        async with asyncio.timeout(_LOADED_WITHIN_S):
            status = await process.wait()
    except TimeoutError:
        logger.error("the skills take longer than %g s to load", _LOADED_WITHIN_S)
        return False
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if status not in (_ALL_LOADED, FAILED, WRONG_USAGE):
        logger.error("a module ends the process that imports it (exit status %d)", status)
    return status == _ALL_LOADED


def _find(settings: Settings) -> list[FoundModule]:
    """The modules of all robots' skills."""
    return find_skills_of(map(settings.skills_of, settings.robots))


def main() -> int:
    """Load the skills as a worker would, and log what is wrong with them.

    Returns:
        The exit status: `_ALL_LOADED` if none is missing but those that the arguments name.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        logger.error("%s", error)
        return WRONG_USAGE
    configure_logging(settings.log_level, settings.log_format)
    bad = [module for module in _find(settings) if module.problem]
    for module in bad:
        module.log("%s: %s")
    return _ALL_LOADED if {module.name for module in bad} <= set(sys.argv[1:]) else FAILED


if __name__ == "__main__":
    sys.exit(main())
