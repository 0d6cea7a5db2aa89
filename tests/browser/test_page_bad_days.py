"""DingTalk's bad days at a switch, and how the real bot takes them."""

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_a_throttled_reply_is_put_off(chat: ChatPage) -> None:
    await chat.open_single("限流")
    await chat.choose_fault("replies", "throttle")
    await chat.say("text")
    await expect(chat.note).to_contain_text("errcode 130101")
    await chat.expect_state("accepted")
    await chat.open_details()
    await expect(chat.step("again")).to_contain_text("稍后再试")


async def test_a_message_whose_reply_is_refused_ends_as_failed(chat: ChatPage) -> None:
    await chat.open_single("拒绝")
    await chat.choose_fault("replies", "refuse")
    await chat.say("text")
    await chat.expect_state("dead")
    await expect(chat.note).to_contain_text("未能回答 · 出错: errcode 300001")


async def test_an_error_500_is_tried_again_and_answered_once_it_is_over(chat: ChatPage) -> None:
    await chat.open_single("出错")
    await chat.choose_fault("replies", "fail")
    await chat.say("text")
    await expect(chat.note).to_contain_text("HTTP 500")
    await chat.page.get_by_role("button", name="恢复晴天").click()
    await expect(chat.reply.locator(".bubble")).to_contain_text("你刚刚发的消息是")
    await chat.expect_state("answered")
    await expect(chat.page.locator(".message.bot")).to_have_count(1)
    await chat.open_details()
    await expect(chat.step("leased")).to_have_count(2)


async def test_when_the_connection_closes_the_reply_shows_once_and_the_end_is_unknown(
    chat: ChatPage,
) -> None:
    await chat.open_single("断线")
    await chat.choose_fault("replies", "close")
    await chat.say("text")
    await expect(chat.note).to_contain_text("未能回答 · 不知是否送达")
    await expect(chat.page.locator(".message.bot")).to_have_count(1)
    await expect(chat.reply.locator(".remark")).to_contain_text("断开")


async def test_without_a_response_the_message_stays_sending(chat: ChatPage) -> None:
    await chat.open_single("沉默")
    await chat.choose_fault("replies", "hang")
    await chat.say("text")
    await expect(chat.reply.locator(".remark")).to_contain_text("一直不应答")
    await chat.expect_state("sending")


@pytest.mark.parametrize("fault", ["wrong_signature", "clock_off"])
async def test_a_callback_that_is_not_rightly_signed_is_not_taken(
    chat: ChatPage, fault: str
) -> None:
    await chat.open_single("签名")
    await chat.choose_fault("callbacks", fault)
    await chat.say("text")
    await chat.expect_state("HTTP 401")
    await expect(chat.note).to_contain_text("网关没有收下")


async def test_without_quota_a_message_is_acknowledged_and_not_answered(chat: ChatPage) -> None:
    await chat.open_single("额度")
    await chat.choose_fault("callbacks", "quota")
    await chat.say("text")
    await chat.expect_state("acknowledged")
    await chat.open_details()
    await chat.details.get_by_text("回调原文").click()
    await expect(chat.details.locator("#raw-callback")).to_contain_text("20001")


async def test_a_session_that_closes_too_early_leaves_a_dead_letter(chat: ChatPage) -> None:
    await chat.open_single("过期")
    await chat.say("慢 1")
    await chat.page.locator("#bad-day-button").click()
    await chat.page.locator("#bad-day").get_by_role("button", name="会话现在过期").click()
    await chat.expect_state("dead")
    await expect(chat.note).to_contain_text("300001")
    await chat.open_details()
    await expect(chat.step("closed")).to_be_visible()
