"""Answers of backends that are JSON and nothing else: said as the backend's fault, never ours."""

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from dingda.shared.dingtalk.reply import MAX_TITLE_CHARS
from dingda.worker.errors import BackendError, BackendProtocolError
from dingda.worker.language.places import Place
from dingda.worker.services.backend import Backend, Limits
from dingda.worker.services.http_client import Http
from dingda.worker.skills.coupons.top_response import TopFailure, read_response
from dingda.worker.skills.performance.wording import show
from dingda.worker.skills.weather.amap import AMap
from dingda.worker.skills.weather.open_meteo import OpenMeteo
from dingda.worker.skills.weather.report import DayForecast, Now, Report
from dingda.worker.skills.weather.wording import Told, tell
from tests.support.openapi_clients import contacts_of

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
BEIJING = Place("北京", "", "CN", 39.9, 116.4, "Asia/Shanghai")
ROOT = "tbk"


def answering(body: Any) -> httpx.MockTransport:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.MockTransport(lambda _: httpx.Response(200, content=content))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1' + b"0" * 400 + b"}",
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:12].decode(),
)
async def test_json_that_cannot_be_worked_with_is_no_json(body: bytes) -> None:
    async with httpx.AsyncClient(transport=answering(body)) as client:
        with pytest.raises(BackendProtocolError):
            await Http(client).json(Backend("服务"), "GET", "https://example.com")


async def test_json_that_can_be_worked_with_is_read_as_it_is() -> None:
    answer = {"a": [1, -1.5, 10**200, 1e300, True, None], "b": "北京\U0001f600"}
    async with httpx.AsyncClient(transport=answering(answer)) as client:
        assert (
            await Http(client).json(Backend("服务"), "GET", "https://example.com")
        ).data == answer


@pytest.mark.parametrize(
    "results",
    [
        [1],
        "abc",
        {"a": 1},
        [{"feature_code": "PPL", "country_code": "CN"}],
        [
            {
                "feature_code": "PPL",
                "country_code": "CN",
                "name": "x",
                "latitude": "x",
                "longitude": 1,
            }
        ],
        [
            {
                "feature_code": "PPL",
                "country_code": "CN",
                "name": "x",
                "latitude": 1,
                "longitude": 1,
                "timezone": zone,
            }
            for zone in ("America",)
        ],
        [{"feature_code": "PPL", "country_code": "CN", "population": p} for p in ("x", 1)],
    ],
)
async def test_a_list_of_places_that_is_none_is_the_services_fault(results: Any) -> None:
    async with httpx.AsyncClient(transport=answering({"results": results})) as client:
        service = OpenMeteo(
            Http(client),
            url="https://a.example",
            geocoding_url="https://b.example",
            api_key="",
            limits=Limits(),
        )
        with pytest.raises(BackendProtocolError):
            await service.find("某地")


@pytest.mark.parametrize("temperature", ["٣٣x", {}, "x"])
async def test_a_temperature_that_is_none_is_the_services_fault(temperature: Any) -> None:
    daily = {
        "time": ["2026-11-23"],
        "weather_code": [0],
        "temperature_2m_min": [temperature],
        "temperature_2m_max": [3],
        "precipitation_probability_max": [0],
    }
    async with httpx.AsyncClient(transport=answering({"daily": daily})) as client:
        service = OpenMeteo(
            Http(client),
            url="https://a.example",
            geocoding_url="https://b.example",
            api_key="",
            limits=Limits(),
        )
        with pytest.raises(BackendProtocolError):
            await service.days(BEIJING)


@pytest.mark.parametrize("number", ["Infinity", "nan", "1e999"])
async def test_no_number_is_infinite_though_it_came_as_a_string(number: str) -> None:
    live = {"weather": "晴", "temperature": number, "humidity": "50"}
    said = {"infocode": "10000", "lives": [live]}
    async with httpx.AsyncClient(transport=answering(said)) as client:
        service = AMap(Http(client), url="https://a.example", key="key", limits=Limits())
        with pytest.raises(BackendProtocolError):
            await service.now(replace(BEIJING, adcode="110000"))


def test_a_name_that_is_too_long_for_a_title_is_cut() -> None:
    told = show([{"period": "2026-10", "score": 90}], "北" * 2000, say=str)
    assert len(told.title) < MAX_TITLE_CHARS


def test_a_place_that_is_too_long_for_a_title_is_cut() -> None:
    report = Report("来源", Now("晴", 1.0), {NOW.date(): DayForecast(NOW.date(), "晴", 0.0, 1.0)})
    place = replace(BEIJING, name="北" * 2000)
    told = tell([Told(place, report, [NOW.date()], NOW.date())], say=str)
    assert len(told.title) == MAX_TITLE_CHARS


@pytest.mark.parametrize("price", ["1e999999999", "-1e-999999999", "1e-999999999", "NaN", "-1"])
def test_a_price_that_nobody_pays_is_left_out(price: str) -> None:
    def item(yuan: str) -> dict[str, Any]:
        return {
            "item_basic_info": {"title": "键盘"},
            "price_promotion_info": {"final_promotion_price": yuan},
            "publish_info": {"click_url": "//example.com"},
        }

    data = {ROOT: {"result_list": {"map_data": [item(price), item("99.90")]}}}
    offers = read_response("淘宝", ROOT, data, NOW)
    assert not isinstance(offers, TopFailure)
    assert [offer.price_yuan for offer in offers] == [Decimal("99.90")]


@pytest.mark.parametrize("token", ["北京", "\u0663", "a\nb"])
async def test_an_access_token_that_no_header_holds_is_dingtalks_fault(token: str) -> None:
    said = {"accessToken": token, "expireIn": 7200, "errcode": 0}
    async with httpx.AsyncClient(transport=answering(said)) as client:
        with pytest.raises(BackendProtocolError):
            await contacts_of(client).find("张三")


async def test_a_refusal_s_codes_are_cut_before_they_are_logged() -> None:
    said = {"code": "x" * 100_000, "sub_code": "9" * 5000, "errcode": 88}
    async with httpx.AsyncClient(transport=answering(said)) as client:
        with pytest.raises(BackendError) as refusal:
            await contacts_of(client).find("张三")
    assert len(refusal.value.reason) < 200
