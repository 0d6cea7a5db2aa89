"""All messages in one list: filtered, opened, changed and sent again, kept as a transcript."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def open_list(page: Page) -> Locator:
    await page.get_by_role("button", name="消息", exact=True).click()
    return page.locator("#messages .messages li")


async def search(page: Page, text: str) -> None:
    await page.get_by_role("searchbox", name="说的或回复里的字").fill(text)


async def test_the_list_has_the_messages_of_every_conversation_the_newest_first(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("列一")
    await chat.say("text")
    await chat.expect_state("answered")
    await chat.open_single("列二")
    await chat.say("markdown")
    await chat.expect_state("answered")
    rows = await open_list(page)
    await expect(rows.nth(0)).to_contain_text(
        re.compile("列二.*已回答.*markdown.*列二 的单聊", re.DOTALL)
    )
    await expect(rows.nth(1)).to_contain_text("列一")
    assert await findings(page) == []


async def test_a_message_in_the_list_leads_to_its_chat_and_details_and_back(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("列三")
    await chat.say("text")
    await chat.expect_state("answered")
    await chat.open("group")
    rows = await open_list(page)
    await rows.filter(has_text="列三").get_by_role("button").click()
    await expect(page.locator("#title")).to_have_text("列三 的单聊")
    await expect(chat.details).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#messages")).to_be_visible()
    await expect(rows.filter(has_text="列三").get_by_role("button")).to_be_focused()


async def test_the_list_is_filtered_by_state_and_by_sender(chat: ChatPage, page: Page) -> None:
    await chat.open_single("筛一")
    await chat.say("吃了吗")
    await chat.expect_state("unmatched")
    await chat.say("text")
    await chat.expect_state("answered")
    rows = await open_list(page)
    await page.get_by_role("combobox", name="所有人").select_option("筛一")
    await expect(rows).to_have_count(2)
    await page.get_by_role("combobox", name="所有状态").select_option(label="无技能匹配")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("吃了吗")
    await expect(page.locator("#messages .hint[role=status]").last).to_contain_text("1 条")


async def test_the_list_is_searched_for_words_of_messages_and_of_replies(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("筛二")
    await chat.say("markdown")
    await expect(chat.reply).to_be_visible()
    rows = await open_list(page)
    await page.get_by_role("combobox", name="所有人").select_option("筛二")
    await search(page, "MARKDOWN")
    await expect(rows).to_have_count(1)
    await search(page, "这是一个钉钉机器人")
    await expect(rows).to_have_count(1)
    await search(page, "没有这样的话")
    await expect(rows).to_have_count(0)


async def test_the_list_goes_on_while_somebody_types_into_its_filter(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("筛三")
    rows = await open_list(page)
    box = page.get_by_role("searchbox", name="说的或回复里的字")
    await box.fill("筛三的话")
    await page.evaluate(
        """() => fetch("/api/messages", {method: "POST",
           headers: {"Content-Type": "application/json"},
           body: JSON.stringify({text: "筛三的话", sender: "筛三", single: true})})"""
    )
    await expect(rows).to_have_count(1)
    await expect(box).to_be_focused()
    await expect(box).to_have_value("筛三的话")


async def test_a_message_is_changed_and_sent_again(chat: ChatPage, page: Page) -> None:
    await chat.open_single("改写")
    await chat.say("吃了吗")
    await chat.expect_state("unmatched")
    await chat.open_details()
    await chat.details.get_by_role("button", name="改一改再发").click()
    box = page.locator("#text")
    await expect(box).to_be_focused()
    await expect(box).to_have_value("吃了吗")
    await box.fill("text")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.mine")).to_have_count(2)
    await chat.expect_state("answered")


async def test_a_raw_callback_is_changed_in_its_own_editor(chat: ChatPage, page: Page) -> None:
    await chat.open_single("原样")
    await chat.say("text")
    await chat.expect_state("answered")
    await page.evaluate(
        """async () => {
             const record = (await (await fetch("/api/messages")).json()).at(-1);
             await fetch("/api/callbacks", {method: "POST",
               headers: {"Content-Type": "application/json"},
               body: JSON.stringify(record.callback)});
           }"""
    )
    await expect(page.locator(".message.mine")).to_have_count(2)
    await chat.open_details()
    await chat.details.get_by_role("button", name="改一改再发").click()
    await expect(page.locator("#raw-editor textarea")).to_have_value(
        re.compile('"senderNick": "原样"')
    )


@pytest.mark.parametrize("width", [390, 768])
async def test_the_list_fits_a_phone_and_a_tablet(chat: ChatPage, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await chat.open_single("窄")
    await chat.say("text")
    await chat.expect_state("answered")
    await open_list(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await findings(page) == []
