"""The database snippets of docs/backends.md do on a real PostgreSQL what they do on SQLite."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import NullPool, create_engine, text

from dingda.skill import Text
from dingda.testing import ask
from tests.integration.postgres import Postgres, postgres

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


def block(holding: str) -> dict[str, Any]:
    """What the page's snippet defines that holds some words."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "docs_block"}
    exec(next(code for code in found if holding in code), namespace)  # noqa: S102 - our own docs
    return namespace


async def test_the_stock_is_found_in_a_postgresql(server: Postgres) -> None:
    page = block("class StockSettings")
    server.run(page["TABLE"])
    server.run(page["ROWS"])
    settings = [page["StockSettings"](url=SecretStr(server.url))]
    found = await ask(page["skill"], "库存 a75", settings=settings)
    assert found == Text("机械键盘 A75：12 件（11-20 盘点）")
    assert await ask(page["skill"], "库存 鼠标", settings=settings) == Text("没有找到")


async def test_a_booking_is_written_to_a_postgresql_once(server: Postgres) -> None:
    page = block("class BookingSettings")
    with create_engine(server.url, poolclass=NullPool).begin() as connection:
        connection.execute(page["TABLE"])
    settings = [page["BookingSettings"](url=SecretStr(server.url))]
    for _ in range(2):
        assert await ask(page["skill"], "订 A301", settings=settings) == Text("订好了：A301")
    with create_engine(server.url, poolclass=NullPool).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM bookings")).scalar() == 1
