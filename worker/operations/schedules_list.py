"""`dingda schedules`: what is run when, for whom, and what became of the last tick."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.shared.ledger.schedule_states import ScheduleState
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.worker.language.workdays import knows_holidays_of
from dingda.worker.sdk.cron import Cron

NONE = "No worker has told of a schedule: see dingda skills for those of the skills that are loaded"
_NEXT = 3
"""How many of the next ticks are shown."""


@dataclass(frozen=True, slots=True)
class ListedSchedule:
    """A schedule; its times are ISO 8601's, in its time zone, or "" for none."""

    name: str
    robot: str
    cron: str
    timezone: str
    workdays: bool
    to: tuple[str, ...]
    is_loaded: bool
    next: tuple[str, ...]
    last: str
    end: str
    """How the last tick ended; "" if it is not known."""
    missed: str
    """The last tick that came too late."""
    unknown_holidays: tuple[int, ...]
    """The years of its next ticks whose holidays would count and are not known."""


def show_schedules(states: Sequence[ScheduleState], *, as_json: bool, now_ms: int) -> str:
    """A few lines for each schedule, or one JSON list.

    Args:
        states: as `read_schedules` returns them.
        as_json: whether to write JSON.
        now_ms: the present by Redis's clock, in ms since 1970.
    """
    listed = [_listed(state, now_ms) for state in states]
    if as_json:
        return to_json([asdict(each) for each in listed])
    several = len({state.facts.robot_code for state in states}) > 1
    return "\n\n".join("\n".join(_lines(each, several_robots=several)) for each in listed) or NONE


def find_schedules(
    states: Sequence[ScheduleState], name: str, robot_code: str | None
) -> list[ScheduleFacts]:
    """The schedules of a name that workers have, one for each robot.

    Args:
        states: as `read_schedules` returns them.
        name: the skill's name and the function's, as `morning.report`.
        robot_code: of the only robot that counts; None: of all.
    """
    fits = (
        state.facts
        for state in states
        if state.is_loaded
        and state.facts.name == name
        and robot_code in (None, state.facts.robot_code)
    )
    return list({facts.robot_code: facts for facts in fits}.values())


def _listed(state: ScheduleState, now_ms: int) -> ListedSchedule:
    facts = state.facts
    ahead = [_local(at_ms, facts) for at_ms in _next(facts, now_ms)] if state.is_loaded else []
    years = {each.year for each in ahead} if facts.workdays else set()
    return ListedSchedule(
        name=facts.name,
        robot=facts.robot,
        cron=facts.cron,
        timezone=facts.timezone,
        workdays=facts.workdays,
        to=facts.to,
        is_loaded=state.is_loaded,
        next=tuple(each.isoformat() for each in ahead),
        last=_iso(state.last_ms, facts),
        end=state.end,
        missed=_iso(state.missed_ms, facts),
        unknown_holidays=tuple(sorted(year for year in years if not knows_holidays_of(year))),
    )


def _lines(listed: ListedSchedule, *, several_robots: bool) -> Iterator[str]:
    robot = f"  (robot {printable(listed.robot)})" if several_robots else ""
    yield f"{printable(listed.name)}{robot}"
    days = "  on workdays" if listed.workdays else ""
    yield f"  when    {printable(listed.cron)}  {printable(listed.timezone)}{days}"
    yield f"  to      {', '.join(map(printable, listed.to)) or 'whom its function pushes to'}"
    ahead = ", ".join(map(_shown, listed.next)) or "none is known"
    yield f"  next    {ahead if listed.is_loaded else 'never: no worker has it'}"
    end = printable(listed.end or "how it ended is not known any more")
    yield f"  last    {_shown(listed.last)}  {end}" if listed.last else "  last    none yet"
    if listed.missed:
        yield f"  missed  {_shown(listed.missed)}"
    if listed.unknown_holidays:
        years = ", ".join(map(str, listed.unknown_holidays))
        yield f"  note    the holidays of {years} are not known: Monday to Friday are workdays then"


def _next(facts: ScheduleFacts, now_ms: int) -> list[int]:
    """Its next ticks; none where its times are another version's and can't be read."""
    try:
        cron = Cron.parse(facts.cron, facts.timezone, workdays=facts.workdays)
    except ValueError:
        return []
    ahead: list[int] = []
    while len(ahead) < _NEXT:
        at_ms = cron.next_ms(ahead[-1] if ahead else now_ms)
        if at_ms is None:
            break
        ahead.append(at_ms)
    return ahead


def _local(at_ms: int, facts: ScheduleFacts) -> datetime:
    try:
        zone: tzinfo = ZoneInfo(facts.timezone)
    except (LookupError, ValueError, OSError):  # the worker's machine knows others
        zone = UTC
    return datetime.fromtimestamp(at_ms / 1000, zone)


def _iso(at_ms: int | None, facts: ScheduleFacts) -> str:
    return "" if at_ms is None else _local(at_ms, facts).isoformat()


def _shown(iso: str) -> str:
    """A moment as people read it: `Mon 2026-11-30 09:00`."""
    return f"{datetime.fromisoformat(iso):%a %Y-%m-%d %H:%M}"
