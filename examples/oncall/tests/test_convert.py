"""The converter: typed units, the units asked back, and kinds that don't go together."""

import pytest
from acme_oncall.convert import skill

from dingda.skill import Text
from dingda.testing import Conversation, Outcome, ask, listen


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("换算 3 公里 到 英里", "3 公里 = 1.8641136 英里"),
        ("换算１０ｋｍ到ｍ", "10 公里 = 10000 米"),
        ("换算 2.5 斤 成 克", "2.5 斤 = 1250 克"),
        ("换算 98.6℉ 到 ℃", "98.6 华氏度 = 37 摄氏度"),
        ("换算 -40 摄氏度 华氏度", "-40 摄氏度 = -40 华氏度"),
        ("换算 1 TiB 到 GB", "1 TiB = 1099.5116 GB"),
        ("换算 0.1 公里 到 米", "0.1 公里 = 100 米"),
        ("換算 3 兩 到 公斤", "3 两 = 0.15 公斤"),
    ],
)
async def test_an_amount_is_converted(typed: str, answer: str) -> None:
    assert await ask(skill, typed) == Text(answer)


async def test_the_target_is_asked_for_and_comes_with_the_next_message() -> None:
    chat = Conversation(skill)
    question = await chat.say("换算 2 GB")
    assert question is not None
    assert "换成什么单位？" in str(question)
    assert "TiB" in str(question)
    assert await chat.say("mb") == Text("2 GB = 2000 MB")


async def test_an_unknown_unit_is_asked_back_with_the_choices() -> None:
    response = await listen(skill, "换算 3 尺 到 米")
    assert response is not None
    assert "3 后面是什么单位？" in str(response.reply)
    assert "换算 3 公里 到 米" in str(response.reply)
    assert "公斤" not in str(response.reply)


async def test_a_number_alone_is_asked_for_its_unit() -> None:
    reply = str(await ask(skill, "换算 3"))
    assert all(f"换算 3 {name}" in reply for name in ("米", "公斤", "摄氏度", "B"))


async def test_a_unit_of_another_kind_is_refused_in_a_sentence() -> None:
    response = await listen(skill, "换算 3 公里 到 公斤")
    assert response is not None
    assert isinstance(response.reply, Text)
    assert response.reply.content == "公里是长度，公斤是重量，不能互相换算"
    assert response.completion.outcome is Outcome.DECLINED
