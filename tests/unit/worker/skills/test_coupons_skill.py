"""Coupons as people ask for them, from either source."""

import logging
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import SecretStr

from dingda.shared.dingtalk.reply import ActionCard, FeedCard, Reply, Text
from dingda.shared.errors import SettingsError
from dingda.shared.ledger.states import Outcome
from dingda.simulator.backends.taobao import NO_PERMISSION, FakeTaobao
from dingda.simulator.demo.coupons import create
from dingda.testing import ask, listen
from dingda.worker.sdk.loader import load_skill_settings, read_settings
from dingda.worker.skills.coupons import NOT_SET_UP, CouponSettings, skill

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
APP: dict[str, Any] = {
    "taobao_app_key": "12345678",
    "taobao_app_secret": SecretStr("top-secret"),
    "taobao_adzone_id": "111",
}


def settings(**given: Any) -> CouponSettings:
    """The settings as given, whatever the environment says."""
    return CouponSettings.model_construct(**given)


@pytest.fixture
def table(tmp_path: Path) -> CouponSettings:
    create(tmp_path / "coupons.db")
    return settings(coupons_url=SecretStr(f"sqlite:///{tmp_path}/coupons.db"))


@pytest.fixture
def taobao() -> FakeTaobao:
    return FakeTaobao(app_key="12345678", app_secret="top-secret", adzone_id="111", now=lambda: NOW)


def titles(reply: Reply | None) -> list[str]:
    assert isinstance(reply, FeedCard), reply
    return [link.title for link in reply.links]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("优惠券 机械键盘 200元以内", "【券50】¥189 无线机械键盘"),
        ("找券 鼠标", "【券20】¥109 人体工学鼠标"),
        ("有没有便宜的耳机优惠", "【券5】¥24.9 有线耳机"),
        ("淘宝客 茶叶 100到200元 包邮", "【券30】¥158 明前龙井茶叶"),
        ("優惠券 滑鼠", "【券20】¥109 人体工学鼠标"),
        ("coupon 鼠标", "【券20】¥109 人体工学鼠标"),
        ("帮我找一下茶叶的优惠券吗", "【券30】¥158 明前龙井茶叶"),
        (
            "【淘宝】7天无理由 https://m.tb.cn/h.g CZ0001 「真无线蓝牙耳机」点击链接直接打开",
            "【券30】¥99 真无线蓝牙耳机",
        ),
    ],
)
async def test_offers_are_found_however_they_are_asked_for(
    table: CouponSettings, text: str, first: str
) -> None:
    assert titles(await ask(skill, text, settings=[table], now=NOW))[0].startswith(first)


async def test_no_more_than_five_are_shown_and_none_that_has_ended(table: CouponSettings) -> None:
    shown = titles(await ask(skill, "优惠券 键", settings=[table], now=NOW))
    assert len(shown) == 5
    assert not any("清仓" in title for title in shown)


@pytest.mark.parametrize("text", ["优惠券", "找券", "有优惠吗", "https://m.tb.cn/h.gX CZ0001"])
async def test_without_a_product_there_are_examples_to_click(
    table: CouponSettings, text: str
) -> None:
    reply = await ask(skill, text, settings=[table], now=NOW)
    assert isinstance(reply, ActionCard)
    assert "优惠券 茶叶 包邮" in [button.title for button in reply.buttons]


ITEM = "https://item.taobao.com/item.htm?spm=a1z10&id={}"


async def test_a_products_link_is_looked_up_by_its_number_where_a_table_has_it(
    tmp_path: Path, table: CouponSettings
) -> None:
    with closing(sqlite3.connect(tmp_path / "coupons.db")) as database, database:
        database.execute(
            "UPDATE coupon_items SET item_id = '678912345678' WHERE title LIKE '明前龙井%'"
        )
    shown = titles(await ask(skill, ITEM.format("678912345678"), settings=[table], now=NOW))
    assert [title.startswith("【券30】¥158 明前龙井茶叶") for title in shown] == [True]


async def test_a_products_link_that_no_table_has_gets_asked_for_its_title(
    table: CouponSettings,
) -> None:
    reply = await ask(skill, ITEM.format("111111111111"), settings=[table], now=NOW)
    assert isinstance(reply, ActionCard)
    assert "请把商品的标题发给我" in reply.text


async def test_taobao_is_not_asked_for_a_number_that_it_keeps_from_apps(taobao: FakeTaobao) -> None:
    reply = await ask(
        skill,
        f"优惠券 {ITEM.format('678912345678')}",
        settings=[settings(**APP)],
        now=NOW,
        transport=httpx.ASGITransport(taobao.app),
    )
    assert isinstance(reply, ActionCard)
    assert "请把商品的标题发给我" in reply.text
    assert taobao.calls == []


async def test_an_empty_result_is_reported_in_the_senders_script(table: CouponSettings) -> None:
    reply = await ask(skill, "優惠券 飛機 500元以內", settings=[table], now=NOW)
    assert isinstance(reply, Text)
    assert reply.content == "沒有找到「飛機」500元以內的優惠券，換個詞或放寬價格再試試"


async def test_taobao_is_asked_where_it_is_set_up(taobao: FakeTaobao) -> None:
    reply = await ask(
        skill,
        "优惠券 机械键盘 220元以内",
        settings=[settings(**APP)],
        now=NOW,
        transport=httpx.ASGITransport(taobao.app),
    )
    assert titles(reply) == ["【券40】¥159 机械键盘 87键 红轴 有线 · 示例旗舰店（推广）"]


async def test_the_table_is_asked_where_both_are_set_up(
    table: CouponSettings, taobao: FakeTaobao
) -> None:
    both = settings(**APP, coupons_url=table.coupons_url)
    transport = httpx.ASGITransport(taobao.app)
    assert titles(await ask(skill, "找券 鼠标", settings=[both], now=NOW, transport=transport))
    assert taobao.calls == []


@pytest.mark.parametrize("missing", [list(APP), *([name] for name in APP)])
async def test_without_any_setup_the_sender_is_told_and_the_log_names_the_variables(
    missing: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    some = {name: value for name, value in APP.items() if name not in missing}
    said = await listen(skill, "优惠券 键盘", settings=[settings(**some)], now=NOW, group=False)
    assert said is not None
    assert said.reply == Text(NOT_SET_UP)
    assert said.completion.outcome is Outcome.DECLINED
    for name in ("COUPONS_URL", "TAOBAO_APP_KEY", "TAOBAO_APP_SECRET", "TAOBAO_ADZONE_ID"):
        assert f"DINGDA_{name}" in caplog.text


async def test_a_missing_permission_is_explained_in_the_log_and_not_to_the_sender(
    taobao: FakeTaobao, caplog: pytest.LogCaptureFixture
) -> None:
    taobao.failures.append(NO_PERMISSION)
    caplog.set_level(logging.DEBUG, logger="dingda.worker")
    transport = httpx.ASGITransport(taobao.app)
    reply = await ask(
        skill, "优惠券 键盘", settings=[settings(**APP)], now=NOW, transport=transport, group=False
    )
    assert reply == Text("淘宝联盟的配置有问题，不是你的问题，请联系管理员")
    assert "isv.permission-api-package-limit: the app lacks the permission" in caplog.text
    assert "top-secret" not in caplog.text


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_COUPONS_URL", "sqlite:///coupons.db")
    monkeypatch.setenv("DINGDA_TAOBAO_URL", "http://127.0.0.1:8200/router/rest")
    monkeypatch.setenv("DINGDA_TAOBAO_APP_KEY", "12345678")
    monkeypatch.setenv("DINGDA_TAOBAO_APP_SECRET", "top-secret")
    monkeypatch.setenv("DINGDA_TAOBAO_ADZONE_ID", "111")
    monkeypatch.setenv("DINGDA_TAOBAO_SIGN_METHOD", "md5")
    read = load_skill_settings([skill])[CouponSettings]
    assert isinstance(read, CouponSettings)
    assert read.taobao_app is not None
    assert (read.taobao_app.url, read.taobao_app.key, read.taobao_app.adzone_id) == (
        "http://127.0.0.1:8200/router/rest",
        "12345678",
        "111",
    )
    assert (read.taobao_app.secret, read.taobao_app.sign_method) == ("top-secret", "md5")
    assert read.coupons_url == SecretStr("sqlite:///coupons.db")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DINGDA_COUPONS_URL", "user:hunter2@nowhere"),
        ("DINGDA_TAOBAO_ADZONE_ID", "mm_1_2_3"),
        ("DINGDA_TAOBAO_SIGN_METHOD", "sha512"),
    ],
)
def test_a_wrong_setting_is_named_without_being_quoted(
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, value)
    assert CouponSettings not in load_skill_settings([skill])
    assert f"{variable}: " in caplog.text
    assert value not in caplog.text


@pytest.mark.parametrize("limit", ["per_s=5", "max_bytes=1000"])
def test_a_limit_that_databases_do_not_have_is_a_settings_error(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("DINGDA_COUPONS_LIMITS", f"at_once=4,{limit}")
    name = limit.partition("=")[0]
    with pytest.raises(SettingsError, match=f"^DINGDA_COUPONS_LIMITS: {name} has no effect here"):
        read_settings(CouponSettings)
