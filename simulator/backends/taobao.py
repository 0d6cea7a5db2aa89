"""A fake of TOP, Taobao's open platform, with one method: the alliance's search.

It checks a call as TOP does, in TOP's order, and computes the signature on its own. Facts: Taobao's
docId 101617 and the clients of `taobao.tbk.dg.material.optional.upgrade`.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.runtime.clock import CHINA

METHOD = "taobao.tbk.dg.material.optional.upgrade"
TOLERANCE = timedelta(minutes=10)
_MAX_PAGE = 100
_DEFAULT_PAGE = 20


@dataclass(frozen=True, slots=True)
class Product:
    """Something on sale; money in yuan, times in China without a zone."""

    item_id: str
    title: str
    price: Decimal
    coupon: Decimal
    volume: int = 100
    shop: str = "示例旗舰店"
    is_tmall: bool = False
    ships_free: bool = True
    has_picture: bool = True
    coupon_starts: str = "2026-01-01 00:00:00"
    coupon_ends: str = "2099-12-31 23:59:59"

    @property
    def final_price(self) -> Decimal:
        """What it costs with its coupon."""
        return self.price - self.coupon


@dataclass(frozen=True, slots=True)
class TopError:
    """TOP's `error_response`."""

    code: int
    msg: str
    sub_code: str = ""
    sub_msg: str = ""


APP_CALL_LIMITED = TopError(
    7,
    "App Call Limited",
    "accesscontrol.limited-by-api-access-count",
    "This ban will last for 1 more seconds",
)
NO_PERMISSION = TopError(
    11, "Insufficient isv permissions", "isv.permission-api-package-limit", "scope ids is 381"
)
SERVICE_ERROR = TopError(15, "Remote service error", "isp.service-error", "服务错误")
TIMEOUT = TopError(15, "Remote service error", "isp.top-remote-connection-timeout", "调用超时")
BAD_PID = TopError(
    15, "Remote service error", "2", "pid不正确，请检查是否输入了正确的adzoneId和siteId"
)
NOTHING_FOUND = TopError(15, "Remote service error", "50001", "无结果")

PRODUCTS = (
    Product("kb01-a", "机械键盘 87键 红轴 有线", Decimal("199.00"), Decimal("40.00"), 5200),
    Product("kb02-b", "无线机械键盘 三模 热插拔", Decimal("229.00"), Decimal("30.00"), 3100),
    Product("kb03-c", "薄膜键盘 静音 办公", Decimal("59.00"), Decimal("10.00"), 8800),
    Product("ms01-a", "无线鼠标 静音 可充电", Decimal("49.90"), Decimal("10.00"), 15000),
    Product("ms02-b", "人体工学鼠标 竖握", Decimal("129.00"), Decimal("20.00"), 900, is_tmall=True),
    Product(
        "hp01-a", "蓝牙耳机 主动降噪", Decimal("299.00"), Decimal("50.00"), 7600, is_tmall=True
    ),
    Product("te01-a", "龙井茶叶 礼盒装 250g", Decimal("168.00"), Decimal("20.00"), 2300),
    Product("te02-b", "铁观音茶叶 500g", Decimal("98.00"), Decimal("8.00"), 4100, ships_free=False),
)


class FakeTaobao:
    """TOP as one app sees it.

    Args:
        app_key: the app's AppKey.
        app_secret: its AppSecret.
        adzone_id: the ad zone of its account.
        now: TOP's clock.
        products: what is on sale.
    """

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        adzone_id: str,
        now: Callable[[], datetime],
        products: Sequence[Product] = PRODUCTS,
    ) -> None:
        self._app_key = app_key
        self._app_secret = app_secret
        self._adzone_id = adzone_id
        self._now = now
        self._products = products
        self.failures: deque[TopError] = deque()
        """The errors of the next correct calls, one each."""
        self.calls: list[dict[str, str]] = []
        """The parameters of all calls."""
        self.app = Starlette(
            routes=[Route("/router/rest", self._endpoint, methods=["GET", "POST"])]
        )

    async def _endpoint(self, request: Request) -> Response:
        # TOP takes parameters from the query and the form alike.
        form = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        call = dict([*request.query_params.items(), *form])
        self.calls.append(call)
        failure = self._check_protocol(call) or self._check_arguments(call)
        if failure is None and self.failures:
            failure = self.failures.popleft()
        response = _failed(failure) if failure else self._found(call)
        if call.get("format") == "json":
            return JSONResponse(response)
        return Response(_to_xml(response), media_type="text/xml;charset=utf-8")

    def _check_protocol(self, call: Mapping[str, str]) -> TopError | None:
        if not call.get("method"):
            return TopError(21, "Missing method")
        if call["method"] != METHOD:
            return TopError(22, "Invalid method", "isv.invalid-method")
        if not call.get("app_key"):
            return TopError(28, "Missing app key")
        if call["app_key"] != self._app_key:
            return TopError(29, "Invalid app Key", "isv.appkey-not-exists")
        if not call.get("timestamp"):
            return TopError(30, "Missing timestamp")
        if not self._is_timely(call["timestamp"]):
            return TopError(31, "Invalid timestamp", "isv.invalid-timestamp")
        if not call.get("sign"):
            return TopError(24, "Missing signature")
        if call["sign"] != _sign(call, self._app_secret):
            return TopError(25, "Invalid signature", "isv.invalid-signature")
        return None

    def _check_arguments(self, call: Mapping[str, str]) -> TopError | None:
        if call.get("v") != "2.0":
            return TopError(33, "Invalid version")
        if not call.get("adzone_id"):
            return TopError(40, "Missing required arguments:adzone_id", "isv.missing-parameter")
        numbers = ("adzone_id", "page_size", "start_price", "end_price")
        if not all(call[name].isdecimal() for name in numbers if call.get(name)):
            return TopError(41, "Invalid arguments", "isv.invalid-parameter")
        if not 1 <= int(call.get("page_size") or _DEFAULT_PAGE) <= _MAX_PAGE:
            return TopError(41, "Invalid arguments:page_size", "isv.invalid-parameter")
        return None if call["adzone_id"] == self._adzone_id else BAD_PID

    def _is_timely(self, timestamp: str) -> bool:
        try:
            sent = datetime.strptime(timestamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        except ValueError:
            return False
        return abs(self._now() - sent) <= TOLERANCE

    def _found(self, call: Mapping[str, str]) -> dict[str, Any]:
        found = [product for product in self._products if _matches(product, call)]
        match call.get("sort"):
            case "final_promotion_price_asc":
                found.sort(key=lambda product: product.final_price)
            case "total_sales_des":
                found.sort(key=lambda product: product.volume, reverse=True)
        page = found[: int(call.get("page_size") or _DEFAULT_PAGE)]
        body: dict[str, Any] = {"total_results": len(found), "request_id": "64jynw0jsbja"}
        if page:
            body["result_list"] = {"map_data": _wrapped([_to_item(product) for product in page])}
        return {METHOD.removeprefix("taobao.").replace(".", "_") + "_response": body}


def _matches(product: Product, call: Mapping[str, str]) -> bool:
    return (
        all(word in product.title.lower() for word in call.get("q", "").lower().split())
        and product.price >= int(call.get("start_price") or 0)
        and ("end_price" not in call or product.price <= int(call["end_price"]))
        and (call.get("has_coupon") != "true" or product.coupon > 0)
        and (call.get("is_tmall") != "true" or product.is_tmall)
        and (call.get("need_free_shipment") != "true" or product.ships_free)
    )


def _to_item(product: Product) -> dict[str, Any]:
    coupon = {
        "promotion_title": "商品券",
        "promotion_desc": f"满{product.coupon}减{product.coupon}",
        "promotion_fee": str(product.coupon),
        "promotion_start_time": product.coupon_starts,
        "promotion_end_time": product.coupon_ends,
        "promotion_id": f"p-{product.item_id}",
    }
    picture = {"pict_url": f"//img.alicdn.com/bao/{product.item_id}.jpg"}
    return {
        "item_id": product.item_id,
        "item_basic_info": {
            "title": product.title,
            "shop_title": product.shop,
            "user_type": 1 if product.is_tmall else 0,
            "volume": product.volume,
            **(picture if product.has_picture else {}),
        },
        "price_promotion_info": {
            "reserve_price": str(product.price + 100),
            "zk_final_price": str(product.price),
            "final_promotion_price": str(product.final_price),
            "final_promotion_path_list": {
                "final_promotion_path_map_data": _wrapped([coupon] if product.coupon else [])
            },
        },
        "publish_info": {
            "click_url": f"//s.click.taobao.com/t?e={product.item_id}",
            "coupon_share_url": f"//uland.taobao.com/coupon/edetail?e={product.item_id}",
            "income_rate": "3.5",
        },
    }


def _wrapped(entries: list[dict[str, Any]]) -> Any:
    """TOP gives a list of one as the one itself."""
    return entries[0] if len(entries) == 1 else entries


def _failed(failure: TopError) -> dict[str, Any]:
    error = {"code": failure.code, "msg": failure.msg, "request_id": "64jynw0jsbja"}
    if failure.sub_code:
        error |= {"sub_code": failure.sub_code, "sub_msg": failure.sub_msg}
    return {"error_response": error}


def _sign(call: Mapping[str, str], secret: str) -> str | None:
    names = sorted(name for name in call if name != "sign" and call[name])
    text = b"".join(name.encode() + call[name].encode() for name in names)
    key = secret.encode()
    match call.get("sign_method"):
        case "md5":
            made = hashlib.md5(key + text + key, usedforsecurity=False)
            return made.hexdigest().upper()
        case "hmac":
            return hmac.new(key, text, "md5").hexdigest().upper()
        case "hmac-sha256":
            return hmac.new(key, text, "sha256").hexdigest().upper()
        case _:
            return None


def _to_xml(response: Mapping[str, Any]) -> str:
    body = "".join(_element(name, value) for name, value in response.items())
    return f'<?xml version="1.0" encoding="utf-8" ?>{body}'


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, entry) for entry in value)
    if isinstance(value, dict):
        inside = "".join(_element(key, entry) for key, entry in value.items())
    else:
        inside = escape(str(value))
    return f"<{name}>{inside}</{name}>"
