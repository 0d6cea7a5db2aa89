"""One service after another, until one answers; what they said lately is remembered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from dingda.skill import BackendError, Cache
from dingda.slots import Place
from dingda.worker.skills.weather.report import Days, Now, OneCallService, Provider, Report

logger = logging.getLogger(__name__)
T = TypeVar("T")

NOW_S = 600
"""How long the present weather is remembered: services renew it every quarter of an hour."""
DAYS_S = 3600
_NOW = TypeAdapter(Now)
_DAYS = TypeAdapter(Days)
_BOTH = TypeAdapter(tuple[Now, Days])


async def ask_in_turn(
    providers: Sequence[Provider], place: Place, *, with_now: bool, cache: Cache, at: datetime
) -> Report:
    """Ask the services in their order.

    Args:
        providers: at least one.
        place: where.
        with_now: whether the present weather is wanted as well as the forecast.
        cache: keeps answers; nothing in them is personal.
        at: the present.

    Raises:
        BackendError: the last service's, if none answers.
    """
    for provider in providers[:-1]:
        try:
            return await _ask(provider, place, with_now=with_now, cache=cache, at=at)
        except BackendError as error:
            logger.warning("%s failed (%s); asking the next service", error.service, error.reason)
    return await _ask(providers[-1], place, with_now=with_now, cache=cache, at=at)


async def _ask(
    provider: Provider, place: Place, *, with_now: bool, cache: Cache, at: datetime
) -> Report:
    memory = _Memory(
        cache,
        f"weather:{provider.url}:{place.latitude:.3f},{place.longitude:.3f},{place.adcode}",
        _until_midnight_s(place, at),
    )
    now, days = await _now_and_days(provider, place, memory, with_now=with_now)
    return Report(provider.attribution, now, {forecast.day: forecast for forecast in days})


async def _now_and_days(
    provider: Provider, place: Place, memory: "_Memory", *, with_now: bool
) -> tuple[Now | None, Days]:
    """Ask in as few calls as the service allows, and those at once."""
    if not with_now:
        return None, await memory.of("days", _DAYS, partial(provider.days, place), ttl_s=DAYS_S)
    if isinstance(provider, OneCallService):
        both = partial(provider.now_and_days, place)
        return await memory.of("both", _BOTH, both, ttl_s=NOW_S)
    now = memory.of("now", _NOW, partial(provider.now, place), ttl_s=NOW_S)
    days = memory.of("days", _DAYS, partial(provider.days, place), ttl_s=DAYS_S)
    return await asyncio.gather(now, days)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is remembered of one place by one service, never over the place's own midnight."""

    cache: Cache
    key: str
    midnight_s: int

    async def of(
        self, what: str, kind: TypeAdapter[T], ask: Callable[[], Awaitable[T]], *, ttl_s: int
    ) -> T:
        async def fetch() -> object:
            return kind.dump_python(await ask(), mode="json")

        kept: T = await self.cache.remember(
            f"{self.key}:{what}",
            fetch,
            ttl_s=min(ttl_s, self.midnight_s),
            read=kind.validate_python,
        )
        return kept


def _until_midnight_s(place: Place, at: datetime) -> int:
    """Seconds until the place's own day ends, for then yesterday's "today" would be shown."""
    local = at.astimezone(ZoneInfo(place.timezone))
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, int((midnight - local).total_seconds()))
