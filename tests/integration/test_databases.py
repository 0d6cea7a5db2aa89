"""A real PostgreSQL is read within its time, whatever it does, and by skills as shipped."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic_settings import BaseSettings
from sqlalchemy import create_engine, insert, text

from dingda.shared.dingtalk.reply import FeedCard, Markdown, Text
from dingda.testing import ask
from dingda.worker.errors import BackendBusyError, BackendConfigError, BackendUnavailableError
from dingda.worker.services.database import Bounds, Databases
from dingda.worker.skills import coupons, performance
from dingda.worker.skills.coupons import CouponSettings
from dingda.worker.skills.coupons.table import ITEMS
from dingda.worker.skills.performance import PerformanceSettings
from tests.integration.postgres import Postgres, postgres

SERVICE = "人事库"
OF_THE_CORP = {"sender_corp_id": "corp", "bot_corp_id": "corp"}
QUICK = Bounds(timeout_s=1.0, at_once=2, wait_s=1.0)
PATIENT = Bounds(timeout_s=3.0, at_once=2, wait_s=1.0)
"""For what happens in mid query: a busy machine may take a second to see that one runs."""
NOW = datetime(2026, 10, 9, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture
async def databases() -> AsyncIterator[Databases]:
    opened = Databases()
    yield opened
    opened.close()
    await until(lambda: not threads_at_work())


async def fetched(
    databases: Databases, url: str, statement: str, *, bounds: Bounds = QUICK, **values: Any
) -> list[dict[str, Any]]:
    return await databases.fetch(SERVICE, url, text(statement), values, limit=10, bounds=bounds)


def threads_at_work() -> int:
    return sum(thread.name == "database" for thread in threading.enumerate())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - servers tell nobody
            await asyncio.sleep(0.02)


# Reading ------------------------------------------------------------------------------------


async def test_rows_come_with_their_values_bound(databases: Databases, server: Postgres) -> None:
    rows = await fetched(databases, server.url, "SELECT :name AS name, 7 AS n", name="王'五")
    assert rows == [{"name": "王'五", "n": 7}]


async def test_no_more_rows_leave_the_server_than_are_wanted(
    databases: Databases, server: Postgres
) -> None:
    rows = await fetched(
        databases,
        server.url,
        "WITH RECURSIVE all_of(n) AS ("
        "SELECT 1 UNION ALL SELECT n + 1 FROM all_of) SELECT n FROM all_of",
    )
    assert len(rows) == 10


async def test_nothing_can_be_written(databases: Databases, server: Postgres) -> None:
    server.run("DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int)")
    with pytest.raises(BackendConfigError):
        await fetched(databases, server.url, "SELECT nextval('none')")
    with pytest.raises(BackendConfigError):
        await fetched(
            databases,
            server.url,
            "WITH one AS (INSERT INTO kept VALUES (1) RETURNING n) SELECT n FROM one",
        )
    assert server.run("SELECT * FROM kept") == []


async def test_a_refused_statement_is_told_by_its_state_alone(
    databases: Databases, server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(BackendConfigError) as raised:
        await fetched(databases, server.url, "SELECT s3cret FROM nowhere WHERE n = :n", n="s3cret")
    assert raised.value.reason == "ProgrammingError 42P01"
    ours = [
        record.getMessage() for record in caplog.records if record.name.startswith("dingda.worker")
    ]
    assert "s3cret" not in str(ours)


# A time that is kept ------------------------------------------------------------------------


async def test_the_server_itself_knows_how_long_a_statement_may_take(
    databases: Databases, server: Postgres
) -> None:
    rows = await fetched(databases, server.url, "SELECT current_setting('statement_timeout') AS t")
    assert rows == [{"t": "1s"}]


async def test_a_statement_beyond_its_time_is_cancelled_on_the_server(
    databases: Databases, server: Postgres
) -> None:
    with pytest.raises(BackendUnavailableError, match="人事库暂时连不上"):
        await fetched(databases, server.url, "SELECT pg_sleep(60)")
    await until(lambda: not server.active())
    await until(lambda: not threads_at_work())


async def test_a_statement_whose_caller_has_gone_is_cancelled_on_the_server(
    databases: Databases, server: Postgres
) -> None:
    asking = asyncio.create_task(
        fetched(databases, server.url, "SELECT pg_sleep(60)", bounds=Bounds(timeout_s=60))
    )
    await until(server.active)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await until(lambda: not server.active())
    await until(lambda: not threads_at_work())
    assert databases.stuck_calls == 0


async def test_a_server_that_freezes_in_mid_query_keeps_nobody(
    databases: Databases, server: Postgres, tmp_path: Path
) -> None:
    asking = asyncio.create_task(
        fetched(databases, server.url, "SELECT pg_sleep(30)", bounds=PATIENT)
    )
    await until(server.active)
    with server.frozen():
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError):
            await asking
        assert time.monotonic() - began < 5
        # Who asks it now hears as well, those on old connections and those on new ones.
        failures = await asyncio.gather(
            *(fetched(databases, server.url, "SELECT 1", bounds=PATIENT) for _ in range(6)),
            return_exceptions=True,
        )
        assert {type(each) for each in failures} <= {BackendUnavailableError, BackendBusyError}
        other = f"sqlite:///{tmp_path / 'other.db'}"
        (tmp_path / "other.db").touch()
        assert await fetched(databases, other, "SELECT 1 AS one", bounds=PATIENT) == [{"one": 1}]
        await until(lambda: not threads_at_work())
        assert databases.stuck_calls == 0
    rows = await fetched(databases, server.url, "SELECT 1 AS one", bounds=PATIENT)
    assert rows == [{"one": 1}]


async def test_a_network_that_passes_nothing_on_in_mid_query_keeps_nobody(
    databases: Databases, server: Postgres
) -> None:
    passing = asyncio.Event()
    passing.set()
    links: list[asyncio.Task[None]] = []

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await passing.wait()
            sink.write(data)
        sink.close()

    async def link(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_unix_connection(server.socket)
        both = ((source, questions), (answers, sink))
        links.extend(asyncio.create_task(pass_on(*ends)) for ends in both)

    network = await asyncio.start_server(link, "127.0.0.1", 0)
    port = network.sockets[0].getsockname()[1]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    assert await fetched(databases, url, "SELECT 1 AS one", bounds=PATIENT) == [{"one": 1}]
    asking = asyncio.create_task(fetched(databases, url, "SELECT pg_sleep(30)", bounds=PATIENT))
    await until(server.active)
    passing.clear()
    with pytest.raises(BackendUnavailableError):
        await asking
    await until(lambda: not threads_at_work())
    assert databases.stuck_calls == 0
    passing.set()
    assert await fetched(databases, url, "SELECT 1 AS one", bounds=PATIENT) == [{"one": 1}]
    network.close()
    databases.close()
    await asyncio.gather(*links, return_exceptions=True)


async def test_an_idle_connection_whose_server_froze_meanwhile_is_given_up_too(
    databases: Databases, server: Postgres
) -> None:
    await fetched(databases, server.url, "SELECT 1")
    with server.frozen():
        with pytest.raises(BackendUnavailableError):
            await fetched(databases, server.url, "SELECT 1")
        await until(lambda: not threads_at_work())
    assert await fetched(databases, server.url, "SELECT 1 AS one") == [{"one": 1}]


async def test_a_port_that_takes_connections_and_never_answers_keeps_nobody(
    databases: Databases,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql+psycopg://bot@127.0.0.1:{silent.getsockname()[1]}/hr"
        with pytest.raises(BackendUnavailableError):
            await fetched(databases, url, "SELECT 1")
        await until(lambda: not threads_at_work())
    assert databases.stuck_calls == 0


async def test_a_restarted_server_is_used_as_before(databases: Databases, server: Postgres) -> None:
    for _ in range(2):
        await asyncio.gather(*(fetched(databases, server.url, "SELECT 1") for _ in range(2)))
        await asyncio.to_thread(server.restart)
        assert await fetched(databases, server.url, "SELECT 1 AS one") == [{"one": 1}]


async def test_a_hundred_concurrent_calls_share_the_few_connections(
    databases: Databases, server: Postgres
) -> None:
    bounds = Bounds(timeout_s=5.0, at_once=3)
    await until(lambda: not server.sessions())
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, await asyncio.to_thread(server.sessions))

    watching = asyncio.create_task(watch())
    one = "SELECT pg_sleep(0.01), 1 AS one"
    rows = await asyncio.gather(
        *(fetched(databases, server.url, one, bounds=bounds) for _ in range(100))
    )
    watching.cancel()
    assert [each[0]["one"] for each in rows] == [1] * 100
    assert most <= 3


# The skills that are shipped ------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(server: Postgres) -> Postgres:
    """With the tables of docs/skills."""
    engine = create_engine(server.url)
    ITEMS.create(engine)
    offer: dict[str, Any] = {
        "platform": "tmall",
        "zk_final_price": 199,
        "coupon_amount": 50,
        "coupon_share_url": "https://uland.taobao.com/x",
        "volume": 7,
    }
    titles = ("无线蓝牙耳机", "机械键盘 100%纯铜")
    rows = [
        {**offer, "item_id": str(number), "title": title, "title_fold": title}
        for number, title in enumerate(titles)
    ]
    with engine.begin() as connection:
        connection.execute(insert(ITEMS), rows)
    engine.dispose()
    server.run(
        "CREATE TABLE employee_performance (userid varchar(64), period varchar(16),"
        " score numeric(5,2), grade varchar(8), rank_in_dept int, dept_size int, comment text,"
        " status varchar(16), updated_at timestamp);"
        "INSERT INTO employee_performance VALUES"
        " ('0001', '2026-Q3', 92.50, 'A', 2, 30, '很好', 'published', '2026-10-01'),"
        " ('0002', '2026-Q3', 60.00, 'C', 29, 30, '一般', 'published', '2026-10-01')"
    )
    return server


def settings_of(kind: type[BaseSettings], **given: str) -> BaseSettings:
    return kind.model_validate(given)


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("优惠券 蓝牙耳机", "无线蓝牙耳机"),
        ("优惠券 蓝牙无线耳机 200元以内", "无线蓝牙耳机"),
        ("优惠券 100%纯铜", "机械键盘 100%纯铜"),
    ],
)
async def test_coupons_are_found_in_a_postgresql(filled: Postgres, words: str, title: str) -> None:
    settings = settings_of(CouponSettings, coupons_url=filled.url)
    said = await ask(coupons.skill, words, settings=[settings], now=NOW)
    assert isinstance(said, FeedCard)
    assert title in said.links[0].title


async def test_a_shipped_skill_asks_its_database_within_the_bounds_that_are_set(
    filled: Postgres,
) -> None:
    settings = settings_of(
        PerformanceSettings,
        performance_url=filled.url,
        performance_query="SELECT pg_sleep(60), :staff_id AS period",
        performance_limits="timeout_s=0.5",
    )
    began = time.monotonic()
    said = await ask(performance.skill, "我的绩效", settings=[settings], group=False, **OF_THE_CORP)
    assert isinstance(said, Text)
    assert "绩效系统暂时连不上" in said.content
    assert time.monotonic() - began < 5


async def test_no_coupons_in_a_postgresql_are_said_to_be_none(filled: Postgres) -> None:
    settings = settings_of(CouponSettings, coupons_url=filled.url)
    assert isinstance(await ask(coupons.skill, "优惠券 电冰箱", settings=[settings], now=NOW), Text)


@pytest.mark.parametrize("words", ["我的绩效", "我的绩效 上个季度"])
async def test_performance_is_read_from_a_postgresql(filled: Postgres, words: str) -> None:
    settings = settings_of(PerformanceSettings, performance_url=filled.url)
    said = await ask(
        performance.skill,
        words,
        settings=[settings],
        now=NOW,
        group=False,
        **OF_THE_CORP,
    )
    assert isinstance(said, Markdown)
    assert "92.5" in said.text
    assert "60" not in said.text
