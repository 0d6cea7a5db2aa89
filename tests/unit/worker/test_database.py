"""Skills read databases by bound values, in a thread, within a time; what fails says no more."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from worker import database
from worker.database import Databases
from worker.errors import BackendRefusedError, BackendUnavailableError

SERVICE = "绩效库"
CANARY = "s3cret-canary"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of three people."""
    path = tmp_path / "people.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE person (id TEXT, name TEXT, score REAL)")
    rows = [("0001", "张三", 92.5), ("0002", "李四", None), ("0003", "王'五", 60.0)]
    connection.executemany("INSERT INTO person VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture
def databases() -> Iterator[Databases]:
    with ThreadPoolExecutor(2) as threads:
        opened = Databases(threads)
        yield opened
        opened.close()


async def fetched(
    databases: Databases, url: str, statement: str, *, limit: int = 10, **values: Any
) -> list[dict[str, Any]]:
    return await databases.fetch(SERVICE, url, text(statement), values, limit=limit)


async def test_rows_come_as_mappings_by_column(databases: Databases, url: str) -> None:
    rows = await fetched(databases, url, "SELECT name, score FROM person WHERE id = :id", id="0001")
    assert rows == [{"name": "张三", "score": 92.5}]


async def test_what_is_not_there_is_no_row_and_what_is_empty_is_none(
    databases: Databases, url: str
) -> None:
    statement = "SELECT score FROM person WHERE id = :id"
    assert await fetched(databases, url, statement, id="0009") == []
    assert await fetched(databases, url, statement, id="0002") == [{"score": None}]


@pytest.mark.parametrize("value", ["0001' OR '1'='1", "王'五", "'; DROP TABLE person; --"])
async def test_a_value_is_never_part_of_the_statement(
    databases: Databases, url: str, value: str
) -> None:
    assert await fetched(databases, url, "SELECT 1 FROM person WHERE id = :id", id=value) == []
    assert len(await fetched(databases, url, "SELECT id FROM person")) == 3


@pytest.mark.parametrize("limit", [1, 2])
async def test_no_more_rows_are_read_than_asked_for(
    databases: Databases, url: str, limit: int
) -> None:
    statement = "SELECT id FROM person ORDER BY id"
    rows = await fetched(databases, url, statement, limit=limit)
    assert [row["id"] for row in rows] == ["0001", "0002"][:limit]


async def test_one_database_is_opened_once_and_two_are_kept_apart(
    databases: Databases, url: str, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    await fetched(databases, url, "SELECT 1")
    await fetched(databases, url, "SELECT 1")
    with pytest.raises(BackendUnavailableError):
        await fetched(databases, other, "SELECT id FROM person")
    assert set(databases._engines) == {url, other}


async def test_an_unreachable_database_is_unavailable(databases: Databases, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/no/such/folder/people.db"
    with pytest.raises(BackendUnavailableError, match="绩效库暂时连不上") as raised:
        await fetched(databases, url, "SELECT 1")
    assert raised.value.reason == "OperationalError"


async def test_a_refused_statement_is_ours_to_mend(databases: Databases, url: str) -> None:
    with pytest.raises(BackendRefusedError, match="绩效库的配置有问题"):
        await fetched(databases, url, "SELECT id FROM person WHERE id = :id")


async def test_a_query_that_takes_too_long_is_given_up(
    databases: Databases, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TIMEOUT_S", 0.05)
    endless = """
        WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 2000000)
        SELECT max(n) FROM count
    """
    with pytest.raises(BackendUnavailableError) as raised:
        await fetched(databases, url, endless)
    assert raised.value.reason == "TimeoutError"


async def test_the_loop_goes_on_while_a_database_is_read(databases: Databases, url: str) -> None:
    slow = """
        WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 500000)
        SELECT max(n) FROM count
    """
    reading = asyncio.create_task(fetched(databases, url, slow))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    assert await reading == [{"max(n)": 500000}]


@pytest.mark.parametrize("statement", ["SELECT id FROM person WHERE id = :id", "SELEKT :id"])
async def test_neither_log_nor_error_holds_the_statement_the_values_or_the_url(
    databases: Databases, url: str, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        try:
            await fetched(databases, url, statement, id=CANARY)
        except (BackendRefusedError, BackendUnavailableError) as error:
            told = f"{error} {error.reason} {error.__cause__}"
            assert CANARY not in told
            assert "SELEKT" not in told
    ours = [record.getMessage() for record in caplog.records if record.name == "worker.database"]
    assert len(ours) == 1
    assert ours[0].startswith("绩效库 (SQL) ")
    assert CANARY not in caplog.text
    assert "people.db" not in caplog.text


async def test_closing_lets_a_later_question_open_anew(databases: Databases, url: str) -> None:
    await fetched(databases, url, "SELECT 1")
    databases.close()
    assert await fetched(databases, url, "SELECT 1 AS one") == [{"one": 1}]
