"""Who is on call: days, teams, questions back, and who may see a phone number."""

from datetime import datetime

from acme_oncall.duty import skill
from acme_oncall.settings import OnCallSettings

from dingda.skill import CHINA, Person, Text
from dingda.testing import Conversation, Outcome, People, Response, ask, listen

SATURDAY = datetime(2026, 11, 28, 9, tzinfo=CHINA)

COMPANY = People(
    Person("0001", "张三", department_ids=(7,)),
    Person("0009", "钱九", department_ids=(8,)),
    departments={7: "运维部", 8: "市场部"},
)


async def said(settings: OnCallSettings, text: str, **circumstances: object) -> str:
    reply = await ask(
        skill, text, settings=[settings], dingtalk=COMPANY, now=SATURDAY, **circumstances
    )
    assert isinstance(reply, Text)
    return reply.content


async def listened(settings: OnCallSettings, text: str, staff_id: str) -> Response:
    response = await listen(
        skill, text, settings=[settings], dingtalk=COMPANY, now=SATURDAY, staff_id=staff_id
    )
    assert response is not None
    return response


async def test_today_is_meant_where_no_day_is_named(settings: OnCallSettings) -> None:
    assert await said(settings, "值班 风控组") == "风控组值班\n11-28 周六：陈七 13800000005"


async def test_a_day_and_a_team_in_a_sentence(settings: OnCallSettings) -> None:
    expected = "支付后端组值班\n12-05 周六：赵六 13800000004"
    assert await said(settings, "下周六支付后端组是谁值班？") == expected


async def test_next_week_is_seven_days(settings: OnCallSettings) -> None:
    answer = await said(settings, "值班 风控组 下周")
    assert [line[:8] for line in answer.splitlines()[1:]] == [
        f"{day} 周{name}"
        for day, name in zip(
            ("11-30", "12-01", "12-02", "12-03", "12-04", "12-05", "12-06"),
            "一二三四五六日",
            strict=True,
        )
    ]


async def test_a_day_without_duty_is_refused(settings: OnCallSettings) -> None:
    assert await said(settings, "值班 风控组 2027年3月1号") == "风控组 03-01 周一还没有排班"


async def test_a_missing_team_is_asked_for(settings: OnCallSettings) -> None:
    chat = Conversation(skill, settings=[settings], dingtalk=COMPANY, now=SATURDAY)
    question = str(await chat.say("明天谁值班", group=False))
    assert all(team in question for team in ("支付前端组", "支付后端组", "风控组"))
    answer = await chat.say("支付前端组", group=False)
    assert answer == Text("支付前端组值班\n11-29 周日：李四 13800000002")


async def test_an_ambiguous_team_is_asked_for_with_those_it_could_be(
    settings: OnCallSettings,
) -> None:
    chat = Conversation(skill, settings=[settings], dingtalk=COMPANY, now=SATURDAY)
    question = str(await chat.say("值班 支付", group=False))
    assert "支付前端组" in question
    assert "风控组" not in question
    answer = await chat.say("支付后端组", group=False)
    assert answer == Text("支付后端组值班\n11-28 周六：王五 13800000003")


async def test_an_unknown_team_is_asked_for(settings: OnCallSettings) -> None:
    chat = Conversation(skill, settings=[settings], dingtalk=COMPANY, now=SATURDAY)
    assert "没有叫「法务组」的组" in str(await chat.say("值班 法务组", group=False))


async def test_the_number_goes_to_the_sender_alone(settings: OnCallSettings) -> None:
    response = await listened(settings, "值班 风控组", "0001")
    assert response.private
    assert "13800000005" in str(response.reply)


async def test_a_department_may_be_the_only_one_to_ask(settings: OnCallSettings) -> None:
    closed = settings.model_copy(update={"departments": frozenset({7})})
    assert (await listened(closed, "值班 风控组", "0001")).private
    refused = await listened(closed, "值班 风控组", "0009")
    assert refused.completion.outcome is Outcome.DECLINED
    assert not refused.private
    assert isinstance(refused.reply, Text)
    assert refused.reply.content == "只有值班的部门可以查值班电话"


async def test_single_people_may_be_allowed_besides(settings: OnCallSettings) -> None:
    closed = settings.model_copy(update={"may_ask": frozenset({"0009"})})
    assert (await listened(closed, "值班 风控组", "0009")).private
    assert not (await listened(closed, "值班 风控组", "0001")).private


async def test_a_sender_from_outside_may_not(settings: OnCallSettings) -> None:
    reply = await said(settings, "值班 风控组", staff_id="", group=False)
    assert reply == "只有本公司的同事可以查值班"
