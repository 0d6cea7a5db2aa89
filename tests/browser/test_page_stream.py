"""Stream mode on the page: its mode, its connections, its faults at a switch."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

FRAME = re.compile(r"code 200 · 帧 \S+_\S+")


async def test_the_head_says_the_mode_and_how_many_connections_are_open(
    streaming: ChatPage,
) -> None:
    await streaming.open()
    await expect(streaming.mode).to_have_text("Stream 模式 · 1 条连接")


async def test_in_http_mode_the_page_has_the_modes_name_and_nothing_else_of_it(
    chat: ChatPage,
) -> None:
    await chat.open()
    await expect(chat.mode).to_have_text("HTTP 模式")
    await chat.page.locator("#bad-day-button").click()
    await expect(chat.page.locator("#bad-day")).to_contain_text("签名错误")
    await expect(chat.page.locator("#bad-day")).not_to_contain_text("连接")


async def test_the_panel_lists_the_connections(streaming: ChatPage) -> None:
    await streaming.open_single("连接")
    await streaming.page.locator("#bad-day-button").click()
    await expect(streaming.connections).to_have_count(1)
    await expect(streaming.connections).to_contain_text(
        re.compile(r"[0-9a-f]{8} 正常 · \d\d:\d\d:\d\d 建立 · 推送 \d+，确认 \d+")
    )
    await expect(streaming.page.locator("#bad-day")).not_to_contain_text("签名错误")


async def test_a_messages_details_name_its_frame_and_the_acks_code_and_time(
    streaming: ChatPage,
) -> None:
    await streaming.open_with("帧", "text")
    await streaming.open_details()
    await expect(streaming.step("acknowledged")).to_contain_text(FRAME)
    await expect(streaming.step("acknowledged")).to_contain_text(re.compile(r"\+\d+ ms"))
    await expect(streaming.details).not_to_contain_text("curl")
    await expect(streaming.details).not_to_contain_text("请求头")


async def test_a_message_that_the_bot_does_not_take_shows_the_acks_code(
    streaming: ChatPage,
) -> None:
    unreadable = {"senderNick": "不收", "conversationType": "1"}
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{streaming.url}/api/callbacks", json=unreadable)
    await streaming.open_single("不收")
    await streaming.expect_state("code 400")
    await expect(streaming.note).to_contain_text("机器人没有收下：code 400")


async def test_after_a_disconnect_there_is_another_connection_and_the_next_message_is_answered(
    streaming: ChatPage,
) -> None:
    await streaming.open_single("换线")
    await streaming.page.locator("#bad-day-button").click()
    old = await streaming.connections.locator("code").inner_text()
    await streaming.press("通知断开：connection is expired")
    await expect(streaming.connections.filter(has_not_text=old)).to_have_count(1)
    await streaming.page.keyboard.press("Escape")
    await streaming.say("text")
    await streaming.expect_state("answered")


async def test_a_cut_connection_is_followed_by_another(streaming: ChatPage) -> None:
    await streaming.open_single("断网")
    await streaming.page.locator("#bad-day-button").click()
    old = await streaming.connections.locator("code").inner_text()
    await streaming.press("掐断")
    await expect(streaming.connections.filter(has_not_text=old)).to_have_count(1)


async def test_a_message_whose_ack_is_lost_comes_in_another_frame_and_is_answered_once(
    streaming: ChatPage,
) -> None:
    await streaming.open_single("确认")
    await streaming.choose_switch("lost_acks")
    await streaming.say("text")
    await expect(streaming.reply).to_be_visible()
    await streaming.open_details()
    await expect(streaming.step("redelivered")).to_contain_text(FRAME)
    steps = await streaming.details.locator("[data-step]").evaluate_all(
        "(steps) => steps.map((step) => step.dataset.step)"
    )
    assert steps.index("undelivered") < steps.index("redelivered")
    await streaming.page.locator("#bad-day-button").click()
    panel = streaming.page.locator(".connections")
    await expect(panel).to_contain_text(re.compile("再次推送 [1-9]\\d* 次，丢失 0 条"))
    await streaming.expect_state("answered")
    await expect(streaming.page.locator(".message.bot")).to_have_count(1)
    # It was for one ack only.
    await expect(streaming.page.locator("#banner")).to_be_hidden()


async def test_without_a_connection_it_says_what_to_start_and_a_good_day_ends_it(
    streaming: ChatPage,
) -> None:
    await streaming.open_single("不通")
    await streaming.choose_fault("open", "unavailable")
    await streaming.page.locator("#bad-day-button").click()
    await streaming.press("掐断")
    await expect(streaming.mode).to_have_text("Stream 模式 · 没有连接")
    await expect(streaming.page.locator("#bad-day")).to_contain_text("dingda stream")
    await streaming.page.keyboard.press("Escape")
    await streaming.say("text")
    await expect(streaming.note).to_contain_text("没有机器人的确认")
    await expect(streaming.note).to_contain_text("dingda stream")
    await expect(streaming.page.locator("#problem")).to_be_empty()
    await streaming.press("恢复晴天")
    await expect(streaming.mode).to_have_text("Stream 模式 · 1 条连接")


async def test_zombies_are_named_as_such(streaming: ChatPage) -> None:
    await streaming.open_single("僵尸")
    await streaming.choose_switch("zombie")
    await expect(streaming.page.locator("#banner")).to_contain_text("变成僵尸")
    await streaming.page.locator("#bad-day-button").click()
    await expect(streaming.connections).to_contain_text("僵尸")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_has_no_serious_finding_in_the_panels_of_stream_mode(
    streaming: ChatPage, page: Page, scheme: str
) -> None:
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await streaming.open_single("面板")
    await streaming.choose_switch("stale")
    await page.locator("#bad-day-button").click()
    await expect(streaming.connections).to_have_count(31)
    assert await findings(page) == []
    await page.keyboard.press("Escape")
    await streaming.press("恢复晴天")
    await streaming.say("text")
    await streaming.expect_state("answered")
    await streaming.open_details()
    assert await findings(page) == []


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_nothing_of_stream_mode_is_wider_than_the_screen(
    streaming: ChatPage, page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    await streaming.open()
    await page.locator("#bad-day-button").click()
    await expect(streaming.connections).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_switches_of_stream_mode_are_set_by_the_keyboard(
    streaming: ChatPage, page: Page
) -> None:
    await streaming.open_single("键盘")
    await page.locator("#bad-day-button").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#bad-day-title")).to_be_focused()
    await page.locator('input[name="zombie"]').focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.locator('input[name="lost_acks"]')).to_be_checked()
    await expect(page.locator('input[name="lost_acks"]')).to_be_focused()
    async with httpx.AsyncClient(trust_env=False) as client:
        faults = (await client.get(f"{streaming.url}/api/stream/faults")).json()
    assert faults["lost_acks"] == 1
