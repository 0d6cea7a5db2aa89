"""Weather data, independent of the service that it comes from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from dingda.slots import Place


@dataclass(frozen=True, slots=True)
class Now:
    """The weather at present; temperatures in °C, wind in m/s, humidity in percent."""

    text: str
    temperature: float
    feels_like: float | None = None
    humidity: float | None = None
    wind: float | None = None

    def __post_init__(self) -> None:
        _check(self.temperature, self.feels_like, self.humidity, self.wind)


@dataclass(frozen=True, slots=True)
class DayForecast:
    """One day's weather; temperatures in °C, the chance of rain in percent, the wind in m/s.

    Sunrise and sunset are the place's own time, as 07:05; "" where a service doesn't tell them.
    """

    day: date
    text: str
    low: float
    high: float
    rain_chance: float | None = None
    wind: float | None = None
    uv_index: float | None = None
    sunrise: str = ""
    sunset: str = ""

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.rain_chance, self.wind, self.uv_index)


Days = tuple[DayForecast, ...]
"""Today's weather and that of the days after it, up to a week."""


class _Service(Protocol):
    """A weather service."""

    name: str
    """As the setting names it."""
    url: str
    """Where it is asked; what is remembered of one address is not shown as another's."""
    attribution: str
    """The line that its licence asks for, in markdown."""

    async def days(self, place: Place) -> Days:
        """The forecast alone.

        Raises:
            BackendError: if it can't be had.
        """
        ...


@runtime_checkable
class OneCallService(_Service, Protocol):
    """A service that tells the present and the forecast in one call."""

    async def now_and_days(self, place: Place) -> tuple[Now, Days]:
        """Both.

        Raises:
            BackendError: if they can't be had.
        """
        ...


class TwoCallService(_Service, Protocol):
    """A service that wants a call for each."""

    async def now(self, place: Place) -> Now:
        """The weather at present.

        Raises:
            BackendError: if it can't be had.
        """
        ...


Provider = OneCallService | TwoCallService


@dataclass(frozen=True, slots=True)
class Report:
    """What one service says of a place."""

    attribution: str
    now: Now | None
    days: Mapping[date, DayForecast]


def _check(*numbers: float | None) -> None:
    """A service that sends numbers as strings may send "Infinity"."""
    if not all(map(math.isfinite, filter(None, numbers))):
        raise ValueError("no finite number")


def invented(host: str) -> str:
    """The attribution of what a host says that is not the service itself."""
    return f"模拟数据，来自 {host}，不是真实天气"


def beaufort(metres_per_second: float) -> int:
    """The wind's force on the Beaufort scale (WMO: v = 0.836 B^1.5)."""
    force: float = (max(metres_per_second, 0.0) / 0.836) ** (2 / 3)
    return min(12, round(force))
