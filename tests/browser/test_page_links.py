"""Addresses that lead to a message: to be reloaded, sent to a colleague, gone back to."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_message_whose_details_are_open_is_in_the_address_and_a_reload_keeps_it(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_with("链接", "text")
    await chat.open_details()
    await expect(page).to_have_url(re.compile(r"#/single/%E9%93%BE%E6%8E%A5/message/[^/]+$"))
    await page.reload()
    await expect(chat.details.locator(".quote")).to_have_text("text")
    await expect(chat.mine).to_have_class(re.compile(r"\bchosen\b"))


async def test_a_copied_link_leads_to_a_message_of_long_ago(chat: ChatPage, page: Page) -> None:
    await chat.open_with("往事", "text")
    await chat.open_details()
    await chat.press("复制链接")
    link = await page.evaluate("navigator.clipboard.readText()")
    for _ in range(5):
        await chat.say("markdown")
    await expect(page.locator(".message.bot")).to_have_count(6)
    await chat.open("group")
    await page.goto(link)
    first = page.locator(".message.mine").first
    await expect(first.locator(".bubble")).to_be_in_viewport()
    await expect(chat.details.locator(".quote")).to_have_text("text")


async def test_the_browsers_back_closes_the_details(chat: ChatPage, page: Page) -> None:
    await chat.open_single("后退")
    await chat.say("text")
    await chat.open_details()
    await page.go_back()
    await expect(chat.details).to_be_hidden()
    await page.go_forward()
    await expect(chat.details).to_be_visible()


async def test_a_link_that_names_another_conversation_leads_to_the_messages_own(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_with("搬家", "text")
    await chat.open_details()
    await page.goto(page.url.replace("single/%E6%90%AC%E5%AE%B6", "group"))
    await expect(page.locator("#title")).to_have_text("搬家 的单聊")
    await expect(chat.details).to_be_visible()


async def test_a_link_to_a_message_that_is_gone_says_so(chat: ChatPage, page: Page) -> None:
    await chat.open("group/message/gone")
    await expect(page.get_by_role("alert")).to_contain_text("这条消息已经不在了")
    await expect(chat.details).to_be_hidden()
    await expect(page).to_have_url(re.compile(r"#/group$"))


@pytest.mark.parametrize("address", ["group", "/group", "%E0%A4%A", "nowhere", ""])
async def test_an_address_that_names_nothing_leads_to_the_group(
    chat: ChatPage, page: Page, address: str
) -> None:
    await page.goto(f"{chat.url}/#{address}")
    await expect(page.locator("#title")).to_have_text("钉答演示群")
