"""One service after another, until one answers; what they said lately is remembered."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from worker.cache import Cache
from worker.errors import BackendError
from worker.places import Place
from worker.weather.report import DayForecast, Now, Provider, Report

logger = logging.getLogger(__name__)
T = TypeVar("T")

NOW_S = 600
"""How long the present weather is remembered: services renew it every quarter of an hour."""
DAYS_S = 3600
_NOW = TypeAdapter(Now)
_DAYS = TypeAdapter(tuple[DayForecast, ...])


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
    key = f"weather:{provider.url}:{place.latitude:.3f},{place.longitude:.3f},{place.adcode}"
    midnight_s = _until_midnight_s(place, at)
    days = await _remembered(
        cache, f"{key}:days", _DAYS, lambda: provider.days(place), ttl_s=min(DAYS_S, midnight_s)
    )
    now = None
    if with_now:
        now = await _remembered(
            cache, f"{key}:now", _NOW, lambda: provider.now(place), ttl_s=min(NOW_S, midnight_s)
        )
    return Report(provider.attribution, now, {forecast.day: forecast for forecast in days})


async def _remembered(
    cache: Cache, key: str, kind: TypeAdapter[T], ask: Callable[[], Awaitable[T]], *, ttl_s: int
) -> T:
    kept: Any = await cache.get(key)
    if kept is not None:
        return kind.validate_python(kept, strict=False)
    answer = await ask()
    await cache.set(key, kind.dump_python(answer, mode="json"), ttl_s=ttl_s)
    return answer


def _until_midnight_s(place: Place, at: datetime) -> int:
    """Seconds until the place's own day ends, for then yesterday's "today" would be shown."""
    local = at.astimezone(ZoneInfo(place.timezone))
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, int((midnight - local).total_seconds()))
