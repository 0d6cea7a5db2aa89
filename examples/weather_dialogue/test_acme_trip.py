"""The skill's tests: no Redis, no network, no DingTalk."""

from datetime import datetime

import httpx
from acme_trip import skill

from dingda.skill import CHINA, ActionCard, Reply, Text
from dingda.testing import Conversation

SATURDAY = datetime(2026, 11, 28, 10, tzinfo=CHINA)


def weather(request: httpx.Request) -> httpx.Response:
    """Play Open-Meteo: the day of the month is the temperature."""
    day = int(request.url.params["start_date"][-2:])
    daily = {"temperature_2m_min": [day - 5.0], "temperature_2m_max": [day + 0.0]}
    return httpx.Response(200, json={"daily": daily})


def a_chat() -> Conversation:
    """A conversation with the skill, on a Saturday."""
    return Conversation(skill, now=SATURDAY, transport=httpx.MockTransport(weather))


def text_of(reply: Reply | None) -> str:
    """The words of a reply."""
    assert isinstance(reply, Text)
    return reply.content


async def test_place_and_day_are_asked_for_one_after_the_other() -> None:
    chat = a_chat()
    assert "城市" in text_of(await chat.say("出差"))
    asked = await chat.say("杭州")
    assert isinstance(asked, ActionCard)
    assert [button.title for button in asked.buttons] == ["今天", "明天", "后天"]
    assert await chat.say("明天") == Text("杭州 11-29：24 到 29 度")


async def test_any_day_is_understood_and_not_only_the_choices() -> None:
    chat = a_chat()
    await chat.say("出差 杭州")
    assert await chat.say("下周三") == Text("杭州 12-02：-3 到 2 度")


async def test_a_day_beyond_the_forecast_is_refused() -> None:
    chat = a_chat()
    await chat.say("出差 杭州")
    assert text_of(await chat.say("12月25号")) == "只能看两周以内的天气"


async def test_it_can_be_left() -> None:
    chat = a_chat()
    await chat.say("出差 杭州")
    await chat.say("取消")
    assert await chat.say("明天") is None
