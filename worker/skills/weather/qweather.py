"""QWeather 和风天气, version 1: an account's own host, and a token that the account's key signs.

Source: its documentation (dev.qweather.com). Coordinates have two decimals at the most. Repeating a
request that was refused counts as an attack there, so only an overload is tried again.
"""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jwt

from dingda.skill import (
    CHINA,
    MALFORMED,
    Backend,
    BackendConfigError,
    BackendProtocolError,
    Http,
    Limits,
)
from dingda.slots import Place
from dingda.worker.skills.weather.report import DayForecast, Days, Now, invented

_HOST = ".qweatherapi.com"
_DAYS = 8
_TOKEN_S = 900
_SKEW_S = 30


def _quota(status: int, data: Any, now: datetime) -> datetime | None:
    """One of its two kinds of 429 lasts until the next month; its bills are China's."""
    if status != HTTPStatus.TOO_MANY_REQUESTS or "Monthly" not in _title(data):
        return None
    first = now.astimezone(CHINA).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=31)).replace(day=1)


QWEATHER = Backend("和风天气", quota=_quota)
SERVICE = QWEATHER.name


class QWeather:
    """One project's way to it.

    Args:
        http: calls it.
        url: the account's own host.
        project_id: the token's subject.
        key_id: which key signs.
        private_key: that key, Ed25519 in PEM.
        limits: what is set of its bounds.
        now_s: the clock, in seconds since 1970.
    """

    name = "qweather"

    def __init__(
        self,
        http: Http,
        *,
        url: str,
        project_id: str,
        key_id: str,
        private_key: str,
        limits: Limits,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._backend = QWEATHER.limited(limits)
        self.url = url
        self._project_id = project_id
        self._key_id = key_id
        self._private_key = private_key
        self._now_s = now_s
        host = urlsplit(url).netloc
        self.attribution = (
            "数据来自 [和风天气](https://www.qweather.com)"
            if host.endswith(_HOST)
            else invented(host)
        )

    async def now(self, place: Place) -> Now:
        """The weather at present."""
        fields = await self._get("current", place, {})
        try:
            return Now(
                text=str(fields["condition"]["text"]),
                temperature=float(fields["temperature"]["value"]),
                feels_like=float(fields["feelsLike"]["value"]),
                humidity=float(fields["humidity"]) * 100,
                wind=float(fields["wind"]["speed"]["value"]),
            )
        except MALFORMED:
            raise BackendProtocolError(SERVICE, "no current weather") from None

    async def days(self, place: Place) -> Days:
        """Today's weather, and that of the seven days after it."""
        fields = await self._get("daily", place, {"days": _DAYS})
        try:
            return tuple(_day(day, place) for day in fields["days"])
        except MALFORMED:
            raise BackendProtocolError(SERVICE, "no daily weather") from None

    async def _get(self, what: str, place: Place, wanted: dict[str, int]) -> dict[str, Any]:
        response = await self._http.json(
            self._backend,
            "GET",
            f"{self.url}/weather/v1/{what}/{place.latitude:.2f}/{place.longitude:.2f}",
            params={"localTime": "true", "lang": "zh", **wanted},
            headers={"authorization": f"Bearer {self._token()}"},
            retries=1,
        )
        if response.status != HTTPStatus.OK:
            raise BackendConfigError(SERVICE, f"HTTP {response.status}: {_title(response.data)}")
        if not isinstance(response.data, dict):
            raise BackendProtocolError(SERVICE, "no object")
        return response.data

    def _token(self) -> str:
        issued_s = int(self._now_s()) - _SKEW_S
        claims = {"sub": self._project_id, "iat": issued_s, "exp": issued_s + _TOKEN_S}
        # It wants no `typ`, which PyJWT would add.
        headers = {"kid": self._key_id, "typ": None}
        return jwt.encode(claims, self._private_key, algorithm="EdDSA", headers=headers)


def _title(data: Any) -> str:
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("title"))[:100] if isinstance(error, dict) else "no reason"


def _day(fields: dict[str, Any], place: Place) -> DayForecast:
    daytime = fields["daytime"]
    chance = daytime.get("precipitation", {}).get("probability")
    return DayForecast(
        day=_local_date(fields["forecastStartTime"], place),
        text=str(daytime["condition"]["text"]),
        low=float(fields["temperatureMin"]["value"]),
        high=float(fields["temperatureMax"]["value"]),
        rain_chance=None if chance is None else float(chance) * 100,
    )


def _local_date(text: str, place: Place) -> date:
    at = datetime.fromisoformat(text)
    return (at.astimezone(ZoneInfo(place.timezone)) if at.tzinfo else at).date()
