"""Somebody's results are read from an HR service as it gives them, or not at all."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from dingda.simulator.backends.hr import FakeHR, HRFailure
from dingda.worker.errors import (
    BackendConfigError,
    BackendError,
    BackendProtocolError,
    BackendUnavailableError,
)
from dingda.worker.services.http_client import Http
from dingda.worker.skills.performance.sources import read_service

ROWS = [
    {"userid": "u1", "period": "2026-Q2", "score": 88, "grade": "B"},
    {"userid": "u1", "period": "2026-Q3", "score": 92.5, "grade": "A"},
    {"userid": "u2", "period": "2026-Q3", "score": 61, "grade": "C"},
]
URL = "https://hr.example/performance"


async def read(
    hr: FakeHR | httpx.MockTransport,
    staff_id: str = "u1",
    period: str = "",
    token: str = "hr-token",
) -> Sequence[Any]:
    line = httpx.ASGITransport(hr.app) if isinstance(hr, FakeHR) else hr
    async with httpx.AsyncClient(transport=line) as client:
        return await read_service(Http(client), URL, token, staff_id=staff_id, period=period)


@pytest.fixture
def hr() -> FakeHR:
    return FakeHR(ROWS, token="hr-token")


async def test_one_person_s_results_are_read_the_newest_first(hr: FakeHR) -> None:
    assert await read(hr) == [ROWS[1], ROWS[0]]
    assert await read(hr, period="2026-Q2") == [ROWS[0]]


async def test_nobody_has_no_results(hr: FakeHR) -> None:
    assert await read(hr, "u9") == []


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_wrong_token_is_an_operator_s_business(hr: FakeHR, token: str) -> None:
    with pytest.raises(BackendConfigError):
        await read(hr, token=token)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (HTTPStatus.FORBIDDEN, BackendConfigError),
        (HTTPStatus.TOO_MANY_REQUESTS, BackendUnavailableError),
        (HTTPStatus.INTERNAL_SERVER_ERROR, BackendUnavailableError),
        (HTTPStatus.SERVICE_UNAVAILABLE, BackendUnavailableError),
    ],
)
async def test_trouble_at_the_service_s_is_no_empty_answer(
    hr: FakeHR, status: HTTPStatus, kind: type[BackendError]
) -> None:
    hr.failures.append(HRFailure(status))
    with pytest.raises(kind):
        await read(hr)


@pytest.mark.parametrize("body", ["[]", "{}", '{"items": {}}', '{"items": ["x"]}', "<html>", ""])
async def test_an_answer_without_results_is_not_understood(body: str) -> None:
    with pytest.raises(BackendProtocolError):
        await read(httpx.MockTransport(lambda _: httpx.Response(200, text=body)))


async def test_a_web_server_s_404_is_a_wrong_address_and_not_nobody() -> None:
    with pytest.raises(BackendConfigError):
        await read(httpx.MockTransport(lambda _: httpx.Response(404, html="<h1>Not Found</h1>")))
