"""Where an error was raised, in one line that operators can look up."""

from collections.abc import Collection, Iterator
from types import FrameType

_MAX_FRAMES = 1000
_MAX_CHARS = 200


def place_of(error: BaseException, packages: Collection[str]) -> str:
    """Name the innermost place of an error that is in one of some packages.

    A library's own frames beneath it say what went wrong, and not where to look. Never fails,
    whatever the exception is, and shows nothing of what it says.

    Args:
        error: an exception that was raised.
        packages: names of top-level packages, such as a skill's.

    Returns:
        `file:line in function`; of no frame that is in the packages, the innermost of all; "" of an
        exception that was never raised.
    """
    try:
        frames = list(_frames(error))
    except BaseException:  # noqa: BLE001 - an exception's attributes may be properties that raise
        return ""
    own = [place for place, package in frames if package in packages]
    return (own or [place for place, _ in frames] or [""])[-1]


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """The places of an error, the innermost last, each with the package that it is in."""
    traceback = error.__traceback__
    for _ in range(_MAX_FRAMES):
        if traceback is None:
            return
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        place = f"{code.co_filename}:{line} in {code.co_name}"
        yield place[-_MAX_CHARS:], _package_of(traceback.tb_frame)
        traceback = traceback.tb_next


def _package_of(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
