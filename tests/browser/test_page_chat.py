"""Typing the commands and seeing the replies, on the real gateway, queue and worker."""

import re
from base64 import b64decode
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage
from tests.support.simulator_harness import Bot

pytestmark = pytest.mark.asyncio(loop_scope="session")

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
TITLE = "州的先生 Python 实战教程合集"


async def test_text_is_shown_with_the_sender_mentioned(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.say("text")
    await expect(chat.reply.locator(".bubble")).to_have_text("@张三 你刚刚发的消息是：[text]")
    await expect(chat.reply.locator(".mention")).to_have_text("@张三")
    await chat.expect_state("answered")


async def test_markdown_is_shown_as_a_heading_and_a_paragraph(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.say("markdown")
    await expect(chat.reply.locator(".md-h2")).to_have_text("这是什么?")
    await expect(chat.reply.locator("p", has_text="这是一个钉钉机器人")).to_be_visible()
    await expect(chat.reply.locator(".mention")).to_have_text("@张三")
    await expect(chat.reply.locator(".bubble")).not_to_contain_text("州的先生机器人助理")


async def test_a_card_with_one_link_leads_to_its_page(chat: ChatPage) -> None:
    await chat.open_single("整体")
    await chat.say("整体跳转")
    await expect(chat.reply.locator(".md-h4")).to_have_text(TITLE)
    link = chat.reply.get_by_role("link", name="阅读全文")
    await expect(link).to_have_attribute("href", "http://mrdoc.zmister.com/")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_a_card_with_buttons_shows_them_one_above_the_other(chat: ChatPage) -> None:
    await chat.open_single("独立")
    await chat.say("独立跳转")
    await expect(chat.reply.get_by_role("link")).to_have_text(["去看看", "不感兴趣"])
    first, second = await chat.reply.get_by_role("link").all()
    above, below = await first.bounding_box(), await second.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] < below["y"]
    assert above["x"] == below["x"]


async def test_a_feed_shows_its_pictures_the_first_one_large(chat: ChatPage) -> None:
    await chat.open_single("图文")
    await chat.say("feed")
    links = chat.reply.get_by_role("link")
    await expect(links).to_have_text(["时代的火车向前开1", "时代的火车向前开2"])
    pictures = chat.reply.locator("img")
    await expect(pictures).to_have_count(2)
    widths = [await picture.evaluate("(img) => img.width") for picture in await pictures.all()]
    assert widths[0] > 3 * widths[1]
    assert all([await p.evaluate("(img) => img.naturalWidth > 0") for p in await pictures.all()])


async def test_a_slow_lookup_is_leased_first_and_answered_later(chat: ChatPage) -> None:
    await chat.open_with("耐心", "慢 1.5", state="leased")
    await expect(chat.page.locator(".message.bot")).to_have_count(0)
    await expect(chat.reply.locator(".bubble")).to_have_text("查好了")
    await chat.expect_state("answered")


async def test_silence_is_shown_as_such(chat: ChatPage) -> None:
    await chat.open_single("寡言")
    await chat.say("吃了吗")
    await expect(chat.note).to_have_text("没有回复 · 无技能匹配")
    await chat.expect_state("unmatched")


async def test_a_group_message_without_a_mention_does_not_reach_the_bot(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.page.get_by_role("button", name="@钉答").click()
    await expect(chat.page.locator("#mention-hint")).to_be_visible()
    await chat.say("大家中午吃什么")
    await chat.expect_state("undelivered")
    await expect(chat.note).to_have_text("没有送到机器人: 群里不 @ 机器人，钉钉不会把消息交给它")


async def test_an_example_is_said_with_one_click(chat: ChatPage) -> None:
    await chat.open_single("省事")
    await chat.page.locator("#suggestions").get_by_role("button", name="帮助").click()
    await expect(chat.reply.locator(".bubble")).to_contain_text("独立跳转")


async def test_the_examples_are_the_commands_of_the_loaded_skills(chat: ChatPage) -> None:
    await chat.open_single("提示")
    examples = chat.page.get_by_role("group", name="例子").get_by_role("button")
    await expect(examples.filter(has_text="打听")).to_have_text("打听 <word> <times>")
    await expect(examples.filter(has_text="摔跤")).to_have_text("摔跤")


async def test_an_example_that_needs_more_is_put_into_the_box(chat: ChatPage) -> None:
    await chat.open_single("补全")
    await chat.page.get_by_role("button", name="打听 <word> <times>").click()
    box = chat.page.locator("#text")
    await expect(box).to_be_focused()
    await expect(box).to_have_value("打听 ")
    await expect(chat.page.locator(".message.mine")).to_have_count(0)


async def test_several_people_speak_in_the_group(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.page.locator("#speaker").select_option("李四")
    await chat.say("text")
    await expect(chat.mine.locator(".name")).to_have_text("李四")
    await expect(chat.reply.locator(".mention")).to_have_text("@李四")


async def test_history_is_kept_over_a_reload(chat: ChatPage) -> None:
    await chat.open_single("怀旧")
    await chat.say("text")
    await expect(chat.reply).to_be_visible()
    await chat.page.reload()
    await expect(chat.mine.locator(".bubble")).to_have_text("text")
    await expect(chat.reply.locator(".bubble")).to_have_text("你刚刚发的消息是：[text]")


async def test_a_reply_in_another_conversation_is_announced_in_the_list(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("旁观")
    await page.evaluate(
        """() => fetch("/api/messages", {method: "POST",
           headers: {"Content-Type": "application/json"},
           body: JSON.stringify({text: "text", sender: "王五", single: true})})"""
    )
    item = page.get_by_role("navigation").get_by_role("button", name=re.compile("王五 的单聊"))
    await expect(item).to_contain_text("条新消息")
    await item.click()
    await expect(chat.reply).to_be_visible()
    await expect(item).not_to_contain_text("条新消息")


async def test_a_picture_is_attached_to_the_words_that_are_typed(
    chat: ChatPage, dingtalk_url: str
) -> None:
    await chat.open("group")
    await chat.page.locator("#text").fill("这是什么")
    await chat.attach("cat.png", PNG)
    picture = chat.mine.get_by_role("img", name="图片")
    await expect(chat.mine.locator(".bubble")).to_have_text("@钉答 [图片] 这是什么")
    await expect(chat.page.locator("#text")).to_have_value("")
    await expect(picture).to_have_js_property("naturalWidth", 1)
    async with httpx.AsyncClient(trust_env=False) as http:
        sent = (await http.get(f"{dingtalk_url}/api/messages")).json()[-1]["callback"]
    assert sent["msgtype"] == "richText"
    assert "downloadCode" in sent["content"]["richText"][0]


async def test_a_file_is_sent_in_a_single_chat(chat: ChatPage) -> None:
    await chat.open_single("附件")
    await chat.attach("plan.pdf", b"%PDF-1.7")
    await expect(chat.mine.locator(".bubble")).to_contain_text("[文件] plan.pdf")
    await expect(chat.mine.get_by_role("link", name="保存")).to_have_attribute(
        "download", "plan.pdf"
    )


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "<b>粗</b> &lt;", "[x](javascript:alert(1))"]
)
async def test_what_users_write_never_becomes_html(chat: ChatPage, text: str) -> None:
    await chat.open("group")
    await chat.say(f"text {text}")
    await expect(chat.mine.locator(".bubble")).to_have_text(f"@钉答 text {text}")
    await expect(chat.mine.locator(".bubble *")).to_have_count(1)  # the mention


async def test_the_page_loads_from_nowhere_but_the_simulator(chat: ChatPage, page: Page) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await chat.open_single("独处")
    await chat.say("独立跳转")
    await expect(chat.reply).to_be_visible()
    assert hosts == {urlsplit(chat.url).netloc}


async def test_no_script_but_the_pages_own_may_run(
    chat: ChatPage, page: Page, complaints: list[str]
) -> None:
    await chat.open("group")
    ran = await page.evaluate(
        """() => {
             const script = document.createElement("script");
             script.textContent = "window.ran = true";
             addEventListener("securitypolicyviolation", () => (window.stopped = true));
             document.body.append(script);
             return new Promise((done) => setTimeout(() => done([window.ran, window.stopped]), 50));
           }"""
    )
    assert ran == [None, True]
    assert "Content Security Policy" in complaints.pop()


async def test_every_message_shows_when_it_came(chat: ChatPage) -> None:
    await chat.open_single("准时")
    await chat.say("text")
    await expect(chat.reply).to_be_visible()
    for message in (chat.mine, chat.reply):
        await expect(message.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))


async def test_a_page_that_is_closed_draws_nothing_more(
    staged: tuple[ChatPage, Bot], complaints: list[str]
) -> None:
    chat, bot = staged
    picture = "![](https://img.alicdn.com/plot.png)"
    bot.replies = [{"msgtype": "markdown", "markdown": {"title": "图", "text": picture}}]
    await chat.page.route("https://img.alicdn.com/**", lambda _: None)
    await chat.open("group")
    await chat.say("问")
    await expect(chat.reply.locator("img")).to_be_attached()
    await chat.page.evaluate(
        'import("/static/texts.js").then(({ switchLanguage }) => switchLanguage())'
    )
    await chat.page.close()
    # Chromium loads a picture of a page that is being closed as a ping, against the page's policy.
    assert complaints == []
