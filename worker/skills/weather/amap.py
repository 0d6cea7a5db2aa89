"""AMap 高德: China's administrative divisions only, by their adcodes.

Source: lbs.amap.com, weatherInfo and its table of infocodes. It answers 200 whatever happens; all
values are strings. Its quotas are the key's own: so many a day, and so many a second.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from dingda.skill import (
    CHINA,
    MALFORMED,
    Backend,
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
    Http,
    Limits,
)
from dingda.slots import Place
from dingda.worker.skills.weather.report import DayForecast, Days, Now, invented

_HOST = "restapi.amap.com"
_OK = "10000"
# Too many in this second, and its own trouble.
_PASSING = frozenset({"10002", "10014", "10015", "10019", "10020", "10021", "20003"})
# The key's or the account's quota for a day; and a ban "until the next minute".
_DAY_USED_UP = frozenset({"10003", "10044", "10045"})
_TOO_FREQUENT = "10004"


def _quota(_: int, data: Any, now: datetime) -> datetime | None:
    code = str(data.get("infocode")) if isinstance(data, dict) else ""
    if code in _DAY_USED_UP:
        tomorrow = now.astimezone(CHINA) + timedelta(days=1)
        return tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)
    if code == _TOO_FREQUENT:
        return (now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    return None


AMAP = Backend("高德天气", quota=_quota)
SERVICE = AMAP.name
# What a personal account gets; a company's more, see its console.
_PUBLIC = replace(AMAP, per_s=3)


class AMap:
    """One key's way to it.

    Args:
        http: calls it.
        url: `https://restapi.amap.com`.
        key: of the kind "web service".
        limits: what is set of its bounds.
    """

    name = "amap"

    def __init__(self, http: Http, *, url: str, key: str, limits: Limits) -> None:
        self._http = http
        self.url = url
        self._key = key
        host = urlsplit(url).netloc
        self._backend = (_PUBLIC if host == _HOST else AMAP).limited(limits)
        self.attribution = (
            "数据来自 [高德地图](https://lbs.amap.com)" if host == _HOST else invented(host)
        )

    async def now(self, place: Place) -> Now:
        """The weather at present."""
        live = await self._first("lives", place, "base")
        try:
            return Now(
                text=str(live["weather"]),
                temperature=float(live["temperature"]),
                humidity=float(live["humidity"]),
            )
        except MALFORMED:
            raise BackendProtocolError(SERVICE, "no current weather") from None

    async def days(self, place: Place) -> Days:
        """Today's weather, and that of the three days after it."""
        forecast = await self._first("forecasts", place, "all")
        try:
            return tuple(
                DayForecast(
                    day=date.fromisoformat(cast["date"]),
                    text=_text(cast["dayweather"], cast["nightweather"]),
                    low=float(cast["nighttemp"]),
                    high=float(cast["daytemp"]),
                )
                for cast in forecast["casts"]
            )
        except MALFORMED:
            raise BackendProtocolError(SERVICE, "no daily weather") from None

    async def _first(self, name: str, place: Place, extensions: str) -> dict[str, Any]:
        if not place.adcode:
            raise BackendUnavailableError(SERVICE, "it knows China's divisions only")
        response = await self._http.json(
            self._backend,
            "GET",
            f"{self.url}/v3/weather/weatherInfo",
            params={
                "key": self._key,
                "city": place.adcode,
                "extensions": extensions,
                "output": "JSON",
            },
            retries=1,
        )
        fields = response.data if isinstance(response.data, dict) else {}
        code = str(fields.get("infocode"))
        if code in _PASSING:
            raise BackendUnavailableError(SERVICE, f"infocode {code}")
        if code != _OK:
            raise BackendConfigError(SERVICE, f"infocode {code} {str(fields.get('info'))[:50]}")
        # Of a division that it doesn't know it answers with nothing, or with an empty list.
        found = fields.get(name)
        if not isinstance(found, list) or not found or not isinstance(found[0], dict):
            raise BackendUnavailableError(SERVICE, "it doesn't know the place")
        return found[0]


def _text(by_day: str, by_night: str) -> str:
    return by_day if by_day == by_night else f"{by_day}转{by_night}"
