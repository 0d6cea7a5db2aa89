"""The weather as people ask for it, from each service, with its errors and limits."""

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from dingda.shared.dingtalk.reply import ActionCard, Markdown, Reply
from dingda.shared.errors import SettingsError
from dingda.shared.ledger.states import Outcome
from dingda.simulator.backends import amap, open_meteo, qweather
from dingda.simulator.backends.amap import FakeAMap
from dingda.simulator.backends.open_meteo import FakeOpenMeteo
from dingda.simulator.backends.qweather import FakeQWeather
from dingda.testing import Conversation, MemoryCache, ask, listen
from dingda.worker.language.places import Place
from dingda.worker.sdk.loader import load_skill_settings, read_settings
from dingda.worker.services.backend import Limits
from dingda.worker.services.http_client import Http
from dingda.worker.skills.weather import WeatherSettings, skill

pytestmark = pytest.mark.heavy

CHINA = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 23, 12, tzinfo=CHINA)  # a Monday
KEY = Ed25519PrivateKey.generate()
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Sky:
    """The three services behind one transport, each at the host of its own."""

    def __init__(self) -> None:
        self.now = NOW
        self.open_meteo = FakeOpenMeteo(lambda: self.now)
        self.qweather = FakeQWeather(
            project_id="PROJECT", key_id="KEY", public_key=PUBLIC, now=datetime.now
        )
        self.amap = FakeAMap(key="canary-amap", now=lambda: self.now)
        self.cache = MemoryCache()
        self.settings = WeatherSettings.model_construct(
            weather_providers=("open-meteo",),
            qweather_url="https://me.qweatherapi.com",
            qweather_project_id="PROJECT",
            qweather_key_id="KEY",
            qweather_private_key=SecretStr(PRIVATE.replace("\n", "\\n")),
            amap_key=SecretStr("canary-amap"),
        )

    def uses(self, *providers: str, **fields: Any) -> None:
        self.settings = self.settings.model_copy(update={"weather_providers": providers} | fields)

    def transport(self) -> httpx.AsyncBaseTransport:
        apps = {
            "api.open-meteo.com": self.open_meteo.app(),
            "127.0.0.1": self.open_meteo.app(),
            "geocoding-api.open-meteo.com": self.open_meteo.app(),
            "me.qweatherapi.com": self.qweather.app(),
            "restapi.amap.com": self.amap.app(),
        }
        transports = {host: httpx.ASGITransport(app) for host, app in apps.items()}

        async def handle(request: httpx.Request) -> httpx.Response:
            return await transports[request.url.host].handle_async_request(request)

        return httpx.MockTransport(handle)

    @property
    def circumstances(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "transport": self.transport(),
            "settings": [self.settings],
            "cache": self.cache,
        }

    async def ask(self, text: str) -> Reply | None:
        return await ask(skill, text, **self.circumstances)

    async def told(self, text: str) -> str:
        reply = await self.ask(text)
        assert isinstance(reply, Markdown), reply
        return reply.text


@pytest.fixture
def sky() -> Sky:
    return Sky()


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


# What is told.


async def test_the_present_and_three_days_are_told_with_whose_data_it_is(sky: Sky) -> None:
    told = await sky.told("天气 北京")
    assert told.startswith("### 北京天气\n\n**现在** ")
    days = [line for line in told.splitlines() if line.startswith("- ")]
    assert [day.partition("） ")[0] for day in days] == [
        "- 今天（11月23日",
        "- 明天（11月24日",
        "- 后天（11月25日",
    ]
    assert told.endswith("数据来自 [Open-Meteo](https://open-meteo.com/)（CC BY 4.0）")


@pytest.mark.parametrize(
    ("text", "first", "count", "with_now"),
    [
        ("北京明天天气怎么样", "明天（11月24日）", 1, False),
        ("天气 北京 今天", "今天（11月23日）", 1, True),
        ("周六杭州会下雨吗", "周六（11月28日）", 1, False),
        ("未来三天上海天气", "今天（11月23日）", 3, True),
        ("weather shanghai tomorrow", "明天（11月24日）", 1, False),
    ],
)
async def test_the_days_asked_for_are_told(
    sky: Sky, text: str, first: str, count: int, *, with_now: bool
) -> None:
    told = await sky.told(text)
    days = [line for line in told.splitlines() if line.startswith("- ")]
    assert days[0].startswith(f"- {first}")
    assert len(days) == count
    assert ("**现在**" in told) is with_now


async def test_a_question_in_traditional_characters_gets_them_back(sky: Sky) -> None:
    reply = await sky.ask("臺北明天天氣")
    assert isinstance(reply, Markdown)
    assert reply.title == "臺北（臺灣）天氣"


async def test_a_place_whose_position_is_another_citys_says_so(sky: Sky) -> None:
    assert "浙江（以杭州为准）天气" in await sky.told("浙江天气")


async def test_the_days_of_a_city_abroad_are_its_own(sky: Sky) -> None:
    sky.now = datetime(2026, 11, 24, 9, tzinfo=CHINA)
    told = await sky.told("纽约天气")
    assert "- 今天（11月23日）" in told
    assert sky.open_meteo.asked[0]["timezone"] == "America/New_York"


async def test_data_that_is_not_the_services_own_is_called_simulated(sky: Sky) -> None:
    sky.uses("open-meteo", open_meteo_url="http://127.0.0.1:8102")
    assert "模拟数据，来自 127.0.0.1:8102，不是真实天气" in await sky.told("天气 北京")


# What is asked back or refused.


async def test_an_ambiguous_place_is_asked_back_and_each_suggestion_means_one(sky: Sky) -> None:
    reply = await sky.ask("天气 西湖区")
    assert isinstance(reply, ActionCard)
    typed = [button.title for button in reply.buttons]
    assert typed == ["天气 杭州西湖区", "天气 南昌西湖区"]
    assert "浙江杭州" in await sky.told(typed[0])
    assert "江西南昌" in await sky.told(typed[1])


async def test_without_a_place_one_is_asked_for(sky: Sky) -> None:
    said = await listen(skill, "天气", **sky.circumstances)
    assert said is not None
    assert said.completion.outcome is Outcome.DECLINED
    assert "查哪里的天气" in str(said.reply.to_payload())
    assert sky.open_meteo.asked == []


@pytest.mark.parametrize("first", ["天气", "明天热吗"])
async def test_the_place_may_follow_and_the_days_are_those_that_were_asked_for(
    sky: Sky, first: str
) -> None:
    chat = Conversation(skill, **sky.circumstances)
    await chat.say(first)
    whole = await sky.ask(f"{first} 北京")
    assert await chat.say("北京") == whole


async def test_a_place_that_the_lexicon_lacks_is_looked_up_in_china_first(sky: Sky) -> None:
    assert "西塘（浙江）天气" in await sky.told("请问西塘的天气怎么样")


async def test_a_place_that_nobody_knows_is_said_by_its_name(sky: Sky) -> None:
    said = await listen(skill, "天气 无何有之乡", **sky.circumstances)
    assert said is not None
    assert "无何有之乡" in str(said.reply.to_payload())


async def test_an_island_abroad_is_looked_up_by_its_chinese_name(sky: Sky) -> None:
    assert "皮皮岛（泰国）天气" in await sky.told("皮皮岛天气")


@pytest.mark.parametrize("typed", ["中山公园天气", "北京路天气", "东方体育中心天气"])
async def test_what_is_named_after_a_place_is_never_told_as_that_place(
    sky: Sky, typed: str
) -> None:
    said = await listen(skill, typed, **sky.circumstances)
    assert said is not None
    assert f"没有找到「{typed.removesuffix('天气')}」" in str(said.reply.to_payload())


@pytest.mark.parametrize(
    "typed", ["天气之子好看", "温度传感器坏了", "咖啡热吗", "年会穿什么", "这个话题热吗"]
)
async def test_a_sentence_about_something_else_is_left_alone(sky: Sky, typed: str) -> None:
    said = await listen(skill, typed, **sky.circumstances)
    assert said is None or said.reply is None


# Several places.


async def test_several_places_are_told_together_with_one_call_each(sky: Sky) -> None:
    told = await sky.told("明天北京后天上海天气")
    beijing, shanghai = told.index("### 北京天气"), told.index("### 上海天气")
    assert "- 明天（11月24日）" in told[beijing:shanghai]
    assert "- 后天（11月25日）" in told[shanghai:]
    assert told.count("数据来自") == 1
    assert len(sky.open_meteo.asked) == 2


async def test_places_that_are_too_many_are_named(sky: Sky) -> None:
    told = await sky.told("北京、上海、广州、深圳、杭州、南京、武汉天气")
    assert told.count("### ") == 5
    assert "一次最多查 5 个地方，没有查：南京、武汉" in told


async def test_a_place_of_several_that_nobody_knows_is_named(sky: Sky) -> None:
    told = await sky.told("北京和无何有之乡天气")
    assert "### 北京天气" in told
    assert "没有找到「无何有" in told


# What is asked besides.


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        ("杭州明天风大吗", "**明天风力最大 "),
        ("杭州明天穿什么", "**明天 "),
        ("杭州明天有没有雨", "**"),
        ("杭州明天要带伞吗", "**明天"),
        ("杭州明天冷不", "**明天 "),
        ("杭州明天升温吗", "**明天"),
        ("杭州明天紫外线强吗", "**明天紫外线指数 "),
        ("杭州明天日出几点", "**明天日出 06:"),
        ("杭州明天有雾吗", "**"),
    ],
)
async def test_what_was_asked_is_answered_first(sky: Sky, typed: str, begins: str) -> None:
    head, answer, *rest = (await sky.told(typed)).split("\n\n")
    assert head == "### 杭州（浙江）天气"
    assert answer.startswith(begins)
    assert rest[0].startswith("- 明天")


async def test_the_rain_that_is_told_is_that_of_the_days(sky: Sky) -> None:
    told = await sky.told("杭州未来七天有雨吗")
    wet = [
        line
        for line in told.splitlines()
        if line.startswith("- ") and ("雨" in line or "雷" in line)
    ]
    answer = next(line for line in told.splitlines() if line.startswith("**有雨"))
    assert answer.count("；") == len(wet) - 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("杭州空气质量", "空气质量我查不到"), ("杭州台风", "台风的位置和路径我查不到")],
)
async def test_what_is_not_known_is_said_so(sky: Sky, typed: str, sentence: str) -> None:
    told = await sky.told(typed)
    assert told.startswith(sentence)
    assert "### 杭州（浙江）天气" in told


async def test_where_a_typhoon_is_is_not_known(sky: Sky) -> None:
    said = await listen(skill, "台风到哪了", **sky.circumstances)
    assert said is not None
    assert "台风网" in str(said.reply.to_payload())
    assert sky.open_meteo.asked == []


# Which days.


async def test_of_days_that_go_on_beyond_a_week_the_first_are_told(sky: Sky) -> None:
    told = await sky.told("北京未来两周天气")
    assert len([line for line in told.splitlines() if line.startswith("- ")]) == 8
    assert "最多只能查未来 7 天的天气，再往后的还没有预报" in told


@pytest.mark.parametrize("typed", ["北京春节天气", "北京明年天气", "北京1月天气", "北京下下周天气"])
async def test_days_beyond_a_week_are_never_told_as_todays(sky: Sky, typed: str) -> None:
    said = await listen(skill, typed, **sky.circumstances)
    assert said is not None
    assert "最多只能查未来 7 天" in str(said.reply.to_payload())
    assert sky.open_meteo.asked == []


async def test_more_than_a_week_ahead_is_refused(sky: Sky) -> None:
    said = await listen(skill, "天气 北京 12月20日", **sky.circumstances)
    assert said is not None
    assert "最多只能查未来 7 天" in str(said.reply.to_payload())


# What is remembered.


async def test_a_second_question_asks_nobody(sky: Sky) -> None:
    first = await sky.told("天气 北京")
    asked = len(sky.open_meteo.asked)
    assert await sky.told("北京的天气") == first
    assert len(sky.open_meteo.asked) == asked == 1


@pytest.mark.parametrize("provider", ["open-meteo", "amap"])
async def test_each_capability_is_remembered_for_as_long_as_it_lasts(
    sky: Sky, provider: str
) -> None:
    sky.uses(provider)
    sky.cache = MemoryCache(lambda: 0.0)
    await sky.told("天气 北京")
    await sky.told("天气 北京 明天")
    kept = {key.rpartition(":")[2]: until for key, (until, _) in sky.cache.entries.items()}
    present = "both" if provider == "open-meteo" else "now"
    assert kept == {present: 600, "days": 3600}


@pytest.mark.parametrize(("text", "with_now"), [("天气 北京", True), ("天气 北京 明天", False)])
async def test_open_meteo_is_asked_once_for_the_present_and_the_days(
    sky: Sky, text: str, *, with_now: bool
) -> None:
    await sky.told(text)
    (query,) = sky.open_meteo.asked
    assert "daily" in query
    assert ("current" in query) is with_now


async def test_a_hundred_equal_questions_at_once_are_one_call(sky: Sky) -> None:
    told = await asyncio.gather(*(sky.told("天气 北京") for _ in range(100)))
    assert len(set(told)) == 1
    assert len(sky.open_meteo.asked) == 1


async def test_the_two_calls_that_amap_wants_are_made_at_once(sky: Sky) -> None:
    sky.uses("amap")
    both = asyncio.Barrier(2)
    transport = sky.transport()

    async def meet(request: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(5):
            await both.wait()
        return await transport.handle_async_request(request)

    circumstances = sky.circumstances | {"transport": httpx.MockTransport(meet)}
    assert isinstance(await ask(skill, "天气 北京", **circumstances), Markdown)


@pytest.mark.parametrize(
    "spoilt", ["nonsense", [], {"text": "晴"}, [{"text": "晴", "temperature": "warm"}, []], 7]
)
async def test_what_is_remembered_and_spoilt_fails_no_answer(sky: Sky, spoilt: Any) -> None:
    told = await sky.told("天气 北京")
    for key in list(sky.cache.entries):
        await sky.cache.set(key, spoilt, ttl_s=600)
    assert await sky.told("天气 北京") == told
    assert await sky.told("天气 北京") == told
    assert len(sky.open_meteo.asked) == 2


async def test_nothing_is_remembered_over_the_places_own_midnight(sky: Sky) -> None:
    sky.now = datetime(2026, 11, 23, 23, 59, 30, tzinfo=CHINA)
    sky.cache = MemoryCache(lambda: 0.0)
    await sky.told("天气 北京")
    assert {until for until, _ in sky.cache.entries.values()} == {30.0}


# When a service fails.


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (open_meteo.OVERLOADED, "Open-Meteo暂时连不上，不是你的问题"),
        (open_meteo.BAD_KEY, "Open-Meteo的配置有问题，不是你的问题"),
    ],
)
async def test_a_service_that_fails_is_named_and_not_the_senders_fault(
    sky: Sky, fault: tuple[int, str], sentence: str
) -> None:
    sky.open_meteo.faults.extend([fault] * 4)
    said = await listen(skill, "天气 北京", **sky.circumstances)
    assert said is not None
    assert said.completion.outcome is Outcome.DEAD
    assert sentence in str(said.reply.to_payload())


async def test_an_overloaded_service_is_asked_once_more(sky: Sky) -> None:
    sky.open_meteo.faults.append(open_meteo.OVERLOADED)
    assert "北京天气" in await sky.told("天气 北京")


async def test_the_next_service_is_asked_when_one_fails(
    sky: Sky, caplog: pytest.LogCaptureFixture
) -> None:
    sky.uses("open-meteo", "amap")
    sky.open_meteo.faults.extend([open_meteo.OVERLOADED] * 2)
    with caplog.at_level(logging.WARNING):
        told = await sky.told("天气 北京")
    assert told.endswith("数据来自 [高德地图](https://lbs.amap.com)")
    assert "asking the next service" in caplog.text


async def test_a_service_that_is_not_set_up_is_passed_over_and_named_in_the_log(
    sky: Sky, caplog: pytest.LogCaptureFixture
) -> None:
    sky.uses("amap", "open-meteo", amap_key=SecretStr(""))
    assert "Open-Meteo" in await sky.told("天气 北京")
    assert "amap is not set up" in caplog.text


async def test_without_a_service_the_sender_is_told(sky: Sky) -> None:
    sky.uses("amap", amap_key=SecretStr(""))
    said = await listen(skill, "天气 北京", **sky.circumstances)
    assert said is not None
    assert "还没有配置好" in str(said.reply.to_payload())


# QWeather.


async def test_qweather_is_asked_with_a_token_of_the_accounts_own(sky: Sky) -> None:
    sky.uses("qweather")
    sky.now = datetime.now(CHINA)
    told = await sky.told("天气 北京")
    assert "**现在** 少云 10℃，体感 7℃，湿度 69%，风力 3 级" in told
    assert "小雨 4～12℃，降水概率 64%" in told
    assert told.endswith("数据来自 [和风天气](https://www.qweather.com)")
    assert set(sky.qweather.asked) == {
        "/weather/v1/daily/39.91/116.40",
        "/weather/v1/current/39.91/116.40",
    }


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (qweather.NO_CREDIT, "和风天气的配置有问题"),
        (qweather.TOO_MANY, "和风天气暂时连不上"),
        (qweather.UNKNOWN_ERROR, "和风天气暂时连不上"),
    ],
)
async def test_each_refusal_of_qweather_is_told_apart(
    sky: Sky, fault: tuple[int, str], sentence: str
) -> None:
    sky.uses("qweather")
    sky.qweather.faults.extend([fault] * 4)
    said = await listen(skill, "天气 北京", **sky.circumstances)
    assert said is not None
    assert sentence in str(said.reply.to_payload())


async def test_what_qweather_refuses_is_not_repeated(sky: Sky) -> None:
    sky.uses("qweather")
    sky.qweather.faults.append(qweather.NO_CREDIT)
    await sky.ask("天气 北京")
    assert len(sky.qweather.asked) == len(set(sky.qweather.asked))


async def test_another_key_is_refused_by_qweather(sky: Sky) -> None:
    sky.uses("qweather", qweather_key_id="OTHER")
    said = await listen(skill, "天气 北京", **sky.circumstances)
    assert said is not None
    assert "401" in said.completion.full_reason


# AMap.


async def test_amap_is_asked_by_adcode(sky: Sky) -> None:
    sky.uses("amap")
    told = await sky.told("杭州西湖区天气")
    assert set(sky.amap.asked) == {"330106"}
    assert "**现在** 阴 8℃，湿度 45%" in told
    assert "- 明天（11月24日） 小雨转阴 5～12℃" in told


async def test_a_city_abroad_is_none_of_amaps(sky: Sky) -> None:
    sky.uses("amap", "open-meteo")
    assert "Open-Meteo" in await sky.told("天气 东京")
    assert sky.amap.asked == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (amap.BAD_KEY, "高德天气的配置有问题"),
        (amap.OUT_OF_SERVICE, "高德天气暂时连不上"),
    ],
)
async def test_each_infocode_of_amap_is_told_apart(
    sky: Sky, fault: tuple[str, str], sentence: str
) -> None:
    sky.uses("amap")
    sky.amap.faults.extend([fault] * 4)
    said = await listen(skill, "天气 北京", **sky.circumstances)
    assert said is not None
    assert sentence in str(said.reply.to_payload())


# When a quota is used up.


class Worker:
    """One worker's HTTP, asked again and again, with a clock to turn."""

    def __init__(self, sky: Sky, now: datetime) -> None:
        self.sky, self.now = sky, now

    async def ask(self, text: str, monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
        async with httpx.AsyncClient(transport=self.sky.transport()) as client:
            http = Http(client, now=lambda: self.now)
            monkeypatch.setattr("dingda.worker.testing.asking.Http", lambda _: http)
            said = [await listen(skill, text, **self.sky.circumstances) for _ in range(times)]
        return [str(each.reply.to_payload()) for each in said if each]


@pytest.mark.parametrize(
    ("provider", "fault", "back"),
    [
        ("open-meteo", open_meteo.TOO_MANY_A_DAY, "明天 08:00"),
        ("open-meteo", open_meteo.TOO_MANY_AN_HOUR, "今天 15:00"),
        ("open-meteo", open_meteo.TOO_MANY_A_MINUTE, "今天 14:31"),
        ("amap", amap.DAY_USED_UP, "明天 00:00"),
        ("amap", amap.ACCOUNT_USED_UP, "明天 00:00"),
        ("amap", amap.TOO_FREQUENT, "今天 14:31"),
        ("qweather", qweather.OVER_MONTHLY_LIMIT, "12月1日 00:00"),
    ],
)
async def test_a_quota_that_is_used_up_is_said_with_its_end_and_not_tried_for_each_message(
    sky: Sky,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    fault: Any,
    back: str,
) -> None:
    sky.uses(provider)
    services: dict[str, Any] = {
        "open-meteo": sky.open_meteo,
        "amap": sky.amap,
        "qweather": sky.qweather,
    }
    asked = services[provider]
    asked.faults.extend([fault] * 100)
    worker = Worker(sky, datetime(2026, 11, 23, 14, 30, 20, tzinfo=CHINA))
    for sentence in await worker.ask("天气 北京", monkeypatch, times=10):
        assert f"查询次数用完了，{back} 才会恢复" in sentence
        assert "稍后" not in sentence
    # The present and the days are asked for at one moment, where it takes two calls.
    assert len(asked.asked) <= (1 if provider == "open-meteo" else 2)


async def test_a_service_whose_quota_is_used_up_leaves_the_answer_to_the_next(
    sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky.uses("open-meteo", "amap")
    sky.open_meteo.faults.append(open_meteo.TOO_MANY_A_DAY)
    for sentence in await Worker(sky, NOW).ask("天气 北京", monkeypatch, times=3):
        assert "高德地图" in sentence
    assert len(sky.open_meteo.asked) == 1


# Their bounds.


@pytest.mark.parametrize(
    ("url", "limits", "at_once"),
    [
        ("https://api.open-meteo.com", "", 4),
        ("https://api.open-meteo.com", "at_once=2", 2),
        ("https://customer-api.open-meteo.com", "", None),
        ("http://127.0.0.1:8102", "", None),
    ],
)
async def test_only_without_an_account_the_public_limits_apply(
    sky: Sky, url: str, limits: str, at_once: int | None
) -> None:
    transport, under_way, most = sky.transport(), 0, 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        await asyncio.sleep(0.01)
        under_way -= 1
        request.url = request.url.copy_with(host="api.open-meteo.com")
        return await transport.handle_async_request(request)

    sky.uses("open-meteo", open_meteo_url=url, open_meteo_limits=Limits.parse(limits))
    places = [Place(str(n), "", "CN", 30.0 + n, 110.0, "Asia/Shanghai") for n in range(8)]
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        service = sky.settings.open_meteo(Http(client))
        await asyncio.gather(*(service.days(place) for place in places))
    assert most == (at_once or len(places))


@pytest.mark.parametrize("service", ["OPEN_METEO", "QWEATHER", "AMAP"])
def test_limits_that_are_wrong_are_named_in_words(
    monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setenv(f"DINGDA_{service}_LIMITS", "at_most=3")
    with pytest.raises(SettingsError, match=f"^DINGDA_{service}_LIMITS: 'at_most' is no bound"):
        read_settings(WeatherSettings)


# Secrets.


async def test_no_key_is_logged_whatever_happens(
    sky: Sky, caplog: pytest.LogCaptureFixture
) -> None:
    # httpx's own lines hold whole URLs; `shared.runtime.logs` keeps them out of the log.
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.WARNING, logger="httpx"):
        for provider in ("open-meteo", "qweather", "amap"):
            sky.uses(provider, open_meteo_api_key=SecretStr("canary-meteo"))
            sky.amap.faults.append(amap.BAD_KEY)
            sky.open_meteo.faults.append(open_meteo.BAD_KEY)
            said = await listen(skill, "天气 北京", **sky.circumstances)
            assert said is not None
            assert "canary" not in str(said)
    assert "canary" not in caplog.text
    assert "Bearer" not in caplog.text


@pytest.mark.parametrize(
    ("typed", "read"), [("open-meteo, amap", ("open-meteo", "amap")), ("qweather", ("qweather",))]
)
def test_the_services_are_read_from_a_list(
    monkeypatch: pytest.MonkeyPatch, typed: str, read: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DINGDA_WEATHER_PROVIDERS", typed)
    settings = load_skill_settings([skill])[WeatherSettings]
    assert isinstance(settings, WeatherSettings)
    assert settings.weather_providers == read
