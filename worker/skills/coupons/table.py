"""Offers from a table of one's own: any database that SQLAlchemy speaks to. See docs/skills."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    and_,
    case,
    or_,
    select,
)

from dingda.skill import NO_LIMITS, Bounds, Databases, Limits
from dingda.slots import Pattern
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.wish import Order, Wish

SERVICE = "优惠券数据库"
MAX_TOKENS = 5
FETCHED = 20
"""Rows read at the most; a few more than are shown, as some can't be."""

# Floats, because SQLite has no decimals; `_yuan` makes decimals of them.
_MONEY = Numeric(12, 2, asdecimal=False)

ITEMS = Table(
    "coupon_items",
    MetaData(),
    Column("item_id", String(64), nullable=False),
    Column("title", String(255), nullable=False),
    Column("title_fold", String(255), nullable=False),
    Column("shop_title", String(128)),
    Column("platform", String(16), nullable=False),
    Column("pict_url", String(512)),
    Column("zk_final_price", _MONEY, nullable=False),
    Column("coupon_amount", _MONEY, nullable=False),
    Column("coupon_start_fee", _MONEY),
    Column("coupon_start_time", DateTime),
    Column("coupon_end_time", DateTime),
    Column("coupon_share_url", String(1024), nullable=False),
    Column("volume", Integer, nullable=False),
)
"""The columns that are read, of those in docs/skills/coupons.md."""

_C = ITEMS.c
_IS_FAR = _C.coupon_start_fee > _C.zk_final_price
_PRICE = case((_IS_FAR, _C.zk_final_price), else_=_C.zk_final_price - _C.coupon_amount)
_ORDERS = {
    Order.BEST_COUPON: (_C.coupon_amount.desc(), _C.volume.desc()),
    Order.CHEAPEST: (_PRICE.asc(), _C.volume.desc()),
    Order.BEST_SELLING: (_C.volume.desc(), _C.coupon_amount.desc()),
}
_RUNS = Pattern(r"[\x{3400}-\x{9fff}]+|[^\s\x{3400}-\x{9fff}]+")


async def search_table(
    databases: Databases, url: str, wish: Wish, now: datetime, limits: Limits = NO_LIMITS
) -> list[Offer]:
    """Search the table.

    Every word must be in the title. Where nothing has them all, Chinese words are looked for in
    pairs of characters, half of which will do: 无线蓝牙耳机 finds 蓝牙无线耳机.

    Args:
        databases: the worker's.
        url: SQLAlchemy's URL.
        wish: what to search for.
        now: coupons that have ended by now, or not begun, are left out.
        limits: what is set of the database's bounds.

    Raises:
        BackendUnavailableError: see `worker.services.database`.
        BackendConfigError: see `worker.services.database`.
    """
    bounds = Bounds().limited(limits)
    tokens = wish.keyword.split()[:MAX_TOKENS]
    by_words = (_has_all(tokens), _has_most(tokens)) if tokens else ()
    by_number = (_C.item_id == wish.item_id,) if wish.item_id else ()
    for matches in (*by_number, *by_words):
        # Any: `fetch` names textual statements only, and runs these as well.
        statement: Any = _statement(matches, wish, now)
        rows = await databases.fetch(SERVICE, url, statement, {}, limit=FETCHED, bounds=bounds)
        if rows:
            return [_offer(row) for row in rows]
    return []


def _statement(matches: ColumnElement[bool], wish: Wish, now: datetime) -> Select[Any]:
    # The table's times are China's, without a zone, as Taobao gives them; so is `now`.
    clock, price = now.replace(tzinfo=None, microsecond=0), _PRICE
    conditions = [
        matches,
        or_(_C.coupon_start_time.is_(None), _C.coupon_start_time <= clock),
        or_(_C.coupon_end_time.is_(None), _C.coupon_end_time > clock),
    ]
    if wish.price and wish.price.low is not None:
        conditions.append(price >= float(wish.price.low))
    if wish.price and wish.price.high is not None:
        conditions.append(price <= float(wish.price.high))
    if wish.tmall:
        conditions.append(_C.platform == "tmall")
    columns = (
        _C.title,
        _C.shop_title,
        _C.pict_url,
        _C.coupon_share_url,
        _C.coupon_amount,
        price.label("price"),
        case((_IS_FAR, _C.coupon_start_fee)).label("coupon_from"),
    )
    return select(*columns).where(*conditions).order_by(*_ORDERS[wish.order]).limit(FETCHED)


def _has(part: str) -> ColumnElement[bool]:
    return _C.title_fold.contains(part, autoescape=True)


def _has_all(tokens: list[str]) -> ColumnElement[bool]:
    return and_(*(_has(token) for token in tokens))


def _has_most(tokens: list[str]) -> ColumnElement[bool]:
    runs = (found.taken for token in tokens for found in _RUNS.find_all(token))
    return and_(*(_has_half(_pairs(run)) for run in runs))


def _has_half(parts: list[str]) -> ColumnElement[bool]:
    hits = reduce(add, (case((_has(part), 1), else_=0) for part in parts))
    return hits * 2 >= len(parts)


def _pairs(run: str) -> list[str]:
    if run.isascii():
        return [run]
    return ["".join(pair) for pair in pairwise(run)] or [run]


def _offer(row: Mapping[str, Any]) -> Offer:
    coupon_from = row["coupon_from"]
    return Offer(
        title=row["title"],
        url=row["coupon_share_url"],
        price_yuan=max(_yuan(row["price"]), Decimal(0)),
        coupon_yuan=_yuan(row["coupon_amount"]),
        coupon_from_yuan=None if coupon_from is None else _yuan(coupon_from),
        shop=row["shop_title"] or "",
        picture_url=row["pict_url"] or "",
    )


def _yuan(amount: float | Decimal) -> Decimal:
    return round(Decimal(str(amount)), 2)
