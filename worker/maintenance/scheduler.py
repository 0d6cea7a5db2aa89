"""The scheduler, in every worker: it accepts the ticks of schedules, each once across all workers.

Only Redis's clock counts. A tick that no worker accepted in time is run when one can, if it is the
last that was due and not later than its schedule allows; those before it are counted as missed. A
tick waits while the one before it is open, and while a worker is alive that knows no ticks.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.shared.ledger.schedules import Schedules, TickOutcome, TickResult
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.logs import printable

logger = logging.getLogger(__name__)

LONGEST_SLEEP_S = 5.0
"""How soon a jump of Redis's clock is noticed."""
REGISTER_EVERY_MS = 60_000
MOST_COUNTED = 100
"""How many missed ticks are counted at once: of a schedule with a tick each minute, nobody needs to
know how many there were in a year."""
_NOTHING_KNOWN_MS = 86_400_000
"""How soon to look again where no next tick is known, as of Saturdays that are workdays."""
_RETRY_MS = 1_000
"""How soon to look again at a tick that waits."""
_AT_ONCE = 20
"""How many schedules are judged in one round trip."""


class Timetable(Protocol):
    """When ticks are, in ms since 1970."""

    def next_ms(self, after_ms: int) -> int | None:
        """The first tick after a time; None if none is known."""

    def latest_ms(self, until_ms: int) -> int | None:
        """The last tick until a time, that time included; None if there was none."""

    def count(self, after_ms: int, before_ms: int, *, most: int) -> int:
        """How many ticks there are between two times, neither included: `most` at the most."""


@dataclass(slots=True)
class Scheduled:
    """A schedule of one robot, and when to look at it next."""

    facts: ScheduleFacts
    timetable: Timetable
    look_ms: int = 0

    def look_after(self, now_ms: int) -> None:
        """Look at it again at its first tick after a time."""
        self.look_ms = self.timetable.next_ms(now_ms) or now_ms + _NOTHING_KNOWN_MS


class Scheduler:
    """Accepts the ticks of a worker's schedules.

    Args:
        schedules: what Redis knows of them.
        mine: the schedules that this worker has.
        backlog_limit: how many messages may wait, on the queue or for another attempt.
    """

    def __init__(
        self, schedules: Schedules, mine: Iterable[Scheduled], *, backlog_limit: int
    ) -> None:
        self._schedules = schedules
        self._mine = list(mine)
        self._backlog_limit = backlog_limit
        self._now_ms = 0
        self._registered_ms: int | None = None
        self._is_waiting = False

    async def advance(self) -> float:
        """Accept what is due.

        Returns:
            Seconds until it should be called again.

        Raises:
            RedisError: what the client raises; nothing is half done then.
        """
        now_ms = await self._schedules.now_ms()
        await self._register(now_ms)
        if now_ms < self._now_ms:  # the clock went back
            for each in self._mine:
                each.look_ms = 0
        self._now_ms = now_ms
        due = [each for each in self._mine if each.look_ms <= now_ms]
        if due and not await self._schedules.may_be_run():
            if not self._is_waiting:
                logger.warning("ticks wait for the workers of the version before to end")
            self._is_waiting = True
            return LONGEST_SLEEP_S
        self._is_waiting = False
        for begin in range(0, len(due), _AT_ONCE):
            await self._judge(due[begin : begin + _AT_ONCE], now_ms)
        next_ms = min(each.look_ms for each in self._mine)
        return min(max((next_ms - now_ms) / 1000, 0.05), LONGEST_SLEEP_S)

    async def _register(self, now_ms: int) -> None:
        last_ms = self._registered_ms
        if last_ms is None or not 0 <= now_ms - last_ms < REGISTER_EVERY_MS:
            facts = [each.facts for each in self._mine]
            await self._schedules.register(facts, rewrite=last_ms is None)
            self._registered_ms = now_ms

    async def _judge(self, due: Sequence[Scheduled], now_ms: int) -> None:
        """Have the last tick of each accepted, if it is due and nobody was first."""
        latest = [(each, each.timetable.latest_ms(now_ms)) for each in due]
        ticks = [(each, at_ms) for each, at_ms in latest if at_ms is not None]
        failpoint("before-tick")
        outcomes = await self._schedules.accept(
            [(each.facts, at_ms) for each, at_ms in ticks],
            backlog_limit=self._backlog_limit,
            now_ms=now_ms,
        )
        if any(outcome.result is TickResult.ACCEPTED for outcome in outcomes):
            failpoint("after-tick")
        for each in due:
            each.look_after(now_ms)
        for (each, at_ms), outcome in zip(ticks, outcomes, strict=True):
            if not outcome.result.is_settled:
                each.look_ms = now_ms + _RETRY_MS
            await self._tell(each, at_ms, outcome)

    async def _tell(self, scheduled: Scheduled, at_ms: int, outcome: TickOutcome) -> None:
        """Log what is new, and count what was missed."""
        name, result = printable(scheduled.facts.name), outcome.result
        if result not in (TickResult.ACCEPTED, TickResult.MISSED):
            return
        is_missed = result is TickResult.MISSED
        before_ms = at_ms + 1 if is_missed else at_ms
        missed = scheduled.timetable.count(outcome.after_ms, before_ms, most=MOST_COUNTED)
        if not is_missed:
            logger.info("accepted a tick of %s", name)
        if missed:
            await self._schedules.count_missed(missed)
            more = " or more" if missed == MOST_COUNTED else ""
            logger.warning("%s missed %d%s tick(s)", name, missed, more)


async def schedule_forever(scheduler: Scheduler) -> None:
    """Accept ticks until cancelled; an outage of Redis is waited out."""
    while True:
        try:
            pause_s = await scheduler.advance()
        except (RedisError, OSError) as error:
            logger.warning("could not look at the schedules: %s", type(error).__name__)
            pause_s = LONGEST_SLEEP_S
        await asyncio.sleep(pause_s)
