"""Each reply as DingTalk renders it, quirks included; the bot here says what the test tells it."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect
from starlette.responses import JSONResponse

from dingda.shared.texts import BUSY
from tests.browser.chat_page import ChatPage
from tests.support.simulator_harness import Bot

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
Staged = tuple[ChatPage, Bot]

BUTTONS = [
    {"title": "甲", "actionURL": "https://a.example/"},
    {"title": "乙", "actionURL": "https://b.example/"},
]


async def shown(staged: Staged, payload: dict[str, Any]) -> Locator:
    chat, bot = staged
    bot.replies = [payload]
    await chat.open("group")
    await chat.say("你好")
    await expect(chat.reply).to_be_visible()
    return chat.reply.locator(".bubble")


async def markdown(staged: Staged, text: str) -> str:
    payload = {"msgtype": "markdown", "markdown": {"title": "题", "text": text}}
    bubble = await shown(staged, payload)
    return await bubble.inner_html()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# 一\n###### 六", '<div class="md-h1">一</div><div class="md-h6">六</div>'),
        ("**粗** *斜*", "<p><strong>粗</strong> <em>斜</em></p>"),
        ("> 引用\n> 两行", "<blockquote><p>引用 两行</p></blockquote>"),
        ("- 甲\n- 乙", "<ul><li>甲</li><li>乙</li></ul>"),
        ("1. 甲\n2. 乙", "<ol><li>甲</li><li>乙</li></ol>"),
        ("一行\n又一行", "<p>一行 又一行</p>"),
        ("一行  \n又一行", "<p>一行<br>又一行</p>"),
        ("一段\n\n又一段", "<p>一段</p><p>又一段</p>"),
        ("紧挨着\n1. 不是列表", "<p>紧挨着 1. 不是列表</p>"),
        ("a&nbsp;b", "<p>a&nbsp;b</p>"),
        ("~~不划掉~~", "<p>~~不划掉~~</p>"),
        ("```\ncode\n```", "<p>``` code ```</p>"),
        ("|a|b|\n|-|-|", "<p>|a|b| |-|-|</p>"),
        ("<font color=red>红</font>", "<p>&lt;font color=red&gt;红&lt;/font&gt;</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        (r"\*星\*", "<p>*星*</p>"),
        ("#话题", "<p>#话题</p>"),
        ("[坏](javascript:alert(1))", '<p><span title="javascript:alert(1">坏</span>)</p>'),
        (
            "[好](https://a.example/)",
            '<p><a href="https://a.example/" target="_blank" rel="noopener noreferrer">好</a></p>',
        ),
    ],
)
async def test_markdown_is_the_subset_that_dingtalk_knows(
    staged: Staged, text: str, html: str
) -> None:
    assert await markdown(staged, text) == html


@pytest.mark.parametrize("text", ["> " * 6000, "**a** " * 3000, "*" * 15_000, "[" * 15_000])
async def test_markdown_that_is_all_marks_is_shown_too(staged: Staged, text: str) -> None:
    assert await markdown(staged, text) != ""


async def test_horizontal_buttons_are_side_by_side(staged: Staged) -> None:
    card = {"title": "题", "text": "文", "btnOrientation": "1", "btns": BUTTONS}
    bubble = await shown(staged, {"msgtype": "actionCard", "actionCard": card})
    boxes = [await link.bounding_box() for link in await bubble.get_by_role("link").all()]
    left, right = [box for box in boxes if box]
    assert left["y"] == right["y"]
    assert left["x"] < right["x"]


async def test_a_card_with_one_link_ignores_its_buttons(staged: Staged) -> None:
    one = {"singleTitle": "全文", "singleURL": "https://a.example/"}
    card = {"title": "题", "text": "文", **one, "btns": BUTTONS}
    bubble = await shown(staged, {"msgtype": "actionCard", "actionCard": card})
    await expect(bubble.get_by_role("link")).to_have_text(["全文"])


async def test_a_card_may_hide_the_bots_picture(staged: Staged) -> None:
    card = {"title": "题", "text": "文", "hideAvatar": "1", "btns": BUTTONS}
    await shown(staged, {"msgtype": "actionCard", "actionCard": card})
    await expect(staged[0].reply.locator(".avatar")).to_have_count(0)


async def test_a_button_may_send_a_text_for_the_user(staged: Staged) -> None:
    say = "dtmd://dingtalkclient/sendMessage?content=%E5%A4%A9%E6%B0%94"
    card = {"title": "题", "text": "文", "btns": [*BUTTONS, {"title": "问", "actionURL": say}]}
    bubble = await shown(staged, {"msgtype": "actionCard", "actionCard": card})
    await bubble.get_by_role("button", name="问").click()
    await expect(staged[0].mine.locator(".bubble")).to_have_text("@钉答 天气")


async def test_a_picture_that_cannot_be_loaded_leaves_words(staged: Staged) -> None:
    bubble = await shown(
        staged,
        {"msgtype": "markdown", "markdown": {"title": "题", "text": "![图](http://127.0.0.1:9/x)"}},
    )
    await expect(bubble.locator(".no-picture")).to_have_text("[图]")


async def test_only_users_named_under_at_are_highlighted(staged: Staged) -> None:
    content = {"content": "@user1 @user2"}
    bubble = await shown(
        staged, {"msgtype": "text", "text": content, "at": {"atUserIds": ["user1"]}}
    )
    await expect(bubble.locator(".mention")).to_have_text(["@user1"])


async def test_everyone_is_mentioned_at_the_end(staged: Staged) -> None:
    payload = {"msgtype": "text", "text": {"content": "开会"}, "at": {"isAtAll": True}}
    await expect((await shown(staged, payload)).locator(".mention")).to_have_text("@所有人")


async def test_a_link_message_is_one_link(staged: Staged) -> None:
    content = {"title": "题", "text": "文", "messageUrl": "https://a.example/"}
    await shown(staged, {"msgtype": "link", "link": content})
    await expect(staged[0].reply.get_by_role("link")).to_have_text("题文")


async def test_html_in_a_reply_stays_text(staged: Staged, page: Page) -> None:
    content = "<img src=x onerror=alert(1)>"
    bubble = await shown(staged, {"msgtype": "text", "text": {"content": content}})
    await expect(bubble).to_have_text(content)
    assert await page.locator(".log img").count() == 0


async def test_a_reply_in_the_callbacks_response_is_shown_and_marked(staged: Staged) -> None:
    chat, bot = staged
    bot.response = JSONResponse({"msgtype": "text", "text": {"content": "系统繁忙"}})
    await chat.open("group")
    await chat.say("你好")
    await expect(chat.reply.locator(".bubble")).to_have_text("系统繁忙")
    await expect(chat.reply.locator(".remark")).to_have_text("写在回调的响应里")


async def test_a_message_that_the_gateway_is_too_busy_for_is_not_called_taken(
    staged: Staged,
) -> None:
    chat, bot = staged
    bot.response = JSONResponse({"msgtype": "text", "text": {"content": BUSY}})
    await chat.open("group")
    await chat.say("你好")
    await chat.expect_state("turned_away")


async def test_a_reply_that_dingtalk_refuses_is_not_shown(staged: Staged) -> None:
    chat, bot = staged
    bot.replies = [{"msgtype": "image"}]
    await chat.open("group")
    await chat.say("你好")
    await expect(chat.page.locator(".note.bad")).to_contain_text("errcode 400105")
    await expect(chat.page.locator(".message.bot")).to_have_count(0)
