"""A fake of AMap's weatherInfo: status 200 whatever happens, and strings for all values.

Facts: lbs.amap.com's weatherInfo and its table of infocodes.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_DAYS = 4

BAD_KEY = ("10001", "INVALID_USER_KEY")
DAY_USED_UP = ("10003", "DAILY_QUERY_OVER_LIMIT")
ACCOUNT_USED_UP = ("10044", "USER_DAILY_QUERY_OVER_LIMIT")
TOO_FREQUENT = ("10004", "ACCESS_TOO_FREQUENT")
OUT_OF_SERVICE = ("10002", "SERVICE_NOT_AVAILABLE")


class FakeAMap:
    """AMap's weatherInfo with one key.

    Args:
        key: the key that it knows.
        now: the clock.
    """

    def __init__(self, *, key: str, now: Callable[[], datetime]) -> None:
        self._key = key
        self._now = now
        self.asked: list[str] = []
        """The adcodes, in order."""
        self.faults: deque[tuple[str, str]] = deque()
        """Infocode and info of the next responses, one each; then it works again."""

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(routes=[Route("/v3/weather/weatherInfo", self._weather)])

    async def _weather(self, request: Request) -> JSONResponse:
        query = request.query_params
        city = query.get("city", "")
        self.asked.append(city)
        if query.get("key") != self._key:
            return _failed(*BAD_KEY)
        if self.faults:
            return _failed(*self.faults.popleft())
        if not city:
            return _failed("20001", "MISSING_REQUIRED_PARAMS")
        known = len(city) == 6 and city.isdigit()  # noqa: PLR2004 - an adcode
        if query.get("extensions") == "all":
            casts = [self._cast(n) for n in range(_DAYS)]
            forecast = {"city": "某地", "adcode": city, "casts": casts}
            return _succeeded({"forecasts": [forecast] if known else []})
        live = {
            "city": "某地",
            "adcode": city,
            "weather": "阴",
            "temperature": "8",
            "winddirection": "南",
            "windpower": "≤3",
            "humidity": "45",
        }
        return _succeeded({"lives": [live] if known else [[]]})

    def _cast(self, ahead: int) -> dict[str, str]:
        day = self._now().date() + timedelta(days=ahead)
        return {
            "date": day.isoformat(),
            "week": str(day.isoweekday()),
            "dayweather": "小雨",
            "nightweather": "阴" if ahead else "小雨",
            "daytemp": str(11 + ahead),
            "nighttemp": str(4 + ahead),
        }


def _succeeded(fields: dict[str, Any]) -> JSONResponse:
    return JSONResponse({"status": "1", "count": "1", "info": "OK", "infocode": "10000", **fields})


def _failed(infocode: str, info: str) -> JSONResponse:
    return JSONResponse({"status": "0", "info": info, "infocode": infocode})
