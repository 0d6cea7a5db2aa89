"""The box sends every kind of message that people's clients send, and the chat shows it."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from dingda.simulator.dingtalk.callback import staff_id_of
from tests.browser.bot_account import BotAccount
from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings
from tests.browser.test_page_chat import PNG
from tests.browser.test_page_raw_callbacks import RAW

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = {
    "语音：输入框里是听懂的话，空着就是没听清": "audio",
    "markdown": "markdown",
    "转发的聊天记录：每行「李四：你好」": "chatRecord",
    "卡片": "interactiveCard",
}
RUNS = "富文本，随处切开"


def runs_of(callback: dict[str, Any]) -> list[str]:
    return [run["text"] for run in callback["content"]["richText"]]


async def test_plain_typing_sends_plain_text(chat: ChatPage) -> None:
    await chat.open("group")
    callback = await chat.send("text")
    assert (callback["msgtype"], callback["text"]) == ("text", {"content": " text"})
    await expect(chat.chips).to_have_count(0)


@pytest.mark.parametrize(("words", "kind"), KINDS.items())
async def test_a_kind_is_chosen_for_the_words_that_are_typed(
    chat: ChatPage, words: str, kind: str
) -> None:
    await chat.open_single("各种")
    await chat.add(words)
    callback = await chat.send("李四：你好")
    assert callback["msgtype"] == kind
    assert "你好" in json.dumps(callback, ensure_ascii=False)
    await expect(chat.mine.locator(".bubble")).to_contain_text("李四：你好")
    await expect(chat.chips).to_have_count(0)


async def test_a_voice_that_was_not_understood_has_no_words(chat: ChatPage) -> None:
    await chat.open_single("含糊")
    await chat.add(next(iter(KINDS)))
    callback = await chat.send()
    assert callback["msgtype"] == "audio"
    assert "recognition" not in callback["content"]
    await expect(chat.mine.locator(".bubble")).to_have_text("[语音]")


@pytest.mark.parametrize(
    ("name", "msgtype"),
    [("cat.png", "picture"), ("a.mp4", "video"), ("a.amr", "audio"), ("a.docx", "file")],
)
async def test_a_file_is_sent_as_what_its_name_says(
    chat: ChatPage, name: str, msgtype: str
) -> None:
    await chat.open_single("附件")
    await chat.page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": PNG})
    await expect(chat.chips).to_contain_text([name])
    callback = await chat.send()
    assert callback["msgtype"] == msgtype
    assert callback["content"]["downloadCode"]


async def test_words_that_a_message_has_no_place_for_stay_in_the_box(chat: ChatPage) -> None:
    await chat.open_single("附件")
    await chat.add("视频")
    assert "text" not in await chat.send("先别发")
    await expect(chat.page.locator("#text")).to_have_value("先别发")


async def test_files_voices_and_videos_of_a_group_are_said_not_to_reach_robots(
    chat: ChatPage,
) -> None:
    hint = chat.page.get_by_text("钉钉不把群里的文件、语音和视频交给机器人")
    await chat.open("group")
    await expect(hint).to_be_hidden()
    await chat.add("视频")
    await expect(hint).to_be_visible()


async def test_rich_text_is_cut_anywhere(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.locator("#text").fill("天气北京")
    await chat.add(RUNS)
    words = page.get_by_label("第 2 段", exact=True)
    await expect(words).to_be_focused()
    await words.evaluate("(box) => box.setSelectionRange(1, 1)")
    await page.get_by_label("在光标处切开第 2 段").click()
    assert runs_of(await chat.send()) == ["@钉答", "天", "气北京"]
    await expect(chat.mine.locator(".run")).to_have_text(["@钉答", "天", "气北京"])
    await expect(page.locator("#text")).to_be_visible()


async def test_runs_are_joined_and_taken_away(chat: ChatPage, page: Page) -> None:
    await chat.open_single("分段")
    await page.locator("#text").fill("天气")
    await chat.add(RUNS)
    await chat.press("加 @钉答")
    await chat.press("加一段")
    await page.get_by_label("第 3 段", exact=True).fill("北京")
    await page.get_by_label("去掉第 2 段").click()
    second = page.get_by_label("第 2 段", exact=True)
    await second.evaluate("(box) => (box.focus(), box.setSelectionRange(0, 0))")
    await page.keyboard.press("Backspace")
    await expect(page.locator("#runs input")).to_have_count(1)
    await chat.press("合成一句")
    await expect(page.locator("#text")).to_have_value("天气北京")


async def test_runs_keep_the_cursor_while_replies_come(chat: ChatPage, page: Page) -> None:
    await chat.open_single("慢打")
    await page.locator("#text").fill("天北京")
    await chat.add(RUNS)
    box = page.get_by_label("第 1 段", exact=True)
    await box.evaluate("(box) => box.setSelectionRange(1, 1)")
    await page.evaluate(
        """() => fetch("/api/messages", {method: "POST",
           headers: {"Content-Type": "application/json"},
           body: JSON.stringify({text: "text", sender: "慢打", single: true})})"""
    )
    await expect(chat.reply).to_be_visible()
    await page.keyboard.type("气")
    await expect(box).to_have_value("天气北京")


async def test_somebody_else_is_mentioned(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.add_mention("李四")
    callback = await chat.send("的绩效")
    assert [at.get("staffId") for at in callback["atUsers"]] == [staff_id_of("李四"), None]
    await expect(chat.mine.locator(".mention")).to_have_text(["@钉答", "@李四"])


async def test_dingtalk_hides_the_userid_of_somebody_who_is_mentioned(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.add_mention("李四", hidden=True)
    await expect(chat.chips).to_contain_text(["@李四（钉钉隐藏了 userid）"])
    callback = await chat.send("的绩效")
    assert [at.get("staffId") for at in callback["atUsers"]] == [None, None]


async def test_everybody_is_mentioned(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.add("@所有人")
    assert (await chat.send("天气 北京"))["text"]["content"] == "@所有人天气 北京"
    await expect(chat.mine.locator(".mention")).to_have_text(["@钉答", "@所有人"])


async def test_typing_at_offers_people_and_enter_mentions_one(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.locator("#text").focus()
    await page.keyboard.type("的绩效@")
    offered = page.get_by_role("listbox", name="还 @ 谁").get_by_role("option")
    await expect(offered.nth(0)).to_have_attribute("aria-selected", "true")
    assert (await offered.all_inner_texts())[:3] == ["@张三", "@李四", "@王五"]
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#text")).to_have_attribute("aria-activedescendant", "mention-1")
    await page.keyboard.press("Enter")
    await expect(offered).to_have_count(0)
    await expect(page.locator("#text")).to_have_value("的绩效")
    await expect(page.locator("#text")).to_be_focused()
    callback = await chat.send()
    assert [at.get("staffId") for at in callback["atUsers"]] == [staff_id_of("李四"), None]


async def test_a_name_narrows_the_people_and_a_click_mentions_one(
    chat: ChatPage, page: Page
) -> None:
    await chat.open("group")
    await page.locator("#text").focus()
    await page.keyboard.type("@所")
    offered = page.get_by_role("listbox").get_by_role("option")
    await expect(offered).to_have_text(["@所有人"])
    await offered.click()
    await expect(chat.chips).to_contain_text(["@所有人"])
    await expect(page.locator("#text")).to_have_value("")


async def test_what_is_typed_on_without_a_choice_stays_text(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.locator("#text").focus()
    await page.keyboard.type("@李")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await page.keyboard.type("四 me@")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    callback = await chat.send()
    assert callback["text"] == {"content": " @李四 me@"}
    assert len(callback["atUsers"]) == 1


async def test_a_persons_message_is_quoted(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.page.locator("#speaker").select_option("李四")
    sent = await chat.send("text 一")
    await chat.page.locator("#speaker").select_option("张三")
    await chat.quote(chat.page.locator(".message", has_text="text 一").first)
    await expect(chat.page.locator("#text")).to_be_focused()
    callback = await chat.send("text 二")
    quoted = callback["text"]["repliedMsg"]
    assert (quoted["senderId"], quoted["content"]) == (sent["senderId"], {"text": "text 一"})
    await expect(chat.mine.locator("blockquote")).to_have_text("李四：text 一")


async def test_a_reply_of_the_bots_is_quoted(chat: ChatPage) -> None:
    await chat.open_single("引用")
    await chat.say("text")
    await chat.quote(chat.reply)
    callback = await chat.send("再来一次")
    quoted = callback["text"]["repliedMsg"]
    assert quoted["senderId"] == callback["chatbotUserId"]
    assert quoted["content"] == {"text": "你刚刚发的消息是：[text]"}
    await expect(chat.mine.locator("blockquote")).to_have_text("钉答：你刚刚发的消息是：[text]")


async def test_a_quoted_reply_names_people_as_the_chat_does(chat: ChatPage) -> None:
    await chat.open("group")
    await chat.say("text")
    await chat.quote(chat.reply)
    quoted = (await chat.send("再来一次"))["text"]["repliedMsg"]
    assert quoted["content"] == {"text": "@张三 你刚刚发的消息是：[text]"}


async def test_a_card_of_the_bots_is_quoted(chat: ChatPage, account: BotAccount) -> None:
    await account.show_card({"title": "请假", "content": "周五"}, to="李四")
    await chat.open_single("李四")
    await chat.quote(chat.page.locator("[data-card]").last)
    quoted = (await chat.send("批了吗"))["text"]["repliedMsg"]
    assert quoted["msgType"] == "interactiveCard"
    assert "请假" in json.dumps(quoted, ensure_ascii=False)


async def test_a_chip_takes_away_what_it_names(chat: ChatPage) -> None:
    await chat.open_single("后悔")
    await chat.add("卡片")
    await chat.chips.get_by_role("button", name="去掉：卡片").click()
    assert (await chat.send("text"))["msgtype"] == "text"


@pytest.mark.parametrize(
    ("words", "without"), [("外部联系人", "senderStaffId"), ("机器人未发布", "senderStaffId")]
)
async def test_the_sender_may_be_one_whose_userid_is_hidden(
    chat: ChatPage, words: str, without: str
) -> None:
    await chat.open_single("外人")
    await chat.add(words)
    assert without not in await chat.send("text")
    await expect(chat.mine.locator(".remark")).to_have_text(words)
    assert without not in await chat.send("text"), "it stays so for the next message"


async def test_the_client_is_chosen(chat: ChatPage, page: Page) -> None:
    await chat.open_single("鸿蒙")
    await page.locator("#add").click()
    await page.locator("#client").select_option("HarmonyOS")
    await page.keyboard.press("Escape")
    assert (await chat.send("text"))["senderPlatform"] == "HarmonyOS"
    await expect(chat.mine.locator(".remark")).to_have_text("HarmonyOS")


async def test_the_menu_is_used_by_the_keyboard(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.locator("#add").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#add-menu button").first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#add-menu")).to_be_hidden()
    await expect(page.locator("#add")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(chat.chips).to_have_text(["语音×"])
    await expect(page.locator("#text")).to_be_focused()


async def test_a_click_elsewhere_closes_the_menu(chat: ChatPage, page: Page) -> None:
    await chat.open("group")
    await page.locator("#add").click()
    await page.locator("#log").click()
    await expect(page.locator("#add-menu")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_the_box_and_its_editors(
    chat: ChatPage, page: Page, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await chat.open("group")
    await chat.say("text")
    await expect(chat.reply).to_be_visible()
    await chat.quote(chat.reply)
    await chat.add_mention("李四")
    await chat.add("外部联系人")
    await page.locator("#text").focus()
    await page.keyboard.type("@")
    await expect(page.get_by_role("listbox")).to_be_visible()
    assert await findings(page) == []
    await page.locator("#text").fill("天气北京")
    await chat.add(RUNS)
    await page.locator("#add").click()
    await page.get_by_text("让机器人栽过跟头的消息").click()
    await page.get_by_text("新会话").click()
    await page.locator("#add").click()
    assert await findings(page) == []
    await chat.send()
    await expect(chat.mine.locator("blockquote")).to_be_visible()
    assert await findings(page) == []
    await chat.add(RAW)
    assert await findings(page) == []


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_the_box_and_its_editors_are_no_wider_than_the_screen(
    chat: ChatPage, page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    await chat.open("group")
    await chat.say("text " + "天气北京" * 40)
    await chat.quote(chat.mine)
    await page.locator("#text").fill("天气北京" * 40)
    await chat.add(RUNS)
    await page.locator("#add").click()
    for shown in ("#chips", "#runs", "#add-menu"):
        box = await page.locator(shown).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.keyboard.press("Escape")
    await chat.add(RAW)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
