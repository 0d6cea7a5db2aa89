"""The demo's strip: the numbers, and buttons that kill what answers, each with its effect."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.test_page_access import findings
from tests.support.demo import Demo, free_ports, run_demo
from tests.support.processes import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

STARTED = r"\d+\.\d 秒后进程又启动了，再过几秒才开始干活"
BACK_WITHIN_MS = 20_000
ANSWERED_WITHIN_MS = 60_000
"""The lease of a dead worker, a sweep, the eight seconds of the skill, on a busy machine."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with run_demo(tmp_path_factory.mktemp("acme"), free_ports()) as demo:
        wait_until(lambda: len(demo.worker_pids()) == 2)
        yield demo


@pytest_asyncio.fixture(loop_scope="session")
async def strip(page: Page, demo: Demo) -> ChatPage:
    """The page of the demo."""
    chat = ChatPage(page, demo.page)
    await chat.open()
    return chat


def number(page: Page, name: str) -> Locator:
    return page.locator(f'[data-number="{name}"] dd')


def effect(page: Page) -> Locator:
    return page.locator("#demo-effect")


async def test_the_numbers_follow_what_is_said_and_answered(strip: ChatPage, page: Page) -> None:
    before = int(await number(page, "accepted").inner_text())
    await strip.say("咖啡")
    await expect(number(page, "accepted")).to_have_text(str(before + 1))
    await expect(number(page, "answered")).to_have_text(str(before + 1))
    for name in ("twice", "lost", "open"):
        await expect(number(page, name)).to_have_text("0")
    await expect(number(page, "live")).to_have_text("4/4")


async def test_a_worker_that_has_nothing_to_answer_is_killed_and_comes_back(
    strip: ChatPage, page: Page
) -> None:
    await strip.press("杀掉一个 worker")
    await expect(effect(page)).to_have_text(
        re.compile(rf"^worker-\d 被杀掉了（kill -9），当时它手上没有消息；{STARTED}$"),
        timeout=BACK_WITHIN_MS,
    )


async def test_the_gateway_is_killed_and_comes_back(strip: ChatPage, page: Page) -> None:
    await strip.press("杀掉网关")
    await expect(effect(page)).to_have_text(
        re.compile(rf"^gateway 被杀掉了（kill -9）；{STARTED}$"),
        timeout=BACK_WITHIN_MS,
    )


async def test_two_hundred_at_once_are_answered_and_the_list_of_people_stays_short(
    strip: ChatPage, page: Page, demo: Demo
) -> None:
    wait_until(lambda: demo.state_of("gateway")["state"] == "running")
    await strip.press("同时发 200 条")
    await expect(effect(page)).to_have_text(
        re.compile(r"^200 个人同时各发一条，\d+\.\d 秒内全部有了回执；\d+\.\d 秒全部答完$"),
        timeout=ANSWERED_WITHIN_MS,
    )
    await expect(number(page, "twice")).to_have_text("0")
    await expect(number(page, "lost")).to_have_text("0")
    assert await page.locator("#conversations li").count() < 12


@pytest.mark.slow
async def test_redis_is_stopped_and_comes_back(strip: ChatPage, page: Page) -> None:
    await strip.press("停 Redis 5 秒")
    await expect(effect(page)).to_contain_text("Redis 停了：")
    await expect(number(page, "live")).to_have_text("3/4")
    await expect(effect(page)).to_have_text(
        re.compile(r"^Redis 停了 5\.\d 秒，又回来了$"), timeout=BACK_WITHIN_MS
    )


@pytest.mark.slow
async def test_a_worker_dies_in_mid_answer_and_one_sees_the_answer_come_all_the_same(
    strip: ChatPage, page: Page
) -> None:
    await strip.say("慢慢来")
    await strip.expect_state("leased")
    await strip.press("杀掉一个 worker")
    await expect(effect(page)).to_contain_text("正答到一半，被杀掉了")
    await expect(effect(page)).to_contain_text("等租约到期")
    await expect(page.locator("#demo-wait")).to_have_text(re.compile(r"^还有 \d+ 秒$"))
    await expect(effect(page)).to_contain_text("另一个 worker 接手", timeout=ANSWERED_WITHIN_MS)
    await expect(effect(page)).to_contain_text("只答了一次", timeout=ANSWERED_WITHIN_MS)
    await expect(strip.reply).to_contain_text("慢工出细活")
    await expect(number(page, "twice")).to_have_text("0")
    await expect(number(page, "lost")).to_have_text("0")


async def test_how_the_numbers_are_counted_opens_with_the_keyboard(
    strip: ChatPage, page: Page
) -> None:
    summary = page.locator("#demo-counted summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#demo-counted dd").nth(2)).to_be_visible()
    await strip.say("咖啡")
    await expect(strip.reply).to_contain_text("咖啡好了")
    await expect(page.locator("#demo-counted dd").nth(2)).to_be_visible()
    tooltip = await page.locator('[data-number="twice"]').get_attribute("title")
    assert tooltip == await page.locator("#demo-counted dd").nth(2).inner_text()


@pytest.mark.parametrize("width", [1280, 1440])
async def test_the_head_stays_as_high_when_messages_are_turned_away(
    strip: ChatPage, page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await strip.open(query="?lang=en")
    heights = await page.evaluate(
        """async () => {
             const { DemoStrip } = await import("/static/demo.js");
             const strip = new DemoStrip({});
             const usual = { accepted: 999, answered: 999, twice: 0, lost: 0, open: 0 };
             const heightWith = (rare) => {
               strip.draw({ demo: { numbers: { ...usual, ...rare }, processes: [] } });
               return document.querySelector("header").offsetHeight;
             };
             return [heightWith({}), heightWith({ silent: 99, dead: 99, turned_away: 99 })];
           }"""
    )
    assert heights[0] == heights[1]


async def test_a_button_keeps_the_focus_while_the_numbers_change(
    strip: ChatPage, page: Page
) -> None:
    button = page.get_by_role("button", name="停 Redis 5 秒")
    await button.focus()
    accepted = await number(page, "accepted").inner_text()
    response = await page.request.post(f"{strip.url}/api/messages", data={"text": "咖啡"})
    assert response.ok
    await expect(number(page, "accepted")).not_to_have_text(accepted)
    await expect(button).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_has_no_serious_finding_in_the_strip(
    strip: ChatPage, page: Page, scheme: Any, width: int
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 760})
    await strip.open(query="?lang=en")
    await page.locator("#demo-counted summary").click()
    await expect(page.locator("#demo")).to_contain_text("Kill a worker")
    assert await findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_phone_the_strip_leaves_the_screen_to_the_chat(
    strip: ChatPage, page: Page
) -> None:
    await page.set_viewport_size({"width": 390, "height": 760})
    await strip.open(query="?lang=en")
    await expect(page.locator("#demo")).to_contain_text("Kill a worker")
    head = await page.locator("header").bounding_box()
    assert head is not None
    assert head["height"] < 760 / 5


async def test_a_simulator_that_is_no_demos_has_no_strip(chat: ChatPage, page: Page) -> None:
    await chat.open()
    await expect(page.locator("#demo")).to_be_hidden()
