"""A fake of a personnel system's HTTP API for people's performance.

No API for this is common, so this one is ours: `GET /performance?userid=&period=&limit=` with a
bearer token returns `{"items": […]}`, the newest period first, or 404 for an unknown user. A year
(`2026`) holds its quarters (`2026-Q3`) and months (`2026-10`).
"""

import hmac
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Row = Mapping[str, Any]
"""The data of one person in one period: `userid`, `period`, and whatever else."""

MAX_ITEMS = 100
_DEFAULT_ITEMS = 12


@dataclass(frozen=True, slots=True)
class HRFailure:
    """An error response; `retry_after_s` is its Retry-After."""

    status: HTTPStatus
    retry_after_s: int | None = None


class FakeHR:
    """The fake personnel system.

    Args:
        rows: its data.
        token: the bearer token of its callers.
    """

    def __init__(self, rows: Iterable[Row], *, token: str) -> None:
        self._rows = tuple(rows)
        self._token = token
        self.failures: deque[HRFailure] = deque()
        """The errors of the next correct calls, one each."""
        self.calls: list[dict[str, str]] = []
        """The queries of all calls."""
        self.app = Starlette(routes=[Route("/performance", self._performance, methods=["GET"])])

    async def _performance(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.calls.append(query)
        failure = self._check(request) or (self.failures.popleft() if self.failures else None)
        if failure:
            return _failed(failure)
        # Newest first: periods of one kind sort by their names.
        items = sorted(self._items(query), key=lambda row: str(row["period"]), reverse=True)
        return JSONResponse({"items": items[: int(query.get("limit", _DEFAULT_ITEMS))]})

    def _check(self, request: Request) -> HRFailure | None:
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode("latin-1"), f"Bearer {self._token}".encode()):
            return HRFailure(HTTPStatus.UNAUTHORIZED)
        limit = request.query_params.get("limit", "1")
        is_limit = limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= MAX_ITEMS
        person = request.query_params.get("userid")
        if not person or not is_limit:
            return HRFailure(HTTPStatus.BAD_REQUEST)
        is_known = any(row["userid"] == person for row in self._rows)
        return None if is_known else HRFailure(HTTPStatus.NOT_FOUND)

    def _items(self, query: Mapping[str, str]) -> list[Row]:
        person, period = query["userid"], query.get("period", "")
        return [
            row
            for row in self._rows
            if row["userid"] == person and str(row["period"]).startswith(period)
        ]


def create_hr(rows: Iterable[Row], *, token: str) -> Starlette:
    """Build the application of an `HR` without failures; the arguments are the same."""
    return FakeHR(rows, token=token).app


def _failed(failure: HRFailure) -> Response:
    wait = failure.retry_after_s
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return JSONResponse({"error": failure.status.phrase}, failure.status, headers=headers)
