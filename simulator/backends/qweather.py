"""A fake of QWeather's weather API, version 1: it verifies the token, and gzips its responses.

Facts: QWeather's own documentation (authentication, error codes, weather v1).
"""

import gzip
import json
import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dingda.shared.runtime.clock import CHINA

_LONGEST_S = 24 * 3600
_TWO_DECIMALS = re.compile(r"-?\d{1,3}(\.\d{1,2})?")

TOO_MANY = (429, "Too Many Requests")
OVER_MONTHLY_LIMIT = (429, "Over Monthly Limit")
NO_CREDIT = (403, "No Credit")
UNKNOWN_ERROR = (500, "Unknown Error")


class FakeQWeather:
    """QWeather's API with one project.

    Args:
        project_id: the subject that tokens must have.
        key_id: the key that they must name.
        public_key: checks their signature, Ed25519 in PEM.
        now: the clock.
    """

    def __init__(
        self, *, project_id: str, key_id: str, public_key: str, now: Callable[[], datetime]
    ) -> None:
        self._project_id = project_id
        self._key_id = key_id
        self._public_key = public_key
        self._now = now
        self.asked: list[str] = []
        """The paths, in order."""
        self.faults: deque[tuple[int, str]] = deque()
        """Status and title of the next responses, one each; then it works again."""

    def app(self) -> Starlette:
        """As an ASGI application."""
        path = "/weather/v1/{what}/{latitude}/{longitude}"
        return Starlette(routes=[Route(path, self._weather)])

    async def _weather(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if not self._is_ours(request.headers.get("authorization", "")):
            return _problem(401, "Unauthorized")
        if self.faults:
            return _problem(*self.faults.popleft())
        where = (request.path_params["latitude"], request.path_params["longitude"])
        if not all(map(_TWO_DECIMALS.fullmatch, where)):
            return _problem(400, "Invalid Parameter")
        if request.path_params["what"] == "current":
            return _packed(_current())
        days = int(request.query_params.get("days", "7"))
        return _packed({"metadata": {}, "days": [self._day(n) for n in range(days)]})

    def _is_ours(self, authorization: str) -> bool:
        kind, _, token = authorization.partition(" ")
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=["EdDSA"],
                options={
                    "require": ["sub", "iat", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            return False
        now_s = self._now().timestamp()
        return (
            kind == "Bearer"
            and header.get("kid") == self._key_id
            and set(header) == {"alg", "kid"}
            and set(claims) == {"sub", "iat", "exp"}
            and claims["sub"] == self._project_id
            and claims["iat"] <= now_s < claims["exp"] <= claims["iat"] + _LONGEST_S
        )

    def _day(self, ahead: int) -> dict[str, Any]:
        # A day begins at China's midnight, written in UTC.
        day = self._now().astimezone(CHINA) + timedelta(days=ahead)
        start = day.replace(hour=0, minute=0).astimezone(UTC)
        half = {
            "condition": {"text": "小雨", "code": "305"},
            "precipitation": {"amount": {"value": 2.0, "unit": "mm"}, "probability": 0.64},
            "humidity": 0.52,
        }
        return {
            "forecastStartTime": start.strftime("%Y-%m-%dT%H:%MZ"),
            "temperatureMax": {"value": 12.4 + ahead, "unit": "°C"},
            "temperatureMin": {"value": 3.6 + ahead, "unit": "°C"},
            "daytime": half,
            "nighttime": half,
        }


def _current() -> dict[str, Any]:
    return {
        "metadata": {"tag": "03ec"},
        "condition": {"text": "少云", "code": "102"},
        "temperature": {"value": 9.71, "unit": "°C"},
        "feelsLike": {"value": 7.2, "unit": "°C"},
        "humidity": 0.69,
        "wind": {"direction": {"degree": None}, "speed": {"value": 4.74, "unit": "m/s"}},
    }


def _problem(status: int, title: str) -> Response:
    error = {"error": {"status": status, "title": title, "detail": "see the documentation"}}
    return _packed(error, status, "application/problem+json")


def _packed(content: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """QWeather always gzips."""
    body = gzip.compress(json.dumps(content).encode())
    return Response(body, status, {"content-encoding": "gzip"}, media_type)
