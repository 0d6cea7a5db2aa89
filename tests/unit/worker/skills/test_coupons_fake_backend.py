"""The fake of TOP rejects what TOP rejects, in TOP's own words."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from dingda.simulator.backends.taobao import METHOD, FakeTaobao
from dingda.worker.skills.coupons.top_signature import SignMethod, sign, timestamp

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


async def call(*, sign_method: SignMethod = "hmac-sha256", **changes: str | None) -> httpx.Response:
    """Call as it should be, with changes; None takes a parameter out. Signed after the changes."""
    taobao = FakeTaobao(app_key="1", app_secret="s", adzone_id="111", now=lambda: NOW)
    parameters: dict[str, str | None] = {
        "method": METHOD,
        "app_key": "1",
        "timestamp": timestamp(NOW),
        "format": "json",
        "v": "2.0",
        "sign_method": sign_method,
        "adzone_id": "111",
        "q": "键盘",
        **changes,
    }
    form = {name: value for name, value in parameters.items() if value is not None}
    if "sign" not in changes:
        form["sign"] = sign(form, secret="s", method=sign_method)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(taobao.app)) as client:
        return await client.post("https://eco.taobao.com/router/rest", data=form)


async def code_of(**changes: Any) -> int | None:
    response = await call(**changes)
    assert response.status_code == 200
    code: int | None = response.json().get("error_response", {}).get("code")
    return code


@pytest.mark.parametrize("method", ["md5", "hmac", "hmac-sha256"])
async def test_a_right_call_is_answered_in_the_method_s_envelope(method: SignMethod) -> None:
    answer = (await call(sign_method=method)).json()
    items = answer["tbk_dg_material_optional_upgrade_response"]["result_list"]["map_data"]
    assert {item["item_id"] for item in items} == {"kb01-a", "kb02-b", "kb03-c"}
    assert items[0]["item_basic_info"]["pict_url"].startswith("//")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": None}, 21),
        ({"method": "taobao.item.get"}, 22),
        ({"sign": None}, 24),
        ({"sign": "0" * 64}, 25),
        ({"app_key": None}, 28),
        ({"app_key": "2"}, 29),
        ({"timestamp": None}, 30),
        ({"timestamp": "1795406400"}, 31),
        ({"v": None}, 33),
        ({"adzone_id": None}, 40),
        ({"adzone_id": "mm_1_2_111"}, 41),
        ({"page_size": "101"}, 41),
        ({"adzone_id": "222"}, 15),
    ],
)
async def test_a_wrong_call_gets_the_code_for_it(changes: dict[str, Any], code: int) -> None:
    assert await code_of(**changes) == code


@pytest.mark.parametrize(("minutes", "code"), [(-10, None), (10, None), (-11, 31), (11, 31)])
async def test_ten_minutes_are_tolerated(minutes: int, code: int | None) -> None:
    assert await code_of(timestamp=timestamp(NOW + timedelta(minutes=minutes))) == code


async def test_without_a_format_the_answer_is_xml() -> None:
    response = await call(format=None, app_key="2")
    assert response.headers["content-type"].startswith("text/xml")
    assert "<error_response><code>29</code>" in response.text


async def test_one_item_comes_as_an_object_and_none_without_a_list() -> None:
    one = (await call(q="薄膜键盘")).json()["tbk_dg_material_optional_upgrade_response"]
    assert one["result_list"]["map_data"]["item_id"] == "kb03-c"
    none = (await call(q="飞机")).json()["tbk_dg_material_optional_upgrade_response"]
    assert "result_list" not in none
