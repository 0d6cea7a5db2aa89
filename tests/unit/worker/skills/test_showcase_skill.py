"""The demo's skill of more than one reply."""

import struct
import zlib

import pytest

from dingda.skill import Card, Markdown, Person, Text, User
from dingda.testing import Conversation, MemoryMedia, Outcome, People, Pushes, ask, press
from dingda.worker.skills import showcase
from dingda.worker.skills.showcase import skill
from dingda.worker.skills.showcase.bars import bar_chart


async def test_two_questions_lead_to_a_cup_of_tea() -> None:
    chat = Conversation(skill)
    for said in ("下午茶", "绿茶"):
        await chat.say(said)
    reply = await chat.say("三分糖")
    assert reply is not None
    assert reply.to_payload()["text"]["content"] == "好的：绿茶，三分糖"


PEOPLE = People(Person("0001", "张*三", manager_staff_id="0002"), Person("0002", "王五"))


@pytest.mark.parametrize(("choice", "result"), [(0, "120 元周五到账"), (1, "请补一张发票")])
async def test_the_manager_decides_on_a_claim(choice: int, result: str) -> None:
    card = await ask(skill, "报销 120", dingtalk=PEOPLE)
    assert isinstance(card, Card)
    assert card.text == "**张＊三** 申请报销 120 元"
    action = card.buttons[choice].action
    decided = await press(skill, action, by="0002", card=card, dingtalk=PEOPLE)
    assert decided.result == result


async def test_nobody_but_the_manager_decides() -> None:
    card = await ask(skill, "报销 120", dingtalk=PEOPLE)
    assert isinstance(card, Card)
    refused = await press(skill, card.buttons[0].action, by="0001", card=card, dingtalk=PEOPLE)
    assert refused.completion.outcome is Outcome.DECLINED


@pytest.mark.parametrize("people", [People(Person("0001", "张三")), None])
async def test_a_claim_of_somebody_without_a_manager_is_refused(people: People | None) -> None:
    reply = await ask(skill, "报销 120", dingtalk=people)
    assert isinstance(reply, Text)
    assert reply.content.endswith("通讯录里没有你的主管")


async def test_a_plot_is_drawn_uploaded_and_pushed_to_the_sender() -> None:
    media, pushes = MemoryMedia(), Pushes()
    await ask(skill, "画图", media=media, pushes=pushes)
    ((media_id, (name, content)),) = media.uploaded.items()
    assert (name, content[:4]) == ("visits.png", b"\x89PNG")
    (push,) = pushes
    assert (push.target, push.reply) == (
        User("0001"),
        Markdown("访问量", f"![访问量]({media_id})"),
    )


async def test_a_story_is_told_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showcase, "_PAUSE_S", 0)
    reply = await ask(skill, "讲故事")
    assert isinstance(reply, Markdown)
    assert reply.text.rstrip().endswith("**再也没等到兔子**。")


@pytest.mark.parametrize("values", [[1], [3, 0, 1.5]])
def test_a_bar_chart_is_a_whole_png(values: list[float]) -> None:
    png = bar_chart(values)
    kinds = []
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        chunk, check = png[at + 4 : at + 8 + length], png[at + 8 + length : at + 12 + length]
        assert struct.pack(">I", zlib.crc32(chunk)) == check
        kinds.append(chunk[:4])
        at += 12 + length
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height = struct.unpack(">II", png[16:24])
    data = png.index(b"IDAT")
    pixels = zlib.decompress(png[data + 4 : -16])
    assert len(pixels) == height * (width + 1)


def test_a_bar_is_as_high_as_its_value() -> None:
    png = bar_chart([2, 1])
    pixels = zlib.decompress(png[png.index(b"IDAT") + 4 : -16])
    (width,) = struct.unpack(">I", png[16:20])
    columns = [pixels[column :: width + 1] for column in (1 + 12 + 18, 1 + 12 + 36 + 12 + 18)]
    assert [column.count(1) for column in columns] == [168, 84]
