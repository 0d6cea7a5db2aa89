"""The fake personnel system gives people's results to callers with its token."""

from http import HTTPStatus
from typing import Any

import httpx
import pytest

from dingda.simulator.backends.hr import FakeHR, HRFailure, create_hr

ROWS = [
    {"userid": "u1", "period": "2026-Q2", "score": 88, "grade": "B"},
    {"userid": "u1", "period": "2026-Q3", "score": 92.5, "grade": "A"},
    {"userid": "u1", "period": "2025-Q4", "score": 80, "grade": "B"},
    {"userid": "u2", "period": "2026-Q3", "score": 61, "grade": "C"},
]


async def ask(hr: FakeHR | None = None, *, token: str = "t", **query: Any) -> httpx.Response:
    app = (hr or FakeHR(ROWS, token="t")).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return await client.get(
            "https://hr.example/performance",
            params=query,
            headers={b"authorization": f"Bearer {token}".encode()},
        )


def periods(response: httpx.Response) -> list[str]:
    assert response.status_code == 200
    return [item["period"] for item in response.json()["items"]]


async def test_results_are_one_person_s_the_newest_first() -> None:
    assert (await ask(userid="u1")).json() == {"items": [ROWS[1], ROWS[0], ROWS[2]]}


async def test_a_period_may_be_named_and_a_year_holds_its_quarters() -> None:
    assert periods(await ask(userid="u1", period="2026-Q2")) == ["2026-Q2"]
    assert periods(await ask(userid="u1", period="2026")) == ["2026-Q3", "2026-Q2"]
    assert periods(await ask(userid="u2", period="2024")) == []


async def test_a_limit_cuts_off_the_older_ones() -> None:
    assert periods(await ask(userid="u1", limit=2)) == ["2026-Q3", "2026-Q2"]


@pytest.mark.parametrize("query", [{}, {"userid": ""}, {"userid": "u1", "limit": "0"}])
async def test_a_query_without_a_user_or_a_limit_is_400(query: dict[str, Any]) -> None:
    assert (await ask(**query)).status_code == 400


@pytest.mark.parametrize("limit", ["101", "-1", "many", "1.5", "²", ""])
async def test_a_limit_that_is_no_number_from_1_to_100_is_400(limit: str) -> None:
    assert (await ask(userid="u1", limit=limit)).status_code == 400


async def test_an_unknown_user_is_404() -> None:
    assert (await ask(userid="u9")).status_code == 404


@pytest.mark.parametrize("token", ["", "T", "t2", "钥"])
async def test_a_wrong_token_is_401_and_nothing_more(token: str) -> None:
    answers = [await ask(token=token, userid=u) for u in ("u1", "u9")]
    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_failure_happens_once(status: int) -> None:
    hr = FakeHR(ROWS, token="t")
    hr.failures.append(HRFailure(HTTPStatus(status)))
    assert (await ask(hr, userid="u1")).status_code == status
    assert (await ask(hr, userid="u1")).status_code == 200
    assert hr.calls == [{"userid": "u1"}] * 2


async def test_a_failure_may_say_when_to_come_back() -> None:
    hr = FakeHR(ROWS, token="t")
    hr.failures.append(HRFailure(HTTPStatus.TOO_MANY_REQUESTS, retry_after_s=3))
    assert (await ask(hr, userid="u1")).headers["retry-after"] == "3"


async def test_without_failures_it_is_an_application_like_any_other() -> None:
    transport = httpx.ASGITransport(create_hr(ROWS, token="t"))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("https://hr.example/performance")).status_code == 401
