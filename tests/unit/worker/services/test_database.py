"""Skills read databases by bound values, in a thread, within a time; what fails says no more."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from dingda.worker.errors import BackendBusyError, BackendConfigError, BackendUnavailableError
from dingda.worker.services import database, database_call
from dingda.worker.services.database import Bounds, Databases
from dingda.worker.services.database_driver import connect_arguments

pytestmark = pytest.mark.heavy

SERVICE = "绩效库"
CANARY = "s3cret-canary"
ENDLESS = """
    WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count)
    SELECT max(n) FROM count
"""


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
    opened = Databases()
    yield opened
    opened.close()


async def fetched(
    databases: Databases,
    url: str,
    statement: str,
    *,
    limit: int = 10,
    bounds: Bounds | None = None,
    **values: Any,
) -> list[dict[str, Any]]:
    return await databases.fetch(
        SERVICE, url, text(statement), values, limit=limit, bounds=bounds or Bounds()
    )


def threads_at_work() -> int:
    return sum(thread.name == "database" for thread in threading.enumerate())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.01)


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
    assert {opened for opened, _ in databases._databases} == {url, other}


async def test_an_unreachable_database_is_unavailable(databases: Databases, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/no/such/folder/people.db"
    with pytest.raises(BackendUnavailableError, match="绩效库暂时连不上") as raised:
        await fetched(databases, url, "SELECT 1")
    assert raised.value.reason == "OperationalError"


async def test_a_refused_statement_is_ours_to_mend(databases: Databases, url: str) -> None:
    with pytest.raises(BackendConfigError, match="绩效库的配置有问题"):
        await fetched(databases, url, "SELECT id FROM person WHERE id = :id")


async def test_a_query_that_takes_too_long_is_given_up(databases: Databases, url: str) -> None:
    with pytest.raises(BackendUnavailableError) as raised:
        await fetched(databases, url, ENDLESS, bounds=Bounds(timeout_s=0.05))
    assert raised.value.reason == "TimeoutError"
    await until(lambda: not threads_at_work())


async def test_a_query_whose_caller_has_gone_ends(databases: Databases, url: str) -> None:
    asking = asyncio.create_task(fetched(databases, url, ENDLESS))
    await until(threads_at_work)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: not threads_at_work())
    assert await fetched(databases, url, "SELECT 1 AS one") == [{"one": 1}]


async def test_a_call_without_a_connection_in_time_is_busy_and_not_a_failure(
    databases: Databases, url: str
) -> None:
    one = Bounds(timeout_s=0.3, at_once=1, wait_s=0.1)
    asking = [asyncio.create_task(fetched(databases, url, ENDLESS, bounds=one)) for _ in range(3)]
    failures = [str(failure) for failure in await asyncio.gather(*asking, return_exceptions=True)]
    assert failures[0] == "绩效库暂时连不上，不是你的问题，请稍后再试"
    assert failures[1:] == ["现在查绩效库的人太多了，没有轮到你，请过几分钟再问"] * 2


async def test_a_database_whose_calls_all_hang_leaves_another_alone(
    databases: Databases, url: str, tmp_path: Path
) -> None:
    sqlite3.connect(tmp_path / "other.db").close()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    asking = [asyncio.create_task(fetched(databases, url, ENDLESS)) for _ in range(20)]
    await until(lambda: threads_at_work() == Bounds().at_once)
    assert await fetched(databases, other, "SELECT 1 AS one") == [{"one": 1}]
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await until(lambda: not threads_at_work())


async def test_a_thread_that_nothing_brings_back_is_counted_until_it_comes(
    databases: Databases, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr(database_call, "_CANCEL_S", 0.01)
    monkeypatch.setattr(database, "read_rows", lambda *_: free.wait() and [])
    one = Bounds(timeout_s=0.02, at_once=1, wait_s=0.1)
    with pytest.raises(BackendUnavailableError):
        await fetched(databases, url, "SELECT 1", bounds=one)
    await until(lambda: databases.stuck_calls == 1)
    assert databases.is_stuck
    with pytest.raises(BackendBusyError):
        await fetched(databases, url, "SELECT 1", bounds=one)
    free.set()
    await until(lambda: databases.stuck_calls == 0)
    assert not databases.is_stuck
    assert await fetched(databases, url, "SELECT 1", bounds=one) == []


async def test_one_stuck_thread_of_several_is_no_stuck_database(
    databases: Databases, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr(database_call, "_CANCEL_S", 0.01)
    monkeypatch.setattr(database, "read_rows", lambda *_: free.wait() and [])
    with pytest.raises(BackendUnavailableError):
        await fetched(databases, url, "SELECT 1", bounds=Bounds(timeout_s=0.02, at_once=2))
    await until(lambda: databases.stuck_calls == 1)
    assert not databases.is_stuck
    free.set()


async def test_a_missing_driver_is_ours_to_mend(databases: Databases) -> None:
    with pytest.raises(BackendConfigError) as raised:
        await fetched(databases, "mysql+pymysql://bot@127.0.0.1/hr", "SELECT 1")
    assert raised.value.reason == "ModuleNotFoundError"


@pytest.mark.parametrize(
    ("url", "argument", "expected"),
    [
        ("postgresql+psycopg://bot@db/hr", "connect_timeout", 4),
        ("postgresql+psycopg://bot@db/hr", "tcp_user_timeout", 8000),
        ("postgresql+psycopg2://bot@db/hr", "connect_timeout", 4),
        ("postgresql+pg8000://bot@db/hr", "timeout", 8.0),
        ("mysql+pymysql://bot@db/hr", "connect_timeout", 4),
        ("mysql+pymysql://bot@db/hr", "read_timeout", 8),
        ("mysql://bot@db/hr", "read_timeout", 8),
        ("mariadb+mariadbconnector://bot@db/hr", "read_timeout", 8),
        ("mysql+mysqlconnector://bot@db/hr", "connection_timeout", 4),
        ("sqlite:///people.db", "timeout", 8.0),
    ],
)
def test_drivers_are_told_the_time_in_their_own_words(
    url: str, argument: str, expected: float
) -> None:
    assert connect_arguments(make_url(url), Bounds().timeout_s)[argument] == expected


@pytest.mark.parametrize(
    "module",
    ["dingda.worker.app", "dingda.worker.skills.coupons", "dingda.worker.skills.performance"],
)
def test_sqlalchemy_is_not_imported_until_there_is_a_database(module: str) -> None:
    code = f"import sys, {module}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
        except (BackendConfigError, BackendUnavailableError) as error:
            told = f"{error} {error.reason} {error.__cause__}"
            assert CANARY not in told
            assert "SELEKT" not in told
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("dingda.worker.services.database")
    ]
    assert len(ours) == 1
    assert ours[0].startswith("绩效库 (SQL) ")
    assert CANARY not in caplog.text
    assert "people.db" not in caplog.text


async def test_a_call_after_closing_opens_the_database_again(
    databases: Databases, url: str
) -> None:
    await fetched(databases, url, "SELECT 1")
    databases.close()
    assert await fetched(databases, url, "SELECT 1 AS one") == [{"one": 1}]
