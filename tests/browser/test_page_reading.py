"""What helps to follow a chat: who is at work, what is new, what was said before, what is long."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings
from tests.support.simulator_harness import Bot

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "\n".join(f"第 {number} 行" for number in range(60))


async def send(chat: ChatPage, text: str, sender: str, *, single: bool = True) -> None:
    """Say something elsewhere than on the page."""
    message = {"text": text, "sender": sender, "single": single}
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{chat.url}/api/messages", json=message)


async def test_a_sign_tells_that_the_bot_is_at_work_and_for_how_long(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("等待")
    await chat.say("慢 2.5")
    sign = page.locator(".log > .waiting")
    await expect(sign).to_have_text(re.compile("处理中 · 0 秒"))
    assert await findings(page) == []
    await expect(sign).to_have_text(re.compile("处理中 · 1 秒"))
    await expect(chat.reply).to_be_visible()
    await expect(sign).to_have_count(0)


async def test_one_sign_counts_the_messages_that_wait(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    for sender in ("甲", "乙", "丙"):
        await send(chat, "慢 3", sender, single=False)
    sign = page.locator(".log > .waiting")
    await expect(sign).to_have_count(1)
    await expect(sign).to_contain_text("3 条消息在处理")
    # Their answers would be news in the tests after this one.
    await expect(sign).to_have_count(0, timeout=15_000)


async def test_what_came_elsewhere_is_counted_and_a_line_marks_where_it_begins(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_with("远方", "text")
    await chat.open("group")
    await send(chat, "text", "远方")
    item = page.get_by_role("navigation").get_by_role("button", name=re.compile("远方 的单聊"))
    await expect(item).to_contain_text("2 条新消息")
    await expect(page).to_have_title(re.compile(r"^\(2\) "))
    await item.click()
    await expect(chat.reply).to_be_visible()
    kinds = await page.locator(".log > *").evaluate_all(
        "(items) => items.map((item) => item.className)"
    )
    assert kinds == ["message mine", "message bot", "divider", "message mine", "message bot"]
    await expect(page).not_to_have_title(re.compile(r"^\("))
    assert await findings(page) == []
    await chat.open("group")
    await chat.open_single("远方")
    await expect(page.locator(".divider")).to_have_count(0)


async def test_what_comes_while_nobody_sees_the_page_is_counted_in_its_title(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("背后")
    await page.evaluate(
        """() => {
             Object.defineProperty(document, "hidden", { get: () => window.away });
             window.away = true;
             document.dispatchEvent(new Event("visibilitychange"));
           }"""
    )
    await send(chat, "text", "背后")
    await expect(page).to_have_title(re.compile(r"^\(2\) "))
    await page.evaluate(
        """() => {
             window.away = false;
             document.dispatchEvent(new Event("visibilitychange"));
           }"""
    )
    await expect(page).not_to_have_title(re.compile(r"^\("))
    await expect(page.locator(".divider")).to_have_count(1)


async def test_what_comes_while_one_reads_further_up_is_a_press_away(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("上面")
    for _ in range(5):
        await chat.say("markdown")
    await expect(page.locator(".message.bot")).to_have_count(5)
    await page.locator("#log").evaluate("(log) => log.scrollTo(0, 0)")
    await send(chat, "text", "上面")
    newest = page.get_by_role("button", name="↓ 有新消息")
    await expect(newest).to_be_visible()
    assert await findings(page) == []
    await newest.click()
    await expect(chat.reply).to_be_in_viewport()
    await expect(newest).to_be_hidden()


async def test_arrow_up_in_an_empty_box_brings_back_what_was_said(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("回忆")
    for said in ("text", "feed", "feed", "markdown"):
        await chat.say(said)
    box = page.locator("#text")
    for key, text in [
        ("ArrowUp", "markdown"),
        ("ArrowUp", "feed"),
        ("ArrowUp", "text"),
        ("ArrowUp", "text"),
        ("ArrowDown", "feed"),
        ("ArrowDown", "markdown"),
        ("ArrowDown", ""),
    ]:
        await page.keyboard.press(key)
        await expect(box).to_have_value(text)


async def test_arrow_up_never_replaces_what_is_typed(chat: ChatPage, page: Page) -> None:
    await chat.open_single("打字")
    await chat.say("text")
    await page.keyboard.type("还没说完")
    await page.keyboard.press("ArrowUp")
    await expect(page.locator("#text")).to_have_value("还没说完")


async def test_a_recalled_text_that_was_changed_is_kept(chat: ChatPage, page: Page) -> None:
    await chat.open_single("改动")
    await chat.say("text")
    await chat.say("feed")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.type("!")
    await page.keyboard.press("ArrowUp")
    await expect(page.locator("#text")).to_have_value("feed!")


@pytest.mark.parametrize(
    "reply",
    [
        {"msgtype": "text", "text": {"content": LONG}},
        {"msgtype": "markdown", "markdown": {"title": "长", "text": LONG.replace("\n", "\n\n")}},
    ],
)
async def test_long_texts_show_their_beginning_and_unfold(
    staged: tuple[ChatPage, Bot], reply: object
) -> None:
    chat, bot = staged
    bot.replies = [reply]
    await chat.open_single("长篇")
    await chat.page.locator("#text").fill(LONG)
    await chat.page.keyboard.press("Enter")
    for message in (chat.mine, chat.reply):
        unfold = message.get_by_role("button", name="展开全文")
        await expect(unfold).to_be_visible()
        folded = await message.bounding_box()
        await unfold.click()
        unfolded = await message.bounding_box()
        assert folded is not None
        assert unfolded is not None
        assert folded["height"] < 450 < unfolded["height"]
        await expect(message.get_by_role("button", name="收起")).to_be_visible()
    assert await findings(chat.page) == []


async def test_the_newest_stays_in_sight_while_the_box_below_grows(chat: ChatPage) -> None:
    await chat.open_single("长聊")
    for _ in range(6):
        await chat.say("text")
        await chat.expect_state("answered")
    await expect(chat.reply).to_be_in_viewport(ratio=1)
    await chat.add("富文本，随处切开")
    await expect(chat.reply).to_be_in_viewport(ratio=1)


async def test_the_newest_stays_in_sight_when_its_picture_comes(chat: ChatPage, page: Page) -> None:
    await chat.open_single("看图")
    for _ in range(6):
        await chat.say("text")
        await chat.expect_state("answered")
    await chat.attach("screen.png", await page.screenshot())
    await expect(chat.state).to_be_in_viewport(ratio=1)


async def test_the_newest_stays_in_sight_when_pictures_come_before_the_scroll_is_told(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("早图")
    await chat.say("text")
    await chat.expect_state("answered")
    left_below = await page.locator("#log").evaluate(
        """async (log) => {
             const frame = () => new Promise(requestAnimationFrame);
             const comes = () => log.dispatchEvent(new Event("load"));
             const grows = () => {
               log.append(document.createElement("div"));
               log.lastElementChild.style.height = "1000px";
             };
             grows();
             comes();
             grows();
             await frame();
             await frame();
             comes();
             return log.scrollHeight - log.clientHeight - log.scrollTop;
           }"""
    )
    assert left_below < 1


async def test_the_list_of_conversations_names_who_is_mentioned(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await chat.say("text")
    await chat.expect_state("answered")
    item = page.get_by_role("navigation").get_by_role("button", name=re.compile("钉答演示群"))
    await expect(item).to_contain_text("@张三")
