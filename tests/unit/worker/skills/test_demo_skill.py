"""The five replies of the tutorial, field by field as it prints them."""

from typing import Any

import pytest

from dingda.testing import ask
from dingda.worker.skills.demo import skill

SITE, BLOG = "http://mrdoc.zmister.com", "https://zmister.com/"
PICTURE = "https://img.alicdn.com/tfs/TB1NwmBEL9TBuNjy1zbXXXpepXa-2400-1218.png"
TITLE = "州的先生 Python 实战教程合集"
CARD_TEXT = f" \n #### {TITLE} \n\n 学习Python的一个好方法就是用实际的项目来熟练语言"


async def payload_for(text: str, **circumstances: Any) -> dict[str, Any]:
    reply = await ask(skill, text, **circumstances)
    assert reply is not None
    return reply.to_payload()


async def test_text_is_echoed_to_the_sender() -> None:
    assert await payload_for("text") == {
        "msgtype": "text",
        "text": {"content": "@0001 你刚刚发的消息是：[text]"},
        "at": {"atUserIds": ["0001"], "isAtAll": False},
    }


async def test_markdown_has_the_tutorials_title_and_text() -> None:
    payload = await payload_for("markdown")
    # The mention must stand in the text as well, or DingTalk does not notify.
    assert payload["markdown"].pop("text").startswith("## 这是什么? \n 这是一个钉钉机器人")
    assert payload == {
        "msgtype": "markdown",
        "markdown": {"title": "州的先生机器人助理"},
        "at": {"atUserIds": ["0001"], "isAtAll": False},
    }


async def test_a_markdown_without_a_mention_is_the_tutorials_to_the_letter() -> None:
    assert await payload_for("markdown", group=False) == {
        "msgtype": "markdown",
        "markdown": {
            "title": "州的先生机器人助理",
            "text": "## 这是什么? \n 这是一个钉钉机器人 \n ",
        },
    }


async def test_the_card_that_leads_on_as_a_whole_is_the_tutorials() -> None:
    assert await payload_for("整体跳转") == {
        "msgtype": "actionCard",
        "actionCard": {
            "title": TITLE,
            "text": CARD_TEXT,
            "singleTitle": "阅读全文",
            "singleURL": SITE,
        },
    }


async def test_the_card_with_buttons_is_the_tutorials() -> None:
    assert await payload_for("独立跳转") == {
        "msgtype": "actionCard",
        "actionCard": {
            "title": TITLE,
            "text": CARD_TEXT,
            "hideAvatar": "0",
            "btnOrientation": "0",
            "btns": [
                {"title": "去看看", "actionURL": SITE},
                {"title": "不感兴趣", "actionURL": BLOG},
            ],
        },
    }


async def test_the_feed_is_the_tutorials() -> None:
    assert await payload_for("feed") == {
        "msgtype": "feedCard",
        "feedCard": {
            "links": [
                {"title": "时代的火车向前开1", "messageURL": SITE, "picURL": PICTURE},
                {"title": "时代的火车向前开2", "messageURL": BLOG, "picURL": PICTURE},
            ]
        },
    }


@pytest.mark.parametrize("command", ["text", "markdown", "整体跳转", "独立跳转", "feed"])
@pytest.mark.parametrize("blanks", ["", " ", "  "])
async def test_a_command_needs_no_blank_before_it(blanks: str, command: str) -> None:
    """The tutorial drops the first character, whatever it is: a mention leaves 0 to 2 blanks."""
    assert await payload_for(f"{blanks}{command} ") == await payload_for(command)


@pytest.mark.parametrize("typed", ["xtext", "1feed", "ext", "arkdown"])
async def test_a_first_character_is_part_of_the_word(typed: str) -> None:
    assert await ask(skill, typed) is None


@pytest.mark.parametrize(
    "typed", ["", " ", "你好", "text 你好", "texts", "feed流", "跳转", "empty"]
)
async def test_anything_else_gets_no_reply(typed: str) -> None:
    assert await ask(skill, typed) is None


@pytest.mark.parametrize("command", ["text", "markdown"])
@pytest.mark.parametrize("circumstances", [{"staff_id": ""}, {"group": False}])
async def test_a_sender_who_cannot_or_need_not_be_mentioned_is_not(
    command: str, circumstances: dict[str, Any]
) -> None:
    payload = await payload_for(command, **circumstances)
    assert "at" not in payload
    assert "@" not in str(payload)


async def test_a_question_in_traditional_characters_is_answered_in_them() -> None:
    payload = await payload_for("獨立跳轉")
    assert payload["actionCard"]["title"] == "州的先生 Python 實戰教程合集"
    assert [each["title"] for each in payload["actionCard"]["btns"]] == ["去看看", "不感興趣"]
