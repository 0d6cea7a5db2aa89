"""Cron expressions: when a schedule's ticks are, in its time zone and on workdays.

The syntax is croniter's: minute, hour, day of the month, month, day of the week. Where both days
are named, either will do, as in every cron. When clocks are put forward, a tick that they skip
comes as soon as they have; when they are put back, a tick at a fixed hour comes once, and one at
any hour (`*`) goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

_FIELDS = 5
_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MOST_DAYS_OFF = 100
"""How many days that are no workdays are passed over in search of one."""


@dataclass(frozen=True, slots=True)
class Cron:
    """When something is due. Times are in ms since 1970."""

    expression: str
    """Five fields."""
    zone: ZoneInfo
    workdays: bool = False
    """Whether only workdays in China count, of those that the expression names."""

    @classmethod
    def parse(cls, expression: str, timezone: str, *, workdays: bool = False) -> "Cron":
        """Read an expression and the name of a time zone.

        Raises:
            ValueError: saying what is wrong with either.
        """
        fields = _NAMES.get(expression, expression).split()
        if len(fields) != _FIELDS:
            raise ValueError(
                f"{expression!r} is no cron expression: that has five fields, minute, hour, day, "
                "month and weekday, and a minute is the finest; write '0 9 * * 1-5'"
            )
        if any(_is_drawn(part) for field in fields for part in field.split(",")):
            raise ValueError(f"{expression!r}: H and R draw lots, in each worker other ones")
        made = cls(" ".join(fields), _zone(timezone), workdays)
        try:
            croniter(made.expression, datetime.now(made.zone)).get_next()
        except CroniterBadDateError:
            raise ValueError(f"{expression!r}: there is no such day in any year") from None
        except (CroniterError, ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{expression!r} is no cron expression: {error}") from None
        return made

    def next_ms(self, after_ms: int) -> int | None:
        """The first tick after a time; None if none is known."""
        return _ms(next(self._ticks(after_ms), None))

    def latest_ms(self, until_ms: int) -> int | None:
        """The last tick until a time, that time included; None if there was none."""
        return _ms(next(self._ticks(until_ms + 1, backwards=True), None))

    def count(self, after_ms: int, before_ms: int, *, most: int) -> int:
        """How many ticks there are between two times, neither included: `most` at the most."""
        number = 0
        for tick in self._ticks(after_ms):
            if number == most or tick.timestamp() * 1000 >= before_ms:
                break
            number += 1
        return number

    def _ticks(self, from_ms: int, *, backwards: bool = False) -> Iterator[datetime]:
        """The ticks after a time, or those before it from the last to the first."""
        start, days_off = _local(from_ms, self.zone), 0
        while days_off < _MOST_DAYS_OFF:
            ticks = croniter(self.expression, start, ret_type=datetime)
            step = ticks.get_prev if backwards else ticks.get_next
            try:
                while (tick := step()) and (not self.workdays or _is_workday(tick.date())):
                    if not (self._is_at_fixed_hours and _is_repeated(tick)):
                        yield tick
            except (CroniterBadDateError, OverflowError):  # the latter before the year 1
                return
            days_off += 1
            start = _edge_of(tick, backwards=backwards)

    @property
    def _is_at_fixed_hours(self) -> bool:
        return not self.expression.split()[1].startswith("*")


def _is_drawn(part: str) -> bool:
    """Whether a part of a field is croniter's H (hashed) or R (random)."""
    return part[:1] in tuple("hHrR") and part[1:2] in ("", "(", "/")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: write 'Asia/Shanghai'") from None


def _local(at_ms: int, zone: ZoneInfo) -> datetime:
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)


def _is_repeated(tick: datetime) -> bool:
    """Whether clocks that were put back show its time for the second time."""
    return bool(tick.astimezone(UTC).astimezone(tick.tzinfo).fold)


def _edge_of(tick: datetime, *, backwards: bool) -> datetime:
    """The end of a tick's day, before which none of the next day is; backwards its beginning."""
    if backwards:
        return datetime.combine(tick.date(), time.min, tick.tzinfo)
    return datetime.combine(tick.date(), time.max, tick.tzinfo)


@cache
def _is_workday(day: date) -> bool:
    # Loads the calendar, which takes 60 ms.
    from dingda.worker.language.workdays import is_workday  # noqa: PLC0415

    return is_workday(day)


def _ms(tick: datetime | None) -> int | None:
    return None if tick is None else round(tick.timestamp() * 1000)
