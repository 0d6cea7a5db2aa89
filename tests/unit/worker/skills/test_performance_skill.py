"""Performance data: each privacy rule of docs/skills/performance.md is a test here."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dingda.shared.dingtalk.content import Kind, Quoted
from dingda.shared.dingtalk.message import Mention
from dingda.shared.dingtalk.reply import Markdown, Text
from dingda.shared.ledger.states import Outcome
from dingda.simulator.backends import dingtalk_errors
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI, Person
from dingda.simulator.demo.performance import create
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.testing import MemoryCache, listen
from dingda.worker.answering.response import Response
from dingda.worker.sdk.loader import load_skill_settings
from dingda.worker.services.contacts import Contacts
from dingda.worker.skills.performance import PerformanceSettings, skill
from dingda.worker.skills.performance.sources import QUERY, check_query
from dingda.worker.skills.performance.wording import NOT_KNOWN
from tests.support.openapi_clients import contacts_of

pytestmark = pytest.mark.heavy

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
ZHANG, LI, WANG = map(staff_id_of, ("张三", "李四", "王五"))
NUMBERS = ("91.5", "86", "93", "99", "78.5", "81", "88")
PEOPLE = (
    Person(ZHANG, "张三", WANG),
    Person(LI, "李四", WANG),
    Person(WANG, "王五"),
    Person("namesake", "李四", "somebody else"),
    Person("admin", "管理员"),
)


class Office:
    """The skill, the numbers, and the address book."""

    dingtalk: Contacts | None

    def __init__(self, url: str, client: httpx.AsyncClient, api: FakeOpenAPI) -> None:
        self.settings = PerformanceSettings.model_construct(
            performance_url=SecretStr(url),
            performance_query=check_query(QUERY),
            performance_token=SecretStr("hr-token"),
        )
        self.api = api
        self.cache = MemoryCache()
        self.transport: httpx.AsyncBaseTransport | None = None
        self.dingtalk = contacts_of(client)

    async def asked(self, text: str, by: str = ZHANG, **message: Any) -> Response:
        given: dict[str, Any] = {
            "sender_corp_id": "corp",
            "bot_corp_id": "corp",
            "group": False,
        } | message
        said = await listen(
            skill,
            text,
            staff_id=by,
            now=NOW,
            settings=[self.settings],
            dingtalk=self.dingtalk,
            cache=self.cache,
            transport=self.transport,
            **given,
        )
        assert said is not None
        return said

    async def told(self, text: str, by: str = ZHANG, **message: Any) -> str:
        said = await self.asked(text, by, **message)
        assert isinstance(said.reply, Markdown), said
        return said.reply.text


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    create(tmp_path / "performance.db")
    api = FakeOpenAPI(PEOPLE, app_key="key", app_secret="secret")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app())) as client:
        yield Office(f"sqlite:///{tmp_path}/performance.db", client, api)


def is_refused(said: Response) -> bool:
    return said.completion.outcome is Outcome.DECLINED and NOT_KNOWN in str(said.reply)


# Rule 1: one's own.


async def test_one_sees_ones_own_the_newest_first(office: Office) -> None:
    told = await office.told("我的绩效")
    assert told.startswith("### 你的绩效\n\n**2026年10月**\n\n- 得分：93\n- 等级：A\n")
    assert told.index("2026年10月") < told.index("第三季度") < told.index("第二季度")


async def test_a_period_narrows_it(office: Office) -> None:
    told = await office.told("我第三季度的绩效")
    assert "91.5" in told
    assert "93" not in told


async def test_ones_own_name_means_oneself(office: Office) -> None:
    assert "你的绩效" in await office.told("张三的绩效")


async def test_ones_own_needs_no_address_book(office: Office) -> None:
    office.dingtalk = None
    assert "91.5" in await office.told("我的绩效")


async def test_what_is_not_published_is_not_shown(office: Office) -> None:
    assert is_refused(await office.asked("绩效 第四季度"))


# Rule 2: managers their direct reports.


async def test_a_manager_sees_a_direct_reports(office: Office) -> None:
    told = await office.told("绩效 张三 上个季度", WANG)
    assert told.startswith("### 张三的绩效")
    assert "91.5" in told


async def test_of_namesakes_a_manager_sees_the_one_who_reports(office: Office) -> None:
    assert "78.5" in await office.told("李四的绩效", WANG)


async def test_a_mentioned_person_is_the_subject(office: Office) -> None:
    assert "78.5" in await office.told("绩效", WANG, mentions=(Mention(LI),))


@pytest.mark.parametrize(
    "typed",
    [
        "绩效 @李四",
        "@李四 的绩效",
        "@李四的绩效",
        "绩效＠李四",
        "绩效@李四",
        "@李四 绩效",
        "@李四绩效",
        "我想看绩效 @李四",
        "查绩效 上个季度 @李四",
        "@钉答 绩效 @李四",
    ],
)
async def test_a_person_named_by_hand_is_the_subject(office: Office, typed: str) -> None:
    told = await office.told(typed, WANG)
    assert told.startswith("### 李四的绩效")


@pytest.mark.parametrize(
    "typed",
    [
        "绩效 @李四",
        "@李四 的绩效",
        "绩效＠李四",
        "@李四 绩效",
        "绩效 @李四 @王五",
        "我想看绩效 @李四",
        "绩效 @nobody",
        "绩效 想想",
    ],
)
async def test_a_question_about_somebody_else_never_shows_ones_own(
    office: Office, typed: str
) -> None:
    assert is_refused(await office.asked(typed, ZHANG))


@pytest.mark.parametrize(
    ("typed", "mentions"),
    [
        ("绩效 李四和王五", ()),
        ("绩效 我和李四", ()),
        ("我和李四的绩效", ()),
        ("@李四 @张三 绩效", ()),
        ("@张三 李四的绩效", ()),
        ("@张三 王五四的绩效", ()),
        ("绩效 @张三 @李四", ()),
        ("李四呢 绩效", ()),
        ("Li Si 的绩效", ()),
        ("绩效 Li Si", ()),
        ("@Li Si 绩效", ()),
        ("performance of Li Si", ()),
        ("他的绩效", ()),
        ("她上个季度的绩效", ()),
        ("他们的绩效怎么样", ()),
        ("我们组的绩效", ()),
        ("我们部门绩效", ()),
        ("大家的绩效", ()),
        ("我同事的绩效", ()),
        ("我老板的绩效", ()),
        ("绩效", (Mention(ZHANG), Mention(LI))),
        ("绩效 李四", (Mention(ZHANG),)),
        ("绩效", (Mention(ZHANG), Mention(""))),
    ],
)
async def test_a_question_that_also_names_somebody_else_never_shows_ones_own(
    office: Office, typed: str, mentions: tuple[Mention, ...]
) -> None:
    quoted = Quoted(Kind.TEXT, "李四", "$:LWCP_v1:$li", is_bots=False)
    said = await office.asked(typed, ZHANG, mentions=mentions, quoted=quoted)
    assert is_refused(said), said


@pytest.mark.parametrize(
    ("typed", "mentions"),
    [
        ("@张三 @李四 绩效", ()),
        ("绩效 李四 @张三", ()),
        ("绩效 张三", (Mention(LI),)),
        ("绩效", (Mention(LI), Mention(ZHANG))),
    ],
)
async def test_of_two_reports_a_manager_sees_neither_at_once(
    office: Office, typed: str, mentions: tuple[Mention, ...]
) -> None:
    assert is_refused(await office.asked(typed, WANG, mentions=mentions))


async def test_a_name_beside_its_own_mention_is_the_same_person(office: Office) -> None:
    told = await office.told("绩效 李四", WANG, mentions=(Mention(LI, "李四"),))
    assert told.startswith("### 李四的绩效")
    assert "78.5" in await office.told("绩效 怎么说呢", WANG, mentions=(Mention(LI),))


async def test_without_an_address_book_a_name_is_not_taken_for_the_senders(office: Office) -> None:
    office.dingtalk = None
    assert is_refused(await office.asked("绩效 @李四", ZHANG))
    assert is_refused(await office.asked("@李四 绩效", ZHANG))


@pytest.mark.parametrize(
    "typed", ["我的绩效 @钉答", "@钉答 我的绩效", "@Ding Da 我的绩效", "@钉答我的绩效"]
)
async def test_the_bots_name_beside_my_performance_changes_nothing(
    office: Office, typed: str
) -> None:
    assert "91.5" in await office.told(typed, ZHANG)


async def test_a_mention_without_a_userid_never_means_the_sender(office: Office) -> None:
    assert is_refused(await office.asked("绩效", ZHANG, mentions=(Mention(""),)))
    assert is_refused(await office.asked("绩效", WANG, mentions=(Mention(""), Mention(LI))))


async def test_the_address_book_is_read_for_each_question(office: Office) -> None:
    await office.told("张三的绩效", WANG)
    asked = office.api.asked.count("/topapi/v2/user/get")
    await office.told("张三的绩效", WANG)
    assert office.api.asked.count("/topapi/v2/user/get") == 2 * asked


async def test_a_nickname_does_not_identify_a_person(office: Office) -> None:
    assert is_refused(await office.asked("绩效 张三", LI, nick="王五"))


# Rule 3: one uniform refusal.


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("绩效 李四", ZHANG),  # a colleague's
        ("绩效 王五", ZHANG),  # one's manager's
        ("绩效 没有这个人", ZHANG),
        ("绩效 张三", "admin"),  # an administrator is nobody's manager for that
        ("我的绩效", "admin"),  # no data
        ("我2020年的绩效", ZHANG),  # no data for the period
        ("绩效 李四", "somebody else who is no manager"),
    ],
)
async def test_no_right_no_data_and_nobody_are_refused_in_the_same_words(
    office: Office, text: str, by: str
) -> None:
    refusals = {str((await office.asked(each, who)).reply) for each, who in ((text, by),)}
    assert refusals == {str(Text(NOT_KNOWN))}


async def test_an_address_book_that_cannot_be_asked_opens_nothing(office: Office) -> None:
    office.api.faults.extend([dingtalk_errors.OVERLOADED] * 8)
    said = await office.asked("绩效 张三", WANG)
    assert "钉钉暂时连不上" in str(said.reply)
    assert not any(number in str(said.reply) for number in NUMBERS)


async def test_without_an_address_book_nobody_elses_is_shown(office: Office) -> None:
    office.dingtalk = None
    assert is_refused(await office.asked("绩效 张三", WANG))


# Rule 4: who asks.


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("", {}),
        (ZHANG, {"sender_corp_id": "another company"}),
        (ZHANG, {"sender_corp_id": ""}),
        (ZHANG, {"bot_corp_id": ""}),
        (ZHANG, {"sender_corp_id": "", "bot_corp_id": ""}),
        (ZHANG, {"sender_corp_id": " ", "bot_corp_id": " "}),
        (ZHANG, {"sender_corp_id": "\u3000", "bot_corp_id": ""}),
        (ZHANG, {"sender_corp_id": "\u200b", "bot_corp_id": "\u200b"}),
        (ZHANG, {"sender_corp_id": "CORP"}),
    ],
)
async def test_a_sender_without_a_userid_in_this_organisation_sees_nothing(
    office: Office, by: str, message: dict[str, str]
) -> None:
    assert is_refused(await office.asked("我的绩效", by, **message))


# Rule 5: never in a group, in Redis, in a log.


async def test_a_question_in_a_group_is_answered_to_the_sender_alone(office: Office) -> None:
    said = await office.asked("我的绩效", group=True)
    assert said.private
    assert not said.persist


async def test_in_a_group_without_private_messages_nothing_is_looked_up(office: Office) -> None:
    office.dingtalk = None
    said = await office.asked("我的绩效", group=True)
    assert said.completion.outcome is Outcome.DECLINED
    assert "单聊" in str(said.reply)


async def test_in_a_single_chat_it_is_secret_and_said_there(office: Office) -> None:
    said = await office.asked("我的绩效")
    assert (said.private, said.persist) == (False, False)


async def test_no_number_is_logged_cached_or_shown_by_a_repr(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for text, by in (("我的绩效", ZHANG), ("张三的绩效", WANG), ("绩效 李四", WANG)):
            said = await office.asked(text, by)
            assert not any(number in repr(said) for number in NUMBERS)
    assert not any(number in caplog.text for number in ("91.5", "78.5"))
    assert office.cache.entries == {}


async def test_a_database_that_fails_says_nothing_of_what_stands_in_it(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.settings = office.settings.model_copy(
        update={"performance_query": "SELECT no_such_column FROM t WHERE a = :staff_id"}
    )
    said = await office.asked("我的绩效")
    assert said.completion.outcome is Outcome.DEAD
    for text in (caplog.text, str(said.reply), said.completion.full_reason):
        assert ZHANG not in text
        assert "no_such_column" not in text


# Rule 6: every decision leaves a trace.


@pytest.mark.parametrize(
    ("text", "by", "trace"),
    [
        ("我的绩效", ZHANG, f"sender {ZHANG}, subject {ZHANG}, single chat, allowed (own)"),
        (
            "绩效 张三",
            WANG,
            f"sender {WANG}, subject {ZHANG}, single chat, allowed (direct report)",
        ),
        ("绩效 李四", ZHANG, f"sender {ZHANG}, subject -, single chat, refused"),
        ("我的绩效", "", "sender -, subject -, single chat, refused"),
    ],
)
async def test_every_decision_is_audited(
    office: Office, caplog: pytest.LogCaptureFixture, text: str, by: str, trace: str
) -> None:
    with caplog.at_level(logging.INFO, logger="dingda.audit"):
        await office.asked(text, by)
    (record,) = [each for each in caplog.records if each.name == "dingda.audit"]
    assert trace in record.getMessage()


async def test_an_id_forges_no_line_of_the_audit_and_no_part_of_one(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    forged = "x, subject ceo, single chat, allowed (direct report)\ndingda.audit: sender boss"
    with caplog.at_level(logging.INFO, logger="dingda.audit"):
        await office.asked("绩效 李四", forged)
    (record,) = [each for each in caplog.records if each.name == "dingda.audit"]
    line = record.getMessage()
    assert line.isprintable()
    assert f"sender {forged[:64]!r}, subject -, single chat, refused" in line


# The database.


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM employee_performance WHERE userid = :staff_id",
        "SELECT 1; DELETE FROM t WHERE a = :staff_id",
        "SELECT score FROM t",
        "SELECT score FROM t WHERE userid = :somebody",
        "SELECT score FROM t WHERE userid = :staff_id AND x = :other",
        "",
    ],
)
def test_a_query_that_is_no_select_for_one_person_is_no_setting(query: str) -> None:
    with pytest.raises(ValidationError, match=r"one SELECT|:staff_id"):
        PerformanceSettings(performance_query=query)  # type: ignore[call-arg]


@pytest.mark.parametrize("limit", ["per_s=5", "max_bytes=1000"])
def test_a_limit_that_databases_do_not_have_is_a_settings_error(limit: str) -> None:
    settings = {"performance_limits": f"at_once=4,{limit}"}
    name = limit.partition("=")[0]
    with pytest.raises(
        ValidationError, match=f"{name} has no effect here; write at_once, timeout_s, wait_s"
    ):
        PerformanceSettings(performance_url="sqlite://", **settings)  # type: ignore[arg-type]
    PerformanceSettings(performance_url="https://hr.example", **settings)  # type: ignore[arg-type]


async def test_even_a_query_that_writes_can_not(office: Office, tmp_path: Path) -> None:
    office.settings = office.settings.model_copy(
        update={"performance_query": "DELETE FROM employee_performance WHERE userid = :staff_id"}
    )
    said = await office.asked("我的绩效")
    assert said.completion.outcome is Outcome.DEAD
    with closing(sqlite3.connect(tmp_path / "performance.db")) as database:
        assert database.execute("SELECT count(*) FROM employee_performance").fetchone() == (7,)


async def test_what_is_typed_is_never_a_part_of_the_query(office: Office) -> None:
    assert is_refused(await office.asked("绩效 ' OR 1=1 --", WANG))


async def test_a_comment_can_not_become_markup(office: Office, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "performance.db")) as database:
        database.execute("UPDATE employee_performance SET comment = '[点](http://evil.example)'")
        database.commit()
    assert "［点］（http：//evil.example）" in await office.told("我的绩效")


# An HR service.


class HumanResources:
    """An HR service that is not ours."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: Request) -> JSONResponse:
        self.asked.append(dict(request.query_params))
        if request.headers.get("authorization") != "Bearer hr-token":
            return JSONResponse({}, 401)
        if self.status != 200:
            return JSONResponse({}, self.status)
        period = request.query_params["period"] or "2026-Q3"
        return JSONResponse({"items": [{"period": period, "score": 91.5, "grade": "A"}]})


@pytest.fixture
def hr(office: Office) -> HumanResources:
    service = HumanResources()
    app = Starlette(routes=[Route("/performance", service.answer)])
    office.transport = httpx.ASGITransport(app)
    url = SecretStr("https://hr.example.com/performance")
    office.settings = office.settings.model_copy(update={"performance_url": url})
    return service


async def test_an_hr_service_is_asked_for_one_person_and_period(
    office: Office, hr: HumanResources
) -> None:
    assert "- 得分：91.5\n- 等级：A" in await office.told("我上个季度的绩效")
    assert hr.asked == [{"userid": ZHANG, "period": "2026-Q3", "limit": "3"}]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(404, NOT_KNOWN), (403, "配置有问题"), (401, "配置有问题"), (429, "连不上"), (500, "连不上")],
)
async def test_each_answer_of_an_hr_service_is_told_apart(
    office: Office, hr: HumanResources, status: int, sentence: str
) -> None:
    hr.status = status
    assert sentence in str((await office.asked("我的绩效")).reply)


async def test_no_token_is_logged(
    office: Office, hr: HumanResources, caplog: pytest.LogCaptureFixture
) -> None:
    hr.status = 403
    with caplog.at_level(logging.DEBUG):
        await office.asked("我的绩效")
    assert "hr-token" not in caplog.text


async def test_without_any_setup_the_sender_is_told(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    office.settings = load_skill_settings([skill])[PerformanceSettings]  # type: ignore[assignment]
    assert "还没有配置好" in str((await office.asked("我的绩效")).reply)


async def test_many_may_ask_at_once(office: Office) -> None:
    told = await asyncio.gather(*(office.told("我的绩效") for _ in range(20)))
    assert len(set(told)) == 1
