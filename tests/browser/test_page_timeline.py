"""What happened to my message: the timeline, the raw JSON, and what can be done with it."""

import json
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = ["sent", "accepted", "leased", "skillStarted", "skillEnded", "sending", "posted", "ended"]


async def test_a_message_opens_to_the_steps_that_the_real_parts_took(chat: ChatPage) -> None:
    await chat.open_with("细看", "慢 0.3")
    await chat.open_details()
    names = await chat.details.locator("[data-step]").evaluate_all(
        "(steps) => steps.map((step) => step.dataset.step)"
    )
    # The acknowledgement is on its way while the worker begins.
    assert [name for name in names if name != "acknowledged"] == STEPS
    await expect(chat.step("acknowledged")).to_contain_text('HTTP 200 {"msgtype":"empty"}')
    await expect(chat.step("acknowledged")).to_contain_text(re.compile(r"\+\d+ ms"))
    await expect(chat.step("leased")).to_contain_text(re.compile(r"被 [0-9a-f]{8} 领取（第 1 次）"))
    await expect(chat.step("posted")).to_contain_text("errcode 0 ok")
    await expect(chat.step("ended")).to_contain_text("answered")
    took = re.search(r"(\d+) ms$", await chat.step("skillEnded").inner_text())
    assert took is not None
    assert int(took[1]) >= 300


async def test_a_timeline_goes_on_while_it_is_looked_at(chat: ChatPage) -> None:
    await chat.open_with("围观", "慢 1.5", state="leased")
    await chat.open_details()
    await expect(chat.step("ended")).to_have_count(0)
    await expect(chat.step("ended")).to_contain_text("answered")


async def test_a_reply_of_the_same_millisecond_as_the_end_was_before_it(
    chat: ChatPage, page: Page
) -> None:
    await chat.open()
    names = await page.evaluate(
        """async () => {
             const { stepsOf } = await import("/static/timeline.js");
             const reply = { errcode: 0, errmsg: "ok", after_ms: 9 };
             const story = { ended_ms: 1009, state: "answered" };
             const parts = { redeliveries: [], replies: [reply], stories: [story], callback: {} };
             return stepsOf({ sent_at_ms: 1000, mode: "http", ...parts }).map(({ name }) => name);
           }"""
    )
    assert names == ["sent", "posted", "ended"]


async def test_why_a_message_did_not_get_through_is_in_the_pages_language_and_raw_in_the_timeline(
    chat: ChatPage, page: Page
) -> None:
    await chat.open()
    told = await page.evaluate(
        """async () => {
             const { stepsOf } = await import("/static/timeline.js");
             const { whyUndelivered } = await import("/static/states.js");
             const why = { undelivered: "Nothing answers", undelivered_reason: "unreachable" };
             const parts = { redeliveries: [], replies: [], stories: [], callback: {} };
             const sent = { sent_at_ms: 1000, mode: "http", undelivered_after_ms: 1 };
             const record = { said: { single: true }, ...sent, ...why, ...parts };
             return [whyUndelivered(record), stepsOf(record).at(-1).detail];
           }"""
    )
    words, raw = told
    assert words.startswith("网关的地址上没有程序应答。")
    assert raw == "Nothing answers"


async def test_a_message_that_did_not_get_through_is_no_problem_of_the_page_too(
    chat: ChatPage, page: Page
) -> None:
    await chat.open()
    told = await page.evaluate(
        """async () => {
             const { say } = await import("/static/api.js");
             const outcomeOf = (error) => {
               const body = JSON.stringify({ error, detail: "no" });
               window.fetch = async () => new Response(body, { status: 502 });
               return say({}).then(() => "fine", ({ message }) => message);
             };
             return [await outcomeOf("gateway"), await outcomeOf("request")];
           }"""
    )
    assert told == ["fine", "no"]


async def test_what_is_refused_in_stream_mode_says_why_in_the_timeline(
    chat: ChatPage, page: Page
) -> None:
    await chat.open()
    detail = await page.evaluate(
        """async () => {
             const { stepsOf } = await import("/static/timeline.js");
             const headers = { messageId: "7" };
             const body = JSON.stringify({ message: "msgId is missing", headers });
             const parts = { redeliveries: [], replies: [], stories: [], callback: {} };
             const ack = { status: 400, body, after_ms: 1 };
             return stepsOf({ sent_at_ms: 1000, mode: "stream", ack, ...parts }).at(-1).detail;
           }"""
    )
    assert detail == "code 400 · 帧 7 · msgId is missing"


async def test_in_english_a_state_is_not_said_twice(chat: ChatPage, page: Page) -> None:
    await chat.open("single/细说", query="?lang=en")
    await chat.say("text")
    await chat.expect_state("answered")
    await chat.open_details()
    await expect(chat.step("ended")).to_contain_text("Ended · answered")
    assert (await chat.details.inner_text()).count("answered") == 2
    await expect(chat.details.locator("p", has=page.locator(".state"))).to_have_text(
        "answered · DingTalk took the reply"
    )


async def test_an_unmatched_message_has_no_skill_in_its_timeline(chat: ChatPage) -> None:
    await chat.open_with("无人", "吃了吗", state="unmatched")
    await chat.open_details()
    await expect(chat.step("ended")).to_contain_text("unmatched")
    await expect(chat.step("skillStarted")).to_have_count(0)


async def test_the_raw_callback_and_the_raw_reply_are_there_as_json(chat: ChatPage) -> None:
    await chat.open_with("原文", "整体跳转")
    await chat.open_details()
    await chat.details.get_by_text("回调原文").click()
    callback = json.loads(await chat.details.locator("#raw-callback pre").inner_text())
    assert (callback["senderNick"], callback["text"]["content"]) == ("原文", "整体跳转")
    await chat.details.get_by_text("回复原文 1").click()
    payload = json.loads(await chat.details.locator("#raw-reply-0 pre").inner_text())
    assert payload["actionCard"]["singleTitle"] == "阅读全文"


async def test_a_message_is_sent_again_as_a_new_one(chat: ChatPage) -> None:
    await chat.open_single("重来")
    await chat.say("text")
    await chat.open_details()
    await chat.details.get_by_role("button", name="再说一遍").click()
    await expect(chat.page.locator(".message.mine")).to_have_count(2)
    await expect(chat.page.locator(".message.bot")).to_have_count(2)


async def test_the_same_message_delivered_twice_is_answered_once(chat: ChatPage) -> None:
    await chat.open_with("重复", "text")
    await chat.open_details()
    await chat.details.get_by_role("button", name="重复投递同一条").click()
    await expect(chat.step("redelivered")).to_contain_text('HTTP 200 {"msgtype":"empty"}')
    await chat.page.wait_for_timeout(500)
    await expect(chat.page.locator(".message.bot")).to_have_count(1)


async def test_a_message_is_copied_as_a_command(chat: ChatPage, page: Page) -> None:
    await chat.open_single("命令")
    await chat.say("text")
    await chat.open_details()
    await chat.details.get_by_role("button", name="复制为 curl").click()
    await expect(chat.details.locator(".output")).to_contain_text("已复制")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -i http://127.0.0.1:")
    assert "timestamp: " in copied


async def test_a_message_is_copied_as_a_test(chat: ChatPage, page: Page) -> None:
    await chat.open_single("测试")
    await chat.say("text")
    await expect(chat.reply).to_be_visible()
    await chat.open_details()
    await chat.details.get_by_role("button", name="复制为测试").click()
    await expect(chat.details.locator(".output")).to_contain_text("已复制")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "def test_the_answer_to_text(dingtalk: SimulatedDingTalk)" in copied
    assert "sender='测试', single=True" in copied


async def test_the_details_name_the_skill_its_arguments_and_its_calls(chat: ChatPage) -> None:
    await chat.open_with("打听者", "打听 北京 3")
    await chat.open_details()
    facts = chat.details.locator("#skill-facts")
    await expect(facts.locator("dd")).to_have_text(["inspected", "打听", "'北京'", "3"])
    await expect(facts.locator("dt")).to_have_text(["技能", "命令", "word", "times"])
    await expect(chat.step("skillStarted")).to_contain_text("inspected · 打听")
    await expect(chat.step("called")).to_contain_text(re.compile(r"调用 127\.0\.0\.1"))
    await expect(chat.step("called")).to_contain_text(re.compile(r"200 · \d+ ms"))


async def test_the_details_have_the_log_lines_of_the_message(chat: ChatPage) -> None:
    await chat.open_with("记录者", "打听 北京 7")
    await chat.open_details()
    await chat.details.get_by_text("这条消息的日志").click()
    line = chat.details.locator(".log-lines li", has_text="asked 7 times")
    await expect(line).to_contain_text("WARNING")
    assert await findings(chat.page) == []


async def test_the_details_have_the_traceback_of_a_failure(chat: ChatPage) -> None:
    await chat.open_with("摔跤者", "摔跤", state="dead")
    await chat.open_details()
    await expect(chat.details.locator("#traceback pre")).to_contain_text("in stumble")
    await expect(chat.details.locator("#traceback pre")).to_contain_text("ZeroDivisionError")
    assert await findings(chat.page) == []
