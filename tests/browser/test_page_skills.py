"""What a skill can do besides one reply, from the words to what the page shows."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_a_dialogue_is_led_by_tapping(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.say("下午茶")
    await expect(chat.reply).to_contain_text("喝什么？")
    await chat.reply.get_by_role("button", name="绿茶").last.click()
    await expect(chat.mine.locator(".bubble")).to_have_text("@钉答 绿茶")
    await expect(chat.reply).to_contain_text("绿茶，几分糖？")
    await chat.reply.get_by_role("button", name="七分糖").last.click()
    await expect(chat.reply.locator(".bubble")).to_have_text("好的：绿茶，七分糖")


async def test_what_another_person_says_does_not_answer_a_question(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    await chat.say("下午茶")
    await expect(chat.reply).to_contain_text("喝什么？")
    await page.locator("#speaker").select_option("李四")
    await chat.say("红茶")
    await chat.expect_state("unmatched")
    await page.locator("#speaker").select_option("张三")
    await chat.say("红茶")
    await expect(chat.reply).to_contain_text("红茶，几分糖？")


async def test_a_plot_is_pushed_to_the_senders_single_chat(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await chat.say("画图")
    await expect(chat.reply.locator(".bubble")).to_have_text("画好了，在我们的单聊里")
    item = page.get_by_role("navigation").get_by_role("button", name="张三 的单聊")
    await expect(item).to_contain_text("条新消息")
    await item.click()
    await expect(chat.reply.get_by_role("img", name="访问量")).to_have_js_property(
        "naturalWidth", 252
    )


async def test_an_approval_is_decided_by_the_manager_and_seen_by_both(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    notes = await page.locator(".note").count()
    await chat.say("报销 120")
    card = page.locator("[data-card]").last
    await expect(card).to_contain_text("张三 申请报销 120 元")

    await card.get_by_role("button", name="同意").click()
    await expect(card).to_contain_text("这张卡片不是给你处理的")
    await expect(card.get_by_role("button", name="同意")).to_be_visible()

    await page.locator("#speaker").select_option("王五")
    await expect(card).not_to_contain_text("这张卡片不是给你处理的")
    await card.get_by_role("button", name="同意").click()
    await expect(card).to_contain_text("王五：同意")
    await expect(card).to_contain_text("120 元周五到账")

    await page.locator("#speaker").select_option("张三")
    await expect(card).to_contain_text("王五：同意")
    await expect(card.get_by_role("button", name="同意")).to_have_count(0)
    await chat.expect_state("answered")
    await expect(page.locator(".note")).to_have_count(notes)


async def test_an_answer_grows_while_it_is_made(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    cards = page.locator("[data-card]")
    count = await cards.count()
    # Watched from the first on: how long a piece is to be seen is the skill's business.
    await page.evaluate(
        """() => {
             window.lengths = new Set();
             const note = () => {
               const texts = document.querySelectorAll("[data-card] .markdown[aria-busy=true]");
               for (const text of texts) window.lengths.add(text.textContent.length);
             };
             new MutationObserver(note).observe(document.getElementById("log"), {
               childList: true,
               subtree: true,
             });
           }"""
    )
    await chat.say("讲故事")
    card = cards.nth(count)
    await expect(card.locator(".state")).to_have_text("完成", timeout=20_000)
    await expect(card.locator(".markdown")).to_contain_text("再也没等到兔子")
    await chat.expect_state("answered")
    assert len(await page.evaluate("[...window.lengths]")) > 1
