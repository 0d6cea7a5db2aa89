"""The dashboard in this process, on a fake Redis, asked as a browser asks."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fakeredis
import httpx
import pytest

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.worker.operations.dashboard.access import Access
from dingda.worker.operations.dashboard.app import create_app
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.operations.dashboard.site import Site
from tests.unit.worker.operations.messages import QUEUE

ADDRESS = "http://127.0.0.1:9109"
OURS = {"origin": ADDRESS, "sec-fetch-site": "same-origin"}
READ, ACT = "to-look-at-it", "to-do-something"
Open = Callable[..., Any]


class Browser:
    """A client that keeps cookies, sends what browsers send with a form, and reads English."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, fields: Any = None, **headers: str) -> httpx.Response:
        return await self.client.post(path, data=fields or {}, headers=OURS | headers)

    async def sign_in(self, password: str = ACT) -> httpx.Response:
        return await self.post("/sign-in", {"password": password, "next": "/dead"})


def settings(**values: Any) -> DashboardSettings:
    return DashboardSettings(_env_file=None, **values)  # type: ignore[call-arg]


@pytest.fixture
def dashboard(redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin) -> Open:
    """Opens a browser on a dashboard with these settings."""

    @asynccontextmanager
    async def open_(*, url: str = "", now_s: Any = None, **values: Any) -> AsyncIterator[Any]:
        chosen = settings(url=url, **values)
        access = Access(chosen, **({"now_s": now_s} if now_s else {}))
        app = create_app(Site(redis, admin, QUEUE, chosen, access))
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
        headers = {"accept-language": "en"}
        async with httpx.AsyncClient(
            transport=transport, base_url=url or ADDRESS, headers=headers
        ) as client:
            yield Browser(client)

    return open_


@pytest.fixture
async def browser(dashboard: Open) -> AsyncIterator[Browser]:
    """On loopback, with a password to act and nobody signed in."""
    async with dashboard(act_password=ACT) as opened:
        yield opened


@pytest.fixture
async def operator(browser: Browser) -> Browser:
    """The same, signed in to act."""
    assert (await browser.sign_in()).status_code == 303
    return browser
