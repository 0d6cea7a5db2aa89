"""Offers from Taobao's alliance: `taobao.tbk.dg.material.optional.upgrade` over TOP."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final

import stamina

from dingda.skill import (
    Backend,
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
    Http,
    RefusalError,
)
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.top_response import TopFailure, read_response
from dingda.worker.skills.coupons.top_signature import SignMethod, sign, timestamp
from dingda.worker.skills.coupons.wish import Order, Wish

TAOBAO = Backend("淘宝联盟", at_once=20)
"""It documents no limit; too many calls are banned for a second (code 7)."""
SERVICE = TAOBAO.name
METHOD = "taobao.tbk.dg.material.optional.upgrade"
TOO_OFTEN = "查询太频繁了，请过一会儿再试"
FETCHED = 50
"""Of 100 at the most; more than are shown, because price limits are checked again here."""

_ROOT = METHOD.removeprefix("taobao.").replace(".", "_") + "_response"
_ATTEMPTS = 2
_PAUSE_S = 1.0
"""Before another attempt; a ban for too many calls lasts a second."""

_SORTS: Final = {
    Order.CHEAPEST: "final_promotion_price_asc",
    Order.BEST_SELLING: "total_sales_des",
}


@dataclass(frozen=True, slots=True)
class App:
    """An app at Taobao's open platform, and where it calls."""

    url: str
    key: str
    secret: str = field(repr=False)
    adzone_id: str
    """The last number of the alliance's PID, `mm_<member>_<site>_<adzone>`."""
    sign_method: SignMethod = "hmac-sha256"
    backend: Backend = TAOBAO
    """With the bounds that are set."""


class _TopUnavailableError(BackendUnavailableError):
    """A fault of TOP's own; another attempt may help."""


class _TooManyCallsError(_TopUnavailableError):
    """Too many calls."""


async def search_taobao(http: Http, app: App, wish: Wish, now: datetime) -> list[Offer]:
    """Search Taobao for products with a coupon.

    Raises:
        RefusalError: if there were too many calls just now.
        BackendUnavailableError: if TOP is unavailable, and still is a second later.
        BackendConfigError: if it rejects the app: a permission, a key or the clock.
        BackendProtocolError: if the response can't be parsed.
    """
    try:
        async for attempt in stamina.retry_context(
            on=_TopUnavailableError, attempts=_ATTEMPTS, wait_initial=_PAUSE_S
        ):
            with attempt:
                offers = await _call(http, app, wish, now)
    except _TooManyCallsError:
        raise RefusalError(TOO_OFTEN) from None
    # Taobao's own limits are on the price before the coupon.
    return [offer for offer in offers if _is_within(offer, wish)]


async def _call(http: Http, app: App, wish: Wish, now: datetime) -> list[Offer]:
    form = _form(app, wish, now)
    response = await http.json(app.backend, "POST", app.url, form=form, shared=True)
    if response.status != HTTPStatus.OK:
        raise BackendProtocolError(SERVICE, f"HTTP {response.status}")
    match read_response(SERVICE, _ROOT, response.data, now):
        case TopFailure(is_nothing_found=True):
            return []
        case TopFailure(is_too_often=True) as failure:
            raise _TooManyCallsError(SERVICE, failure.reason)
        case TopFailure(is_transient=True) as failure:
            raise _TopUnavailableError(SERVICE, failure.reason)
        case TopFailure() as failure:
            raise BackendConfigError(SERVICE, failure.reason)
        case offers:
            return offers


def _form(app: App, wish: Wish, now: datetime) -> dict[str, str]:
    form = {
        "method": METHOD,
        "app_key": app.key,
        "timestamp": timestamp(now),
        "format": "json",
        "v": "2.0",
        "sign_method": app.sign_method,
        "adzone_id": app.adzone_id,
        "q": wish.keyword,
        "has_coupon": "true",
        "page_size": str(FETCHED),
        **_limits(wish),
    }
    return form | {"sign": sign(form, secret=app.secret, method=app.sign_method)}


def _limits(wish: Wish) -> dict[str, str]:
    limits = {}
    if wish.price and wish.price.low is not None:
        limits["start_price"] = str(math.floor(wish.price.low))
    if wish.price and wish.price.high is not None:
        limits["end_price"] = str(math.ceil(wish.price.high))
    if wish.tmall:
        limits["is_tmall"] = "true"
    if wish.free_shipping:
        limits["need_free_shipment"] = "true"
    if sort := _SORTS.get(wish.order):
        limits["sort"] = sort
    return limits


def _is_within(offer: Offer, wish: Wish) -> bool:
    low, high = (wish.price.low, wish.price.high) if wish.price else (None, None)
    return (low is None or low <= offer.price_yuan) and (high is None or offer.price_yuan <= high)
