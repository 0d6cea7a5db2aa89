"""How values are written on the pages and in the terminal: times, sizes, text from outside."""

from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from dingda.shared.runtime.logs import printable

_MAX_CHARS = 160
_ID_CHARS = 12
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_BYTES = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000
_TEN = 10


def duration(seconds: float | None) -> str:
    """A span of time with its unit: `38 ms`, `2.4 s`, `3 min`, `2.1 d`; `–` for none.

    >>> duration(0.0382), duration(2.44), duration(200), duration(180_000)
    ('38 ms', '2.4 s', '3.3 min', '2.1 d')
    """
    if seconds is None:
        return "–"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds)} s" if seconds >= 1 else f"{max(seconds, 0) * 1000:.0f} ms"


def size(count: float | None) -> str:
    """A number of bytes: `512 B`, `6.9 MB`; `–` for none."""
    if count is None:
        return "–"
    power = next((n for n in range(len(_BYTES)) if count < _THOUSAND ** (n + 1)), len(_BYTES) - 1)
    return f"{_short(count / _THOUSAND**power)} {_BYTES[power]}"


def rate(per_s: float | None) -> str:
    """How many a second: `0`, `0.25`, `3.1`, `120`; `–` where it is not known yet."""
    if per_s is None:
        return "–"
    return f"{per_s:.2f}".rstrip("0").rstrip(".") if per_s < 1 else _short(per_s)


def number(count: int) -> str:
    """A whole number with its thousands apart: `12 345`."""
    return f"{count:,}".replace(",", "\u202f")


def clock(at_ms: int | None) -> str:
    """A moment in this machine's time zone: `2026-11-28 10:15:02`; `–` for none, or no real one."""
    moment = _moment(at_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else "–"


def local_time(at_ms: int) -> str:
    """A moment in this machine's time zone: `2026-11-28T10:15:02+08:00`; "" for none."""
    moment = _moment(at_ms)
    return moment.isoformat(timespec="seconds") if moment else ""


def iso(at_ms: int | None) -> str:
    """A moment for a program, in UTC: `2026-11-28T10:15:02.123+00:00`; "" for none."""
    moment = _moment(at_ms, UTC)
    return moment.isoformat(timespec="milliseconds") if moment else ""


def zone() -> str:
    """The name of this machine's time zone."""
    return datetime.now(UTC).astimezone().tzname() or ""


def outside(text: object) -> str:
    """A text that others have chosen, on one line, cut, and without what turns writing around."""
    return printable(str(text), _MAX_CHARS)


def short_id(message_id: str) -> str:
    """The beginning of an id, which is enough to find its message."""
    return printable(message_id[:_ID_CHARS])


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= _TEN or value == round(value) else f"{value:.1f}"


def _moment(at_ms: int | None, zone: tzinfo | None = None) -> datetime | None:
    """A moment that a calendar has: what a foreign hand has left in a record may be none."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone) if at_ms else None
    return None
