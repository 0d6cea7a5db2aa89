"""Cards, pushes and emotions, as each person sees them; a test calls the OpenAPI as the bot."""

import json
from typing import Any

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from dingda.simulator.dingtalk.card_templates import ANSWER_TEMPLATE, FOREIGN_TEMPLATE
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault
from tests.browser.bot_account import BotAccount
from tests.browser.chat_page import ChatPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

TABLE = (
    '<div class="wide" tabindex="0"><table><thead><tr><th>城市</th><th>度</th></tr></thead>'
    "<tbody><tr><td><strong>北京</strong></td><td>3</td></tr></tbody></table></div>"
)


def buttons(*actions: tuple[str, str], status: str = "normal") -> str:
    """The variable that a card's buttons are in; a link's action is its URL."""
    return json.dumps([button(text, action, status) for text, action in actions])


def button(text: str, action: str, status: str) -> dict[str, Any]:
    is_link = action.startswith("https:")
    event: dict[str, Any] = (
        {"type": "openLink", "params": {"url": action}}
        if is_link
        else {"type": "sendCardRequest", "params": {"actionId": action, "params": {}}}
    )
    return {"text": text, "color": "blue", "status": status, "event": event}


def card(chat: ChatPage, out_track_id: str) -> Locator:
    return chat.page.locator(f'[data-card="{out_track_id}"]')


async def test_a_card_is_shown_in_the_conversation_that_it_was_delivered_to(
    chat: ChatPage, account: BotAccount
) -> None:
    shown = await account.show_card({"title": "请假", "content": "**周五** 一天"}, to="王五")
    await chat.open("group")
    await expect(card(chat, shown)).to_have_count(0)
    await chat.open_single("王五")
    await expect(card(chat, shown).locator(".card-title")).to_have_text("请假")
    await expect(card(chat, shown).locator("strong")).to_have_text("周五")


async def test_a_card_changes_where_it_is(chat: ChatPage, account: BotAccount) -> None:
    choices = buttons(("同意", "approve"), ("查看", "https://a.example/"))
    shown = await account.show_card({"content": "等待审批", "buttons": choices})
    await chat.open("group")
    await expect(card(chat, shown).get_by_role("button", name="同意")).to_be_enabled()
    await expect(card(chat, shown).get_by_role("link", name="查看")).to_be_visible()
    await card(chat, shown).evaluate("(node) => { node.dataset.kept = 'yes'; }")
    decided = buttons(("已同意", "approve"), status="disabled")
    await account.update_card(shown, {"content": "王五 同意了", "buttons": decided})
    await expect(card(chat, shown).locator(".markdown")).to_have_text("王五 同意了")
    await expect(card(chat, shown).get_by_role("button", name="已同意")).to_be_disabled()
    await expect(card(chat, shown)).to_have_attribute("data-kept", "yes")


async def test_an_answer_grows_until_its_last_frame(chat: ChatPage, account: BotAccount) -> None:
    shown = await account.show_card({"content": ""}, template=ANSWER_TEMPLATE)
    await chat.open("group")
    await expect(card(chat, shown).locator(".state")).to_have_text("处理中")
    await account.stream(shown, "春眠")
    text = card(chat, shown).locator(".markdown")
    await expect(text).to_have_text("春眠")
    await expect(text).to_have_attribute("aria-busy", "true")
    await expect(card(chat, shown).locator(".state")).to_have_text("输入中")
    await account.stream(shown, "春眠不觉晓", is_final=True)
    await expect(text).to_have_text("春眠不觉晓")
    await expect(text).to_have_attribute("aria-busy", "false")
    await expect(card(chat, shown).locator(".state")).to_have_text("完成")


async def test_a_persons_own_data_is_seen_by_that_person_alone(
    chat: ChatPage, account: BotAccount
) -> None:
    shown = await account.show_card(
        {"content": "投票中"}, private={"李四": {"content": "你投给了甲"}}
    )
    await chat.open("group")
    text = card(chat, shown).locator(".markdown")
    await expect(text).to_have_text("投票中")
    await chat.page.locator("#speaker").select_option("李四")
    await expect(text).to_have_text("你投给了甲")


async def test_a_card_for_some_people_is_hidden_from_the_others(
    chat: ChatPage, account: BotAccount
) -> None:
    shown = await account.show_card({"content": "只给李四"}, recipients=["李四"])
    await chat.open("group")
    await expect(card(chat, shown)).to_have_count(0)
    await chat.page.locator("#speaker").select_option("李四")
    await expect(card(chat, shown)).to_be_visible()


@pytest.mark.parametrize(
    ("content", "template", "words"),
    [
        ("长" * 3001, ANSWER_TEMPLATE, "内容太长，钉钉显示一张空白卡片"),
        ("字", FOREIGN_TEMPLATE, "内容加载失败：模板是别的应用的"),
    ],
)
async def test_a_card_that_clients_cannot_draw_says_why(
    chat: ChatPage, account: BotAccount, content: str, template: str, words: str
) -> None:
    shown = await account.show_card({"content": content}, template=template)
    await chat.open("group")
    await expect(card(chat, shown).locator(".live-card")).to_have_text(words)


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("一行\n\n---\n又一行", "<p>一行</p><hr><p>又一行</p>"),
        ("甲<br>乙", "<p>甲<br>乙</p>"),
        (
            "```python\na < b\n  **c**\n```\n完",
            '<pre tabindex="0"><code>a &lt; b\n  **c**</code></pre><p>完</p>',
        ),
        ("```\n还没写完", '<pre tabindex="0"><code>还没写完</code></pre>'),
        ("|城市|度|\n|-|:-:|\n|**北京**|3|", TABLE),
        ("文字\n|a|b|\n|-|-|", "<p>文字 |a|b| |-|-|</p>"),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
        ("![图](@lAL-1)", '<p><span class="no-picture" title="">[图]</span></p>'),
    ],
)
async def test_a_cards_markdown_can_do_more_than_that_of_messages(
    chat: ChatPage, account: BotAccount, content: str, html: str
) -> None:
    shown = await account.show_card({"content": content})
    await chat.open("group")
    assert await card(chat, shown).locator(".markdown").inner_html() == html


async def test_a_button_is_pressed_by_the_person_who_is_chosen(
    chat: ChatPage, account: BotAccount
) -> None:
    shown = await account.show_card({"content": "去吗", "buttons": buttons(("去", "go"))})
    await chat.open("group")
    await chat.page.locator("#speaker").select_option("李四")
    await card(chat, shown).get_by_role("button", name="去").click()
    # Nothing takes this card's callbacks.
    await expect(card(chat, shown).locator(".toast")).to_have_text("操作失败，请重试")
    await card(chat, shown).locator(".state").click()
    await expect(chat.details.locator(".step")).to_contain_text("李四: go")
    await chat.page.locator("#speaker").select_option("张三")
    await expect(card(chat, shown).locator(".toast")).to_have_count(0)


async def test_the_focus_stays_on_a_button_while_its_card_changes(
    chat: ChatPage, account: BotAccount
) -> None:
    choices = buttons(("要", "yes"), ("不要", "no"))
    shown = await account.show_card({"content": "一", "buttons": choices})
    await chat.open("group")
    await card(chat, shown).get_by_role("button", name="不要").focus()
    await account.update_card(shown, {"content": "二"})
    await expect(card(chat, shown).locator(".markdown")).to_have_text("二")
    await expect(card(chat, shown).get_by_role("button", name="不要")).to_be_focused()


async def test_a_push_is_shown_where_it_went_and_marked_unread(
    chat: ChatPage, account: BotAccount
) -> None:
    await chat.open_single("张三")
    await account.push("sampleMarkdown", title="早报", text="# 今天")
    item = chat.page.get_by_role("navigation").get_by_role("button", name="钉答演示群")
    await expect(item).to_contain_text("条新消息")
    await expect(item).to_contain_text("钉答: 早报")
    await item.click()
    await expect(chat.reply.locator(".md-h1")).to_have_text("今天")


async def test_a_picture_and_a_file_can_be_pushed(
    chat: ChatPage, account: BotAccount, page: Page
) -> None:
    await account.push(
        "sampleFile", "王五", mediaId="@lAL-1", fileName="报表.xlsx", fileType="xlsx"
    )
    await account.push("sampleImageMsg", "王五", photoURL="https://img.alicdn.com/plot.png")
    await chat.open_single("王五")
    await expect(chat.reply.get_by_role("img", name="图片")).to_be_visible()
    await expect(page.get_by_role("link", name="报表.xlsx").last).to_have_attribute(
        "href", "/api/media/%40lAL-1"
    )
    item = page.get_by_role("navigation").get_by_role("button", name="王五 的单聊")
    await expect(item).to_contain_text("钉答: [图片]")


async def test_an_emotion_is_shown_on_its_message_until_it_is_taken_back(
    chat: ChatPage, account: BotAccount, dingtalk_url: str
) -> None:
    await chat.open_single("表情")
    await chat.say("text")
    async with httpx.AsyncClient(trust_env=False) as http:
        message = (await http.get(f"{dingtalk_url}/api/messages")).json()[-1]
    await account.react(message, "🤔思考中")
    emotions = chat.mine.get_by_role("list", name="机器人的表情")
    await expect(emotions).to_have_text("🤔思考中")
    await account.react(message, "🤔思考中", on=False)
    await expect(emotions).to_have_count(0)


async def test_what_is_used_of_the_months_calls_is_counted(
    chat: ChatPage, account: BotAccount
) -> None:
    await chat.open("group")
    usage = chat.page.locator("#usage")
    await expect(usage).to_contain_text("本月 OpenAPI 调用")
    before = await usage.inner_text()
    await account.push("sampleText", content="一次")
    await expect(usage).not_to_have_text(before)


async def test_every_fault_of_the_openapi_has_a_switch(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.page.locator("#bad-day-button").click()
    switches = chat.page.locator('input[name="openapi"]')
    await expect(switches.first).to_be_visible()
    values = await switches.evaluate_all("(inputs) => inputs.map(({ value }) => value)")
    assert sorted(values) == sorted(["none", *OpenAPIFault])


async def test_a_fault_of_the_openapi_is_switched_on_and_ends_with_a_good_day(
    chat: ChatPage, account: BotAccount
) -> None:
    await chat.open("group")
    await chat.choose_fault("openapi", "qps")
    await expect(chat.page.locator("#banner")).to_contain_text("403：每秒太多次")
    with pytest.raises(AssertionError, match="QpsLimit"):
        await account.push("sampleText", content="太快了")
    await chat.press("恢复晴天")
    await expect(chat.page.locator("#banner")).to_be_hidden()
    await account.push("sampleText", content="好了")
