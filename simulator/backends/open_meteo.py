"""A fake Open-Meteo: an invented but steady weather, its limits and its errors.

Facts: its OpenAPI description, and its server's RateLimiter and ErrorResponse.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_MOST_DAYS = 16
_CODES = (0, 1, 2, 3, 45, 51, 61, 63, 71, 80, 95)
_CURRENT = {
    "temperature_2m": "°C",
    "relative_humidity_2m": "%",
    "apparent_temperature": "°C",
    "weather_code": "wmo code",
    "wind_speed_10m": "m/s",
}

OVERLOADED = (503, "The service is overloaded")
TOO_MANY_A_MINUTE = (429, "Minutely API request limit exceeded. Please try again in one minute.")
TOO_MANY_AN_HOUR = (429, "Hourly API request limit exceeded. Please try again in the next hour.")
TOO_MANY_A_DAY = (429, "Daily API request limit exceeded. Please try again tomorrow.")
BAD_KEY = (400, "The supplied API key is invalid.")

PLACES: tuple[dict[str, Any], ...] = (
    {
        "id": 1785974, "name": "西塘", "latitude": 30.95, "longitude": 120.89,
        "feature_code": "PPL", "country_code": "CN", "country": "中国", "admin1": "浙江",
        "timezone": "Asia/Shanghai", "population": 60_000,
    },
    {
        "id": 1, "name": "西塘", "latitude": 29.1, "longitude": 107.0, "feature_code": "PPLX",
        "country_code": "CN", "country": "中国", "admin1": "重庆", "timezone": "Asia/Shanghai",
    },
    {
        "id": 2, "name": "西塘", "latitude": 45.0, "longitude": 7.0, "feature_code": "PPL",
        "country_code": "IT", "country": "意大利", "timezone": "Europe/Rome", "population": 9,
    },
    {
        "id": 1153556, "name": "皮皮岛", "latitude": 7.74, "longitude": 98.77,
        "feature_code": "ISL", "country_code": "TH", "country": "泰国", "timezone": "Asia/Bangkok",
    },
)  # fmt: skip


class FakeOpenMeteo:
    """Open-Meteo's forecast and geocoding, and the queries that came.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.asked: list[Mapping[str, str]] = []
        """The queries, in order."""
        self.faults: deque[tuple[int, str]] = deque()
        """Status and reason of the next responses, one each; then it works again."""

    def routes(self) -> list[Route]:
        """Its routes."""
        return [Route("/v1/forecast", self._forecast), Route("/v1/search", self._search)]

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(routes=self.routes())

    async def _forecast(self, request: Request) -> JSONResponse:
        query = request.query_params
        self.asked.append(dict(query))
        if self.faults:
            return _error(*self.faults.popleft())
        try:
            latitude, longitude = float(query["latitude"]), float(query["longitude"])
            zone = ZoneInfo(query.get("timezone", "GMT"))
            count = int(query.get("forecast_days", "7"))
        except ZoneInfoNotFoundError:
            return _error(400, "Invalid timezone")
        except (KeyError, ValueError):
            return _error(400, "Value of type 'Float' required for key 'latitude'.")
        if not -90 <= latitude <= 90:  # noqa: PLR2004 - the poles
            return _error(400, f"Latitude must be in range of -90 to 90°. Given: {latitude}.")
        if not 0 <= count <= _MOST_DAYS:
            return _error(400, f"Forecast days is invalid. Allowed range 0 to 16. Given {count}.")
        local = self._now().astimezone(zone)
        forecast: dict[str, Any] = {
            "latitude": latitude,
            "longitude": longitude,
            "timezone": str(zone),
            "elevation": 47.0,
        }
        if names := query.get("current"):
            values = _present(latitude, longitude, local)
            forecast["current_units"] = _CURRENT
            forecast["current"] = {name: values.get(name) for name in names.split(",")}
        if names := query.get("daily"):
            days = [local.date() + timedelta(days=n) for n in range(count)]
            daily = [_day(latitude, longitude, day) for day in days]
            series = {name: [one.get(name) for one in daily] for name in names.split(",")}
            forecast["daily"] = {"time": [day.isoformat() for day in days], **series}
        return JSONResponse(forecast)

    async def _search(self, request: Request) -> JSONResponse:
        query = request.query_params
        self.asked.append(dict(query))
        if self.faults:
            return _error(*self.faults.popleft())
        found = [place for place in PLACES if place["name"] == query.get("name")]
        # Without a match the key is left out.
        return JSONResponse({"generationtime_ms": 0.5, **({"results": found} if found else {})})


def _present(latitude: float, longitude: float, local: datetime) -> dict[str, float | int]:
    day = _day(latitude, longitude, local.date())
    low, high = day["temperature_2m_min"], day["temperature_2m_max"]
    warmth = 1 - abs(local.hour - 14) / 14
    temperature = round(low + (high - low) * warmth, 1)
    return {
        "temperature_2m": temperature,
        "relative_humidity_2m": 30 + _chance(latitude, longitude, local.date(), "humidity") % 60,
        "apparent_temperature": round(temperature - 1.5, 1),
        "weather_code": int(day["weather_code"]),
        "wind_speed_10m": 0.5 + _chance(latitude, longitude, local.date(), "wind") % 90 / 10,
    }


def _day(latitude: float, longitude: float, day: date) -> dict[str, Any]:
    """A weather that fits the latitude and the season, and is the same whenever it is asked for."""
    season = 1 - abs(day.timetuple().tm_yday - 200) / 182
    warmth = 28 - abs(latitude) * 0.45 + (season - 0.5) * abs(latitude) * 0.6
    high = round(warmth + _chance(latitude, longitude, day, "high") % 60 / 10, 1)
    code = _CODES[_chance(latitude, longitude, day, "code") % len(_CODES)]
    return {
        "weather_code": code,
        "temperature_2m_max": high,
        "temperature_2m_min": round(
            high - 6 - _chance(latitude, longitude, day, "low") % 40 / 10, 1
        ),
        "precipitation_probability_max": 70 if code > 50 else 5,  # noqa: PLR2004 - rain and snow
        "wind_speed_10m_max": 1 + _chance(latitude, longitude, day, "wind") % 120 / 10,
        "uv_index_max": 1 + _chance(latitude, longitude, day, "uv") % 80 / 10,
        "sunrise": f"{day}T06:{30 + _chance(latitude, longitude, day, 'sun') % 30}",
        "sunset": f"{day}T17:{30 + _chance(latitude, longitude, day, 'sun') % 30}",
    }


def _chance(latitude: float, longitude: float, day: date, what: str) -> int:
    seed = f"{latitude:.2f} {longitude:.2f} {day} {what}"
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])


def _error(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": True, "reason": reason}, status)
