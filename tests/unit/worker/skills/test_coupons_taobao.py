"""Taobao's alliance is asked as TOP wants to be asked, and its answers are understood."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from dingda.simulator.backends.taobao import (
    APP_CALL_LIMITED,
    BAD_PID,
    NO_PERMISSION,
    NOTHING_FOUND,
    SERVICE_ERROR,
    TIMEOUT,
    FakeTaobao,
    Product,
    TopError,
)
from dingda.slots import PriceLimit
from dingda.worker.errors import (
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
    RefusalError,
)
from dingda.worker.services.http_client import Http
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.taobao import App, search_taobao
from dingda.worker.skills.coupons.top_signature import SignMethod
from dingda.worker.skills.coupons.wish import Order, Wish

pytestmark = pytest.mark.usefixtures("without_waiting")
NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
URL = "https://eco.taobao.com/router/rest"
SECRET = "top-secret"
SERVER_ERROR = TopError(10, "Service Currently Unavailable")


def a_taobao(*products: Product, now: datetime = NOW) -> FakeTaobao:
    return FakeTaobao(
        app_key="12345678",
        app_secret=SECRET,
        adzone_id="111",
        now=lambda: now,
        **({"products": products} if products else {}),
    )


def an_app(**fields: Any) -> App:
    made: dict[str, Any] = {"url": URL, "key": "12345678", "secret": SECRET, "adzone_id": "111"}
    return App(**made | fields)


def a_product(**fields: Any) -> Product:
    made: dict[str, Any] = {
        "item_id": "kb",
        "title": "机械键盘",
        "price": Decimal(199),
        "coupon": Decimal(40),
    }
    return Product(**made | fields)


async def search(
    taobao: FakeTaobao | Callable[[httpx.Request], httpx.Response],
    keyword: str = "键盘",
    *,
    app: App | None = None,
    **wish: Any,
) -> list[Offer]:
    transport: httpx.AsyncBaseTransport = (
        httpx.ASGITransport(taobao.app)
        if isinstance(taobao, FakeTaobao)
        else httpx.MockTransport(taobao)
    )
    async with httpx.AsyncClient(transport=transport) as client:
        wanted = Wish(shown=keyword, keyword=keyword, **wish)
        return await search_taobao(Http(client), app or an_app(), wanted, NOW)


async def test_an_offer_is_read_whole_with_absolute_addresses() -> None:
    assert await search(a_taobao(a_product(shop="敲敲外设"))) == [
        Offer(
            title="机械键盘",
            url="https://uland.taobao.com/coupon/edetail?e=kb",
            price_yuan=Decimal(159),
            coupon_yuan=Decimal(40),
            shop="敲敲外设",
            picture_url="https://img.alicdn.com/bao/kb.jpg",
        )
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_list_of_one_may_come_as_the_one(count: int) -> None:
    products = [a_product(item_id=str(n)) for n in range(count)]
    assert len(await search(a_taobao(*products))) == count


@pytest.mark.parametrize("method", ["md5", "hmac", "hmac-sha256"])
async def test_taobao_accepts_every_way_to_sign(method: SignMethod) -> None:
    taobao = a_taobao()
    assert await search(taobao, "机械 键盘", app=an_app(sign_method=method))
    assert taobao.calls[0]["sign_method"] == method


async def test_wishes_are_passed_on() -> None:
    taobao = a_taobao()
    price = PriceLimit(Decimal("99.5"), Decimal("199.5"))
    await search(taobao, price=price, tmall=True, free_shipping=True, order=Order.CHEAPEST)
    call = taobao.calls[0]
    assert (call["q"], call["has_coupon"], call["adzone_id"]) == ("键盘", "true", "111")
    assert (call["start_price"], call["end_price"]) == ("99", "200")
    assert (call["is_tmall"], call["need_free_shipment"]) == ("true", "true")
    assert call["sort"] == "final_promotion_price_asc"


async def test_nothing_is_asked_for_that_was_not_wished() -> None:
    taobao = a_taobao()
    await search(taobao)
    unwished = {"start_price", "end_price", "is_tmall", "need_free_shipment", "sort"}
    assert not unwished & taobao.calls[0].keys()


async def test_price_limits_are_on_the_price_after_the_coupon() -> None:
    taobao = a_taobao(a_product(price=Decimal(199), coupon=Decimal(40)))
    assert await search(taobao, price=PriceLimit(Decimal(159), None))
    assert not await search(taobao, price=PriceLimit(Decimal(160), None))


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ({"coupon_ends": "2026-11-23 12:00:00"}, False),
        ({"coupon_ends": "2026-11-23 12:00:01"}, True),
        ({"coupon_ends": "1795406400000"}, False),
        ({"coupon_ends": "4102415999000"}, True),
        ({"coupon_ends": "2026-11-22"}, False),
        ({"coupon_ends": "soon"}, True),
        ({"coupon_starts": "2026-11-23 12:00:01"}, False),
    ],
)
async def test_only_coupons_that_hold_now_are_shown(times: dict[str, str], *, shown: bool) -> None:
    assert bool(await search(a_taobao(a_product(**times)))) is shown


async def test_nothing_found_is_no_error_either_way_taobao_says_it() -> None:
    taobao = a_taobao()
    assert await search(taobao, "飞机") == []
    taobao.failures.append(NOTHING_FOUND)
    assert await search(taobao) == []


ROOT = "tbk_dg_material_optional_upgrade_response"


@pytest.mark.parametrize("total", [100, "100", 1])
@pytest.mark.parametrize(
    "listed",
    [
        {},
        {"result_list": None},
        {"result_list": ""},
        {"result_list": []},
        {"result_list": {}},
        {"result_list": {"map_data": []}},
        {"result_list": {"map_data": None}},
    ],
)
async def test_products_that_are_counted_but_not_listed_are_a_wrong_ad_zone_and_not_nothing(
    total: Any, listed: dict[str, Any]
) -> None:
    answer = {ROOT: {"total_results": total, "request_id": "x", **listed}}
    with pytest.raises(BackendConfigError) as refused:
        await search(lambda _: httpx.Response(200, json=answer))
    assert "DINGDA_TAOBAO_ADZONE_ID does not belong" in refused.value.reason
    assert "没有" not in str(refused.value)


@pytest.mark.parametrize("total", [0, "0", None, "many", -1])
async def test_products_that_are_neither_counted_nor_listed_are_nothing_found(total: Any) -> None:
    answer = {ROOT: {"total_results": total, "request_id": "x"}}
    assert await search(lambda _: httpx.Response(200, json=answer)) == []


async def test_a_refused_product_number_is_not_nothing_found() -> None:
    taobao = a_taobao()
    taobao.failures.append(TopError(15, "Remote service error", "-4003", "您输入的商品ID不合法"))
    with pytest.raises(BackendConfigError) as refused:
        await search(taobao)
    assert refused.value.reason.startswith("code 15 -4003")


@pytest.mark.parametrize("failure", [SERVICE_ERROR, TIMEOUT, SERVER_ERROR, APP_CALL_LIMITED])
async def test_taobao_s_own_trouble_is_tried_again_once(failure: TopError) -> None:
    taobao = a_taobao()
    taobao.failures.append(failure)
    assert await search(taobao)
    assert len(taobao.calls) == 2


@pytest.mark.parametrize("failure", [SERVICE_ERROR, TIMEOUT, SERVER_ERROR])
async def test_lasting_trouble_is_unavailable(failure: TopError) -> None:
    taobao = a_taobao()
    taobao.failures.extend([failure, failure, failure])
    with pytest.raises(BackendUnavailableError, match="淘宝联盟暂时连不上"):
        await search(taobao)
    assert len(taobao.calls) == 2


async def test_too_many_calls_are_said_to_be_just_that() -> None:
    taobao = a_taobao()
    taobao.failures.extend([APP_CALL_LIMITED, APP_CALL_LIMITED])
    with pytest.raises(RefusalError, match="查询太频繁"):
        await search(taobao)


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (NO_PERMISSION, "apply for"),
        (TopError(12, "…", "isv.permission-ip-whitelist-limit"), "IP white list"),
        (BAD_PID, "DINGDA_TAOBAO_ADZONE_ID"),
        (TopError(15, "Remote service error", "isv.invalid-parameter"), "code 15"),
        (TopError(26, "Missing session"), "code 26"),
    ],
)
async def test_a_refusal_is_not_tried_again_and_tells_an_operator_what_to_do(
    failure: TopError, remedy: str
) -> None:
    taobao = a_taobao()
    taobao.failures.append(failure)
    with pytest.raises(BackendConfigError, match="配置有问题") as refused:
        await search(taobao)
    assert remedy in refused.value.reason
    assert len(taobao.calls) == 1


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"key": "999"}, "DINGDA_TAOBAO_APP_KEY"),
        ({"secret": "wrong"}, "DINGDA_TAOBAO_APP_SECRET"),
        ({"adzone_id": "999"}, "DINGDA_TAOBAO_ADZONE_ID"),
    ],
)
async def test_a_wrong_setting_is_named_and_not_quoted(wrong: dict[str, str], remedy: str) -> None:
    with pytest.raises(BackendConfigError) as refused:
        await search(a_taobao(), app=an_app(**wrong))
    assert remedy in refused.value.reason
    assert "999" not in refused.value.reason


@pytest.mark.parametrize("minutes", [-11, 11])
async def test_a_clock_that_is_off_is_named(minutes: int) -> None:
    with pytest.raises(BackendConfigError) as refused:
        await search(a_taobao(now=NOW + timedelta(minutes=minutes)))
    assert "clock" in refused.value.reason


async def test_no_key_secret_or_signature_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="dingda.worker")
    taobao = a_taobao()
    taobao.failures.append(NO_PERMISSION)
    with pytest.raises(BackendConfigError) as refused:
        await search(taobao)
    told = caplog.text + str(refused.value) + refused.value.reason + repr(an_app())
    assert caplog.text
    assert SECRET not in told
    assert taobao.calls[0]["sign"] not in told


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="a list"),
        pytest.param({}, id="nothing"),
        pytest.param({"another_response": {}}, id="another method's"),
        pytest.param({"error_response": {"msg": "?"}}, id="an error without a code"),
    ],
)
async def test_an_answer_that_is_none_of_taobao_s_is_not_understood(answer: Any) -> None:
    with pytest.raises(BackendProtocolError):
        await search(lambda _: httpx.Response(200, json=answer))


async def test_a_page_in_place_of_json_is_not_understood() -> None:
    with pytest.raises(BackendProtocolError):
        await search(lambda _: httpx.Response(200, text="<html>"))


async def test_a_status_that_top_never_sends_is_not_understood() -> None:
    with pytest.raises(BackendProtocolError) as error:
        await search(lambda _: httpx.Response(404, json={}))
    assert error.value.reason == "HTTP 404"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("item_basic_info", None),
        ("item_basic_info", {"title": None}),
        ("price_promotion_info", {"final_promotion_price": "a lot"}),
        ("publish_info", None),
    ],
)
async def test_an_item_that_could_not_be_shown_is_left_out(part: str, value: Any) -> None:
    good = {
        "item_basic_info": {"title": "键盘", "shop_title": None, "pict_url": None},
        "price_promotion_info": {"final_promotion_price": "9.9", "final_promotion_path_list": None},
        "publish_info": {"click_url": "https://s.click.taobao.com/t", "coupon_share_url": None},
    }
    items = {"result_list": {"map_data": [good | {part: value}, None, good]}}
    data = {"tbk_dg_material_optional_upgrade_response": items}
    (offer,) = await search(lambda _: httpx.Response(200, json=data))
    assert offer == Offer("键盘", "https://s.click.taobao.com/t", Decimal("9.9"), Decimal(0))
