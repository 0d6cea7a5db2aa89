"""A whole callback's body is edited, signed and sent, whatever is in it."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

RAW = "整个回调的原文……"


async def test_a_whole_callback_begins_as_what_the_box_holds(chat: ChatPage, page: Page) -> None:
    await chat.open("group/没人说过话")
    await chat.add("外部联系人")
    await chat.add_mention("李四")
    await page.locator("#text").fill("text")
    await chat.add(RAW)
    body = json.loads(await page.get_by_label("回调的 body").input_value())
    assert body["text"] == {"content": " text"}
    assert (len(body["atUsers"]), "senderStaffId" in body) == (2, False)
    await chat.send_raw()
    await expect(page.locator("#title")).to_have_text("没人说过话")
    await expect(page.locator(".message.mine")).to_have_count(1)


async def test_any_body_is_signed_and_sent(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await chat.add(RAW)
    body = json.loads(await page.get_by_label("回调的 body").input_value())
    assert not {"sessionWebhook", "msgId"} & body.keys()
    body["text"]["content"] = "  text"
    await page.get_by_label("回调的 body").fill(json.dumps(body | {"odd": [None]}))
    await expect(page.get_by_text("JSON 对象，msgtype 是「text」")).to_be_visible()
    sent = await chat.send_raw()
    assert (sent["odd"], sent["text"]["content"]) == ([None], "  text")
    assert sent["sessionWebhook"].startswith(chat.url)
    await expect(page.get_by_label("回调的 body")).to_be_hidden()
    await expect(chat.reply.locator(".bubble")).to_contain_text("[text]")
    await expect(chat.mine.locator(".remark")).to_have_text("回调原文")


async def test_a_body_that_is_not_json_is_marked_so_and_sent_all_the_same(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    await chat.add(RAW)
    await page.get_by_label("回调的 body").fill('{"msgtype": "text",}')
    await expect(page.get_by_text("不是 JSON，原样送出")).to_be_visible()
    await expect(page.get_by_role("button", name="整理")).to_be_disabled()
    await chat.send_raw()
    await expect(page.locator(".message .state").last).to_have_attribute("data-state", "HTTP 400")


async def test_a_body_is_sent_byte_for_byte(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await chat.add(RAW)
    await page.get_by_label("回调的 body").fill('{"msgId":   "once"}')
    await page.get_by_label("一个字节也不改").check()
    await expect(page.get_by_text("JSON 对象，原样送出。")).to_be_visible()
    assert await chat.send_raw() == {"msgId": "once"}


async def test_every_shape_that_bots_have_got_wrong_is_sent_and_acknowledged(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group/走样")
    await page.locator("#add").click()
    await page.get_by_text("让机器人栽过跟头的消息").click()
    presets = await page.locator("#add-menu details button").all_text_contents()
    assert len(presets) > 10
    await page.keyboard.press("Escape")
    for preset in presets:
        await page.locator("#add").click()
        await page.get_by_text("让机器人栽过跟头的消息").click()
        await page.get_by_role("button", name=preset, exact=True).click()
        await (chat.send_raw() if preset.endswith("…") else chat.send())
        await expect(chat.page.locator(".message .state").last).not_to_have_text("正在发送")
    states = await page.locator(".message .state").evaluate_all(
        "(states) => states.map((state) => state.dataset.state)"
    )
    assert len(states) == len(presets)
    assert not [state for state in states if state.startswith(("HTTP", "undelivered"))]
