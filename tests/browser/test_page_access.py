"""For everybody: keyboard, screen reader, phone, light and dark, two languages."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from dingda.simulator.dingtalk.card_templates import ANSWER_TEMPLATE
from tests.browser.bot_account import BotAccount
from tests.browser.chat_page import ChatPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = {"serious", "critical"}
CHOICES = json.dumps(
    [
        {
            "text": text,
            "color": color,
            "event": {"type": "sendCardRequest", "params": {"actionId": text}},
        }
        for text, color in (("拒绝", "red"), ("再说", "gray"), ("同意", "blue"))
    ]
)
"""The buttons of a card."""


async def findings(page: Page) -> list[str]:
    """What axe finds that keeps people from using the page."""
    await page.evaluate(AXE.read_text("utf-8"))
    result: dict[str, Any] = await page.evaluate(
        "axe.run(document, { resultTypes: ['violations'] })"
    )
    return [
        f"{violation['id']}: {node['target']}"
        for violation in result["violations"]
        for node in violation["nodes"]
        if violation["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_a_chat_with_every_kind_of_reply(
    chat: ChatPage, page: Page, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await chat.open("group")
    for said in ("text", "markdown", "整体跳转", "独立跳转", "feed", "吃了吗"):
        await chat.say(said)
    await chat.expect_state("unmatched")
    assert await findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_cards_and_pushes(
    chat: ChatPage, account: BotAccount, page: Page, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    table = "|城市|度|\n|-|-|\n|北京|3|\n\n```\ncode\n```\n"
    growing = await account.show_card({"content": ""}, to="王五", template=ANSWER_TEMPLATE)
    await account.stream(growing, table)
    await account.show_card({"title": "请假", "content": "周五", "buttons": CHOICES}, to="王五")
    await account.push("sampleFile", "王五", mediaId="@lAL-1", fileName="表.xlsx", fileType="xlsx")
    await account.push("sampleImageMsg", "王五", photoURL="https://img.alicdn.com/plot.png")
    await chat.open_single("王五")
    await page.get_by_role("button", name="同意").last.click()
    await expect(page.locator(".toast").last).to_have_text("操作失败，请重试")
    assert await findings(page) == []
    await page.locator("[data-card] .state").last.click()
    assert await findings(page) == []


@pytest.mark.parametrize("width", [320, 390])
async def test_no_card_is_wider_than_the_screen(
    chat: ChatPage, account: BotAccount, page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    code = f"```\n{'code ' * 50}\n```\n\n|{'宽|' * 30}\n|{'-|' * 30}\n"
    await account.show_card({"title": "请假" * 30, "content": code, "buttons": CHOICES}, to="王五")
    await chat.open_single("王五")
    await expect(page.locator("[data-card]").last).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate(
        "(log) => log.scrollWidth <= log.clientWidth", await page.query_selector("#log")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_the_panels(
    chat: ChatPage, page: Page, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await chat.open_single("面板")
    await chat.choose_fault("replies", "refuse")
    await chat.say("text")
    await chat.expect_state("dead")
    await chat.open_details()
    await chat.details.get_by_text("回调原文").click()
    assert await findings(page) == []
    await page.locator("#bad-day-button").click()
    assert await findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_the_list_and_in_what_was_inspected(
    chat: ChatPage, page: Page, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await chat.open_with("检视", "打听 北京 3")
    await chat.say("摔跤")
    await chat.expect_state("dead")
    await chat.say("慢 5")
    await expect(page.locator(".log > .waiting")).to_be_visible()
    await page.locator("#messages-button").click()
    assert await findings(page) == []
    for words in ("摔跤", "打听 北京 3"):
        await page.locator("#messages li", has_text=words).first.get_by_role("button").click()
        await chat.details.get_by_text("这条消息的日志").click()
        assert await findings(page) == []
        await page.keyboard.press("Escape")


async def test_axe_has_no_serious_finding_on_a_phone(chat: ChatPage, page: Page) -> None:
    await page.set_viewport_size({"width": 360, "height": 720})
    await chat.open("group", query="?lang=en")
    await chat.say("feed")
    await expect(chat.reply).to_be_visible()
    assert await findings(page) == []


async def test_axe_is_able_to_find_something(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.evaluate("document.getElementById('text').removeAttribute('aria-label')")
    await page.evaluate("document.getElementById('text').removeAttribute('placeholder')")
    assert [finding.partition(":")[0] for finding in await findings(page)] == ["label"]


async def test_everything_can_be_done_by_the_keyboard(chat: ChatPage, page: Page) -> None:
    await chat.open_with("键盘", "text")
    await chat.state.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#details-title")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="关闭")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.mine")).to_have_count(2)
    await page.keyboard.press("Escape")
    await expect(chat.details).to_be_hidden()
    await expect(page.locator("button.state").first).to_be_focused()


async def test_the_first_tab_leads_past_the_list_to_the_message_box(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到输入框")).to_be_focused()


async def test_a_screen_reader_hears_replies_from_a_live_log(chat: ChatPage, page: Page) -> None:
    await chat.open_single("听众")
    await chat.say("text")
    log = page.get_by_role("log", name="聊天记录")
    await expect(log).to_contain_text("你刚刚发的消息是：[text]")
    await expect(chat.state).to_have_attribute("aria-label", "这条消息怎么样了: 已回答")


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_nothing_is_wider_than_the_screen(chat: ChatPage, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    await chat.open("group")
    await chat.say("feed")
    await expect(chat.reply).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await chat.open_details()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_page_speaks_chinese_and_english(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


async def test_both_languages_have_the_same_texts(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    shapes = await page.evaluate(
        """async () => {
             const module = await import("/static/texts.js");
             const shape = (value) => typeof value !== "object" ? typeof value
               : Object.fromEntries(Object.keys(value).sort().map((k) => [k, shape(value[k])]));
             const first = shape(module.texts);
             module.switchLanguage();
             return [first, shape(module.texts)];
           }"""
    )
    assert shapes[0] == shapes[1]


async def test_the_theme_follows_the_system_until_it_is_chosen(chat: ChatPage, page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="dark")
    await chat.open("group")
    dark = await page.evaluate(background)
    await page.locator("#theme-button").click()
    light = await page.evaluate(background)
    assert dark != light
    await page.reload()
    await page.wait_for_selector("html[data-ready]")
    assert await page.evaluate(background) == light


@pytest.mark.parametrize(("language", "name"), [("zh", "无技能匹配"), ("en", "no match")])
async def test_a_state_has_a_name_in_the_pages_language(
    chat: ChatPage, language: str, name: str
) -> None:
    await chat.open("single/译名", query=f"?lang={language}")
    await chat.say("吃了吗")
    await chat.expect_state("unmatched")
    await expect(chat.state).to_have_text(name)
    await expect(chat.note).to_contain_text(name)
    await chat.open_details()
    await expect(chat.details.locator("span.state")).to_have_text(name)
    await expect(chat.step("ended")).to_contain_text(name)


@pytest.mark.parametrize("width", [700, 768, 900, 1024])
async def test_on_a_tablet_no_panel_covers_the_chat(chat: ChatPage, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await chat.open_with("平板", "text")
    await chat.open_details()
    panel = await chat.details.bounding_box()
    assert panel is not None
    for part in ("#log", "#composer", "main h2"):
        box = await page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= panel["x"]
        assert box["width"] >= width / 3
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
