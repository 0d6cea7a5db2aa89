"""Offers are found in a database's table, whatever stands in the words."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import make_url

from dingda.simulator.demo.coupons import OFFERS, create
from dingda.slots import PriceLimit
from dingda.worker.errors import BackendUnavailableError
from dingda.worker.language.text import fold
from dingda.worker.services.database import Databases
from dingda.worker.services.database_driver import read_only
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.table import search_table
from dingda.worker.skills.coupons.wish import Order, Wish

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


class Shop:
    """A database file with a table of coupons, at first without any."""

    def __init__(self, path: Path, databases: Databases) -> None:
        create(path)
        self.path = path
        self._databases = databases
        self._write("DELETE FROM coupon_items", {})

    def sells(self, title: str, **columns: Any) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            (count,) = database.execute("SELECT count(*) FROM coupon_items").fetchone()
        row = {
            "id": count + 1,
            "item_id": f"item-{count}",
            "title": title,
            "title_fold": fold(title),
            "zk_final_price": 100,
            "coupon_amount": 10,
            "coupon_share_url": f"https://coupons.example.com/{count}",
            "updated_at": "2026-11-01 00:00:00",
            **columns,
        }
        names, binds = ", ".join(row), ", ".join(f":{name}" for name in row)
        self._write(f"INSERT INTO coupon_items ({names}) VALUES ({binds})", row)  # noqa: S608 - names of this test

    async def search(self, keyword: str, **wish: Any) -> list[Offer]:
        wanted = Wish(shown=keyword, keyword=fold(keyword), **wish)
        return await search_table(self._databases, f"sqlite:///{self.path}", wanted, NOW)

    async def titles(self, keyword: str, **wish: Any) -> list[str]:
        return [offer.title for offer in await self.search(keyword, **wish)]

    def _write(self, statement: str, values: dict[str, Any]) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(statement, values)


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    databases = Databases()
    yield Shop(tmp_path / "coupons.db", databases)
    databases.close()


async def test_an_offer_is_read_whole(shop: Shop) -> None:
    shop.sells(
        "机械键盘",
        shop_title="敲敲外设",
        pict_url="https://img.example.com/1.jpg",
        zk_final_price=199.9,
        coupon_amount=40,
    )
    assert await shop.search("键盘") == [
        Offer(
            title="机械键盘",
            url="https://coupons.example.com/0",
            price_yuan=Decimal("159.90"),
            coupon_yuan=Decimal(40),
            shop="敲敲外设",
            picture_url="https://img.example.com/1.jpg",
        )
    ]


async def test_every_word_must_be_there(shop: Shop) -> None:
    shop.sells("红轴 机械键盘")
    shop.sells("青轴 机械键盘")
    assert await shop.titles("键盘 红轴") == ["红轴 机械键盘"]


async def test_case_width_and_script_do_not_count(shop: Shop) -> None:
    shop.sells("ＭＸ 機械鍵盤")
    assert await shop.titles("Mx 机械键盘") == ["ＭＸ 機械鍵盤"]


@pytest.mark.parametrize("wildcard", ["%", "_", "a%b", "a_b", "100%"])
async def test_wildcards_stand_for_themselves(shop: Shop, wildcard: str) -> None:
    shop.sells("aXb 100 键盘")
    assert await shop.titles(wildcard) == []
    shop.sells(f"{wildcard} 键盘")
    assert await shop.titles(wildcard) == [f"{wildcard} 键盘"]


@pytest.mark.parametrize("attack", ["' OR 1=1 --", "x') OR (1=1", '"; DROP TABLE coupon_items'])
async def test_sql_in_a_word_is_a_word(shop: Shop, attack: str) -> None:
    shop.sells("机械键盘")
    assert await shop.titles(attack) == []
    assert await shop.titles("键盘") == ["机械键盘"]


async def test_words_beyond_the_fifth_do_not_count(shop: Shop) -> None:
    shop.sells("a b c d e")
    assert await shop.titles("a b c d e f") == ["a b c d e"]
    assert await shop.titles("a b c d f e") == []


async def test_words_in_another_order_are_found_by_pairs_of_characters(shop: Shop) -> None:
    shop.sells("蓝牙无线耳机")
    shop.sells("有线耳机")
    assert await shop.titles("无线蓝牙耳机") == ["蓝牙无线耳机"]


async def test_pairs_are_only_tried_when_nothing_has_the_word(shop: Shop) -> None:
    shop.sells("无线蓝牙耳机")
    shop.sells("蓝牙无线耳机")
    assert await shop.titles("无线蓝牙耳机") == ["无线蓝牙耳机"]


async def test_latin_words_stay_whole_when_pairs_are_tried(shop: Shop) -> None:
    shop.sells("蓝牙无线耳机 usb")
    assert await shop.titles("usc无线蓝牙耳机") == []
    assert await shop.titles("usb无线蓝牙耳机") == ["蓝牙无线耳机 usb"]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"coupon_end_time": "2026-11-23 12:00:00"}, False),
        ({"coupon_end_time": "2026-11-23 12:00:01"}, True),
        ({"coupon_start_time": "2026-11-23 12:00:00"}, True),
        ({"coupon_start_time": "2026-11-23 12:00:01"}, False),
    ],
)
async def test_only_coupons_that_hold_now_are_shown(
    shop: Shop, columns: dict[str, str], *, shown: bool
) -> None:
    shop.sells("键盘", **columns)
    assert bool(await shop.search("键盘")) is shown


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (None, 90, True),
        (None, 89, False),
        (90, None, True),
        (91, None, False),
        (50, 100, True),
    ],
)
async def test_price_limits_are_on_the_price_after_the_coupon(
    shop: Shop, low: int | None, high: int | None, *, found: bool
) -> None:
    shop.sells("键盘", zk_final_price=100, coupon_amount=10)
    limit = PriceLimit(
        None if low is None else Decimal(low), None if high is None else Decimal(high)
    )
    assert bool(await shop.search("键盘", price=limit)) is found


async def test_a_coupon_that_one_piece_does_not_reach_leaves_its_price(shop: Shop) -> None:
    shop.sells("键盘", zk_final_price=100, coupon_amount=30, coupon_start_fee=299)
    (offer,) = await shop.search("键盘")
    assert (offer.price_yuan, offer.coupon_from_yuan) == (Decimal(100), Decimal(299))


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (Order.BEST_COUPON, "键盘 大券"),
        (Order.CHEAPEST, "键盘 便宜"),
        (Order.BEST_SELLING, "键盘 热卖"),
    ],
)
async def test_the_best_comes_first(shop: Shop, order: Order, first: str) -> None:
    shop.sells("键盘 热卖", volume=900)
    shop.sells("键盘 大券", zk_final_price=300, coupon_amount=100)
    shop.sells("键盘 便宜", zk_final_price=50, coupon_amount=5)
    assert (await shop.titles("键盘", order=order))[0] == first


async def test_tmall_is_a_platform(shop: Shop) -> None:
    shop.sells("键盘 甲", platform="tmall")
    shop.sells("键盘 乙", platform="taobao")
    assert await shop.titles("键盘", tmall=True) == ["键盘 甲"]


async def test_a_file_that_is_not_there_is_unavailable_and_is_not_made(shop: Shop) -> None:
    shop.path.unlink()
    with pytest.raises(BackendUnavailableError):
        await shop.search("键盘")
    assert not shop.path.exists()


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("sqlite:////srv/c.db", "file:/srv/c.db"),
        ("sqlite:///c.db", "file:c.db"),
        ("sqlite:///a%3Fb.db", "file:a%3Fb.db"),
    ],
)
def test_sqlite_files_are_opened_for_reading(url: str, opened: str) -> None:
    parsed = make_url(read_only(url))
    assert (parsed.database, parsed.query) == (opened, {"mode": "ro", "uri": "true"})


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:c.db?uri=true",
        "postgresql+psycopg://user:secret@host/db",
    ],
)
def test_other_databases_are_opened_as_they_are_written(url: str) -> None:
    assert read_only(url) == url


async def test_the_demo_s_offers_are_found_but_not_the_one_that_has_ended(tmp_path: Path) -> None:
    create(tmp_path / "new" / "demo.db")
    databases = Databases()
    wish = Wish(shown="键盘", keyword="键盘")
    url = f"sqlite:///{tmp_path}/new/demo.db"
    found = {offer.title for offer in await search_table(databases, url, wish, NOW)}
    databases.close()
    assert found == {o.title for o in OFFERS if "键盘" in o.title and o.ends is None}


def test_the_demo_s_table_can_be_made_again(tmp_path: Path) -> None:
    create(tmp_path / "demo.db")
    create(tmp_path / "demo.db")
    with closing(sqlite3.connect(tmp_path / "demo.db")) as database:
        assert database.execute("SELECT count(*) FROM coupon_items").fetchone() == (len(OFFERS),)
