"""Open-Meteo: no key, CC BY 4.0, free for what is not commercial (open-meteo.com/en/terms).

Sources: its OpenAPI description and the server's own code (RateLimiter.swift): a bad key is a 400
there; without a key an address gets 5 calls at once, 600 a minute, 5,000 an hour and 10,000 a day.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dingda.skill import MALFORMED, Backend, BackendConfigError, BackendProtocolError, Http, Limits
from dingda.slots import Place, to_simplified
from dingda.worker.skills.weather.report import DayForecast, Days, Now, invented

_HOSTS = frozenset({"api.open-meteo.com", "customer-api.open-meteo.com"})
_FREE_HOSTS = frozenset({"api.open-meteo.com", "geocoding-api.open-meteo.com"})
_CURRENT = "temperature_2m,relative_humidity_2m,apparent_temperature,weather_code,wind_speed_10m"
_DAILY = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max"
# Beyond ten of these one call would count as more.
_DAILY_EXTRAS = "wind_speed_10m_max,uv_index_max,sunrise,sunset"
_DAYS = 8
_LIMITS_END = {"Minutely": timedelta(minutes=1), "Hourly": timedelta(hours=1)}
_CHINESE = frozenset({"CN", "HK", "MO", "TW"})

# Every code that the server emits (its WeatherCode.swift).
_TEXTS = {
    0: "晴", 1: "大部晴朗", 2: "多云", 3: "阴", 45: "雾", 48: "雾凇",
    51: "小毛毛雨", 53: "毛毛雨", 55: "大毛毛雨", 56: "冻毛毛雨", 57: "强冻毛毛雨",
    61: "小雨", 63: "中雨", 65: "大雨", 66: "冻雨", 67: "强冻雨",
    71: "小雪", 73: "中雪", 75: "大雪", 77: "米雪", 80: "小阵雨", 81: "阵雨", 82: "强阵雨",
    85: "小阵雪", 86: "大阵雪", 95: "雷暴", 96: "雷暴伴小冰雹", 99: "雷暴伴大冰雹",
}  # fmt: skip


def _quota(status: int, data: Any, now: datetime) -> datetime | None:
    """Its fourth kind of 429, too many at once, has no end of its own."""
    reason = str(data.get("reason")) if isinstance(data, dict) else ""
    if status != HTTPStatus.TOO_MANY_REQUESTS or "limit exceeded" not in reason:
        return None
    # All are counted by the clock in UTC: the whole minute, hour and day.
    period = _LIMITS_END.get(reason.split()[0], timedelta(days=1))
    now = now.astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((now - midnight) // period + 1) * period


OPEN_METEO = Backend("Open-Meteo", quota=_quota)
SERVICE = OPEN_METEO.name
_WITHOUT_KEY = replace(OPEN_METEO, at_once=4, per_s=10)


class OpenMeteo:
    """One account's way to it; without a key the public one.

    Args:
        http: calls it.
        url: `https://api.open-meteo.com`, or `https://customer-api.open-meteo.com` with a key.
        geocoding_url: `https://geocoding-api.open-meteo.com`.
        api_key: "" without an account.
        limits: what is set of its bounds.
    """

    name = "open-meteo"

    def __init__(
        self, http: Http, *, url: str, geocoding_url: str, api_key: str, limits: Limits
    ) -> None:
        self._http = http
        self._limits = limits
        self.url = url
        self._geocoding_url = geocoding_url
        self._key = {"apikey": api_key} if api_key else {}
        host = urlsplit(url).netloc
        self.attribution = (
            "数据来自 [Open-Meteo](https://open-meteo.com/)（CC BY 4.0）"
            if host in _HOSTS
            else invented(host)
        )

    async def days(self, place: Place) -> Days:
        """Today's weather, and that of the seven days after it."""
        return _days(await self._forecast(place))

    async def now_and_days(self, place: Place) -> tuple[Now, Days]:
        """The present as well."""
        response = await self._forecast(place, current=_CURRENT)
        return _now(response), _days(response)

    async def find(self, name: str) -> Place | None:
        """Look a place up that our lexicon lacks; None if nothing there is likely to be meant.

        For Chinese names its first hits can be villages of other provinces (geocoding-api issue
        20). So what counts is the largest of the populated places in China, and of whatever
        elsewhere has exactly that name in Chinese, be it an island or a mountain.
        """
        query: dict[str, str | int] = {"name": name, "count": 10, "language": "zh", **self._key}
        url = f"{self._geocoding_url}/v1/search"
        response = await self._http.json(self._backend(url), "GET", url, params=query)
        found = _checked(response.status, response.data)
        try:
            return _likeliest(found.get("results") or [], name)
        except (*MALFORMED, OSError):  # OSError: a time zone that is a folder of them
            raise BackendProtocolError(SERVICE, "no list of places") from None

    async def _forecast(self, place: Place, **wanted: str) -> dict[str, Any]:
        query: dict[str, str | float] = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "timezone": place.timezone,
            "wind_speed_unit": "ms",
            "daily": f"{_DAILY},{_DAILY_EXTRAS}",
            "forecast_days": _DAYS,
            **wanted,
            **self._key,
        }
        url = f"{self.url}/v1/forecast"
        # What is overloaded answers 503; that and lost connections are worth a second try.
        response = await self._http.json(self._backend(url), "GET", url, params=query, retries=1)
        return _checked(response.status, response.data)

    def _backend(self, url: str) -> Backend:
        host = urlsplit(url).hostname
        return (_WITHOUT_KEY if host in _FREE_HOSTS else OPEN_METEO).limited(self._limits)


def _now(response: dict[str, Any]) -> Now:
    try:
        fields = response["current"]
        return Now(
            text=_text(fields["weather_code"]),
            temperature=float(fields["temperature_2m"]),
            feels_like=_number(fields.get("apparent_temperature")),
            humidity=_number(fields.get("relative_humidity_2m")),
            wind=_number(fields.get("wind_speed_10m")),
        )
    except MALFORMED:
        raise BackendProtocolError(SERVICE, "no current weather") from None


def _days(response: dict[str, Any]) -> Days:
    try:
        daily = response["daily"]
        rows = zip(
            daily["time"],
            daily["weather_code"],
            daily["temperature_2m_min"],
            daily["temperature_2m_max"],
            daily["precipitation_probability_max"],
            *(daily.get(name) or [None] * len(daily["time"]) for name in _DAILY_EXTRAS.split(",")),
            strict=True,
        )
        return tuple(
            DayForecast(
                day=date.fromisoformat(day),
                text=_text(code),
                low=float(low),
                high=float(high),
                rain_chance=_number(chance),
                wind=_number(wind),
                uv_index=_number(uv_index),
                sunrise=_hour(sunrise),
                sunset=_hour(sunset),
            )
            for day, code, low, high, chance, wind, uv_index, sunrise, sunset in rows
            # Far days may be null.
            if None not in (code, low, high)
        )
    except MALFORMED:
        raise BackendProtocolError(SERVICE, "no daily weather") from None


def _likeliest(found: list[dict[str, Any]], name: str) -> Place | None:
    hits = [hit for hit in found if _may_be_meant(hit, name)]
    if not hits:
        return None
    best = max(hits, key=lambda hit: hit.get("population") or 0)
    within = (best.get("country"), best.get("admin1"))
    return Place(
        name=str(best["name"]) if name.isascii() else name,
        within="".join(str(part) for part in within if part and part != "中国"),
        country=str(best.get("country_code", "")),
        latitude=float(best["latitude"]),
        longitude=float(best["longitude"]),
        timezone=ZoneInfo(str(best.get("timezone") or "Asia/Shanghai")).key,
    )


def _may_be_meant(hit: dict[str, Any], name: str) -> bool:
    kind = str(hit.get("feature_code", ""))
    if name.isascii():
        return kind.startswith("PPL")
    if to_simplified(str(hit.get("name"))) == to_simplified(name):
        # A whole country or province has its weather nowhere.
        return not kind.startswith(("PCL", "ADM1", "CONT"))
    return kind.startswith("PPL") and hit.get("country_code") in _CHINESE


def _checked(status: int, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise BackendProtocolError(SERVICE, f"HTTP {status} without an object")
    if status != HTTPStatus.OK:
        # Its reasons name parameters and limits, never keys.
        raise BackendConfigError(SERVICE, f"HTTP {status}: {str(data.get('reason'))[:100]}")
    return data


def _text(code: int) -> str:
    return _TEXTS.get(int(code), f"未知天气（{int(code)}）")


def _hour(moment: Any) -> str:
    """The hour and minute of 2026-11-23T07:05."""
    return datetime.fromisoformat(moment).strftime("%H:%M") if moment else ""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
