"""Each group, and each person with each robot, is a conversation of its own."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage
from tests.support.simulator_harness import Bot

pytestmark = pytest.mark.asyncio(loop_scope="session")

Staged = tuple[ChatPage, Bot]


async def test_a_group_of_another_name_is_a_conversation_of_its_own(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    await page.get_by_text("新会话").click()
    await page.get_by_label("名字").fill("值班群")
    await chat.press("打开")
    await expect(page.locator("#title")).to_have_text("值班群")
    await expect(page.locator(".message")).to_have_count(0)
    assert (await chat.send("text"))["conversationTitle"] == "值班群"
    await expect(chat.reply.locator(".bubble")).to_contain_text("[text]")
    await expect(page.get_by_role("navigation").get_by_text("值班群")).to_be_visible()


async def test_a_single_chat_with_somebody_new_is_opened(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.get_by_text("新会话").click()
    await page.get_by_label("新会话").select_option("single")
    await page.get_by_label("名字").fill("新人")
    await chat.press("打开")
    callback = await chat.send("text")
    assert (callback["senderNick"], callback["conversationType"]) == ("新人", "1")


async def test_a_group_speaks_to_the_robot_that_is_chosen(staged_robots: Staged) -> None:
    chat, bot = staged_robots
    bot.replies = [{"msgtype": "text", "text": {"content": "好"}}]
    await chat.open("group")
    assert (await chat.send("问"))["robotCode"] == "dingabc"
    await chat.page.get_by_label("对谁说").select_option("人事助手")
    assert (await chat.send("问"))["robotCode"] == "dinghr"
    await expect(chat.mine.locator(".mention")).to_have_text("@人事助手")
    await expect(chat.page.locator(".message.bot .name")).to_contain_text(["小钉", "人事助手"])


async def test_a_single_chat_with_another_robot_is_a_conversation_of_its_own(
    staged_robots: Staged,
) -> None:
    chat, _ = staged_robots
    await chat.open_single("张三")
    await chat.send("问")
    await chat.page.get_by_label("对谁说").select_option("人事助手")
    await expect(chat.page.locator("#title")).to_have_text("张三 与人事助手的单聊")
    await expect(chat.page.locator(".message")).to_have_count(0)
    callback = await chat.send("问")
    assert (callback["robotCode"], callback["conversationType"]) == ("dinghr", "1")
    await chat.page.reload()
    await expect(chat.page.locator(".message.mine")).to_have_count(1)


async def test_the_examples_are_those_of_the_robot_that_is_chosen(staged_robots: Staged) -> None:
    chat, _ = staged_robots
    await chat.open("group")
    examples = chat.page.locator("#suggestions button")
    await expect(examples).to_have_text(["天气"])
    await chat.page.locator("#robot").select_option("人事助手")
    await expect(examples).to_have_text(["年假"])


async def test_one_robot_needs_no_choice(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await expect(page.get_by_label("对谁说")).to_be_hidden()
