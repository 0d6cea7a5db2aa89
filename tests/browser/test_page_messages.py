"""All messages in one list: filtered, opened, changed and sent again, kept as a transcript."""

import json
import re
from pathlib import Path

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
    await chat.open_with("列一", "text")
    await chat.open_with("列二", "markdown")
    rows = await open_list(page)
    await expect(rows.nth(0)).to_contain_text(
        re.compile("列二.*已回答.*markdown.*列二 的单聊", re.DOTALL)
    )
    await expect(rows.nth(1)).to_contain_text("列一")
    assert await findings(page) == []


async def test_a_message_in_the_list_leads_to_its_chat_and_details_and_back(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_with("列三", "text")
    await chat.open("group")
    rows = await open_list(page)
    await rows.filter(has_text="列三").get_by_role("button").click()
    await expect(page.locator("#title")).to_have_text("列三 的单聊")
    await expect(chat.details).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#messages")).to_be_visible()
    await expect(rows.filter(has_text="列三").get_by_role("button")).to_be_focused()


async def test_the_list_is_filtered_by_state_and_by_sender(chat: ChatPage, page: Page) -> None:
    await chat.open_with("筛一", "吃了吗", state="unmatched")
    await chat.say("text")
    await chat.expect_state("answered")
    rows = await open_list(page)
    await page.get_by_role("combobox", name="所有人").select_option("筛一")
    await expect(rows).to_have_count(2)
    await page.get_by_role("combobox", name="所有状态").select_option(label="无技能匹配")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("吃了吗")
    await expect(page.locator("#messages .hint[role=status]").last).to_contain_text("1 条")


async def test_the_list_is_filtered_by_skill(chat: ChatPage, page: Page) -> None:
    await chat.open_with("筛四", "text")
    await chat.say("打听 北京 1")
    await chat.expect_state("answered")
    rows = await open_list(page)
    await page.get_by_role("combobox", name="所有人").select_option("筛四")
    await page.get_by_role("combobox", name="所有技能").select_option("inspected")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("打听 北京 1")


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


async def test_escape_empties_the_search_before_it_closes_the_list(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("退出")
    await open_list(page)
    await search(page, "没有这样的话")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("searchbox", name="说的或回复里的字")).to_have_value("")
    await expect(page.locator("#messages")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#messages")).to_be_hidden()


async def test_escape_closes_a_dialog_and_leaves_the_details_open(
    chat: ChatPage, page: Page
) -> None:
    await chat.open_single("对话框")
    await chat.say("text")
    await chat.open_details()
    await page.get_by_role("button", name="加上图片、语音、@ 等").click()
    await page.get_by_role("button", name="整个回调的原文").click()
    await expect(page.locator("#raw-editor")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#raw-editor")).to_be_hidden()
    await expect(chat.details).to_be_visible()


async def test_a_message_is_changed_and_sent_again(chat: ChatPage, page: Page) -> None:
    await chat.open_with("改写", "吃了吗", state="unmatched")
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
    await chat.open_with("原样", "text")
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


async def test_a_body_that_was_sent_byte_for_byte_is_changed_as_it_was(
    chat: ChatPage, page: Page
) -> None:
    body = '{"msgtype": "text", 收到？>}'
    await chat.open("group")
    await chat.add("整个回调的原文……")
    await page.get_by_label("回调的 body").fill(body)
    await chat.send_raw()
    await page.locator(".message .state").last.click()
    await chat.details.get_by_role("button", name="改一改再发").click()
    await expect(page.get_by_label("回调的 body")).to_have_value(body)
    await expect(page.get_by_label("一个字节也不改")).to_be_checked()


@pytest.mark.parametrize("width", [390, 768])
async def test_the_list_fits_a_phone_and_a_tablet(chat: ChatPage, page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await chat.open_with("窄", "text")
    await open_list(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await findings(page) == []


async def saved(page: Page, folder: Path) -> Path:
    """Save the transcript."""
    async with page.expect_download() as download:
        await page.get_by_role("link", name="保存记录").click()
    path = folder / "transcript.json"
    await (await download.value).save_as(path)
    return path


async def load(page: Page, button: str, path: Path) -> None:
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name=button, exact=True).click()
    await (await chooser.value).set_files(path)


async def clear(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="清空", exact=True).click()
    await expect(page.locator("#messages")).to_contain_text("已清空")


async def test_what_was_said_is_saved_cleared_and_shown_again(
    chat: ChatPage, page: Page, tmp_path: Path
) -> None:
    await chat.open_with("存档", "text")
    rows = await open_list(page)
    path = await saved(page, tmp_path)
    await clear(page)
    await expect(page.locator(".message")).to_have_count(0)
    await expect(rows.filter(has_text="存档")).to_have_count(0)
    await load(page, "载入记录", path)
    await expect(page.locator("#messages")).to_contain_text(re.compile(r"载入了 \d+ 条"))
    await rows.filter(has_text="存档").get_by_role("button").click()
    await expect(chat.mine.locator(".bubble")).to_have_text("text")
    await expect(chat.reply.locator(".bubble")).to_have_text("你刚刚发的消息是：[text]")
    await chat.expect_state("loaded")
    await expect(chat.state).to_have_text("来自记录")
    await expect(page.locator(".log .note")).to_have_count(0)


async def test_a_transcript_is_sent_to_the_bot_again(
    chat: ChatPage, page: Page, tmp_path: Path
) -> None:
    await chat.open_single("重演")
    await open_list(page)
    await clear(page)
    await chat.say("下午茶")
    await expect(chat.reply).to_be_visible()
    await chat.say("绿茶")
    await expect(page.locator(".message.bot")).to_have_count(2)
    path = await saved(page, tmp_path)
    await clear(page)
    await load(page, "载入并重新发送", path)
    await expect(page.locator("#messages")).to_contain_text("重新发送了 2 条")
    await expect(page.locator(".message.mine .bubble")).to_have_text(["下午茶", "绿茶"])
    await expect(page.locator(".message.bot")).to_have_count(2)


async def test_what_the_bot_said_first_is_loaded_and_not_counted_among_the_messages(
    chat: ChatPage, page: Page, tmp_path: Path
) -> None:
    await chat.open_single("先说")
    await open_list(page)
    path = tmp_path / "pushed.json"
    said = {"text": "text", "sender": "先说", "single": True}
    payload = {"msgtype": "text", "text": {"content": "早上好"}}
    pushed = {"said": {**said, "text": ""}, "replies": [payload], "pushed": True}
    path.write_text(json.dumps({"version": 1, "messages": [{"said": said}, pushed]}))
    await load(page, "载入记录", path)
    await expect(page.locator("#messages")).to_contain_text("载入了 1 条")
    await expect(chat.reply).to_contain_text("早上好")


async def test_a_file_that_is_no_transcript_is_refused_in_a_sentence(
    chat: ChatPage, page: Page, tmp_path: Path
) -> None:
    await chat.open_single("错档")
    await open_list(page)
    path = tmp_path / "other.json"
    path.write_text('{"version": 9}')
    await load(page, "载入记录", path)
    await expect(page.get_by_role("alert")).to_contain_text("version")
    path.write_text("早上好")
    await load(page, "载入记录", path)
    await expect(page.get_by_role("alert")).to_have_text("没有载入：这个文件不是 JSON。")


async def test_what_is_unsure_is_not_cleared(chat: ChatPage, page: Page) -> None:
    await chat.open_single("犹豫")
    await chat.say("text")
    await open_list(page)
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.get_by_role("button", name="清空", exact=True).click()
    await expect(chat.mine).to_be_visible()
