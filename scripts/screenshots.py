"""`make screenshots`: draw the pictures of docs/img again, with the real bot in a real browser."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import (
    Browser,
    FloatRect,
    Locator,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from dingda.simulator.testing.processes import a_running_valkey
from dingda.simulator.testing.stack import a_running_stack
from scripts.dashboard_screenshots import draw_dashboard

_ROOT = Path(__file__).parents[1]
_PICTURES = _ROOT / "docs" / "img"
_WINDOW: ViewportSize = {"width": 1180, "height": 760}
_CHAT: ViewportSize = {"width": 820, "height": 640}
_LONG_CHAT: ViewportSize = {"width": 820, "height": 1180}
_PHONE: ViewportSize = {"width": 390, "height": 760}
_MARGIN_PX, _NARROWEST_PX = 10, 200
_SKILLS = "dingda.worker.skills.demo,dingda.worker.skills.showcase,tests.e2e.slow_skill"
_REPLIES = {
    "text": "text",
    "markdown": "markdown",
    "整体跳转": "action-card-link",
    "独立跳转": "action-card-buttons",
    "feed": "feed-card",
}
"""The message, and the name of its reply's picture."""


def main() -> int:
    """Draw them all."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("No Chromium on the PATH (on Debian: apt install chromium)", file=sys.stderr)
        return 1
    _PICTURES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        a_running_valkey(Path(folder) / "ledger", appendonly="yes") as redis_url,
        a_running_stack(
            Path(folder),
            {
                "DINGDA_SKILLS": f"{_SKILLS},dingda.worker.skills.weather",
                "DINGDA_THINKING_REACTION": "🤔思考中",
                "DINGDA_REDIS_URL": redis_url,
            },
        ) as stack,
    ):
        asyncio.run(_draw(chromium, stack.url))
        asyncio.run(draw_dashboard(chromium, stack.url, redis_url, _PICTURES))
    with (
        tempfile.TemporaryDirectory() as folder,
        a_running_valkey(Path(folder) / "ledger", appendonly="yes") as redis_url,
        a_running_stack(
            Path(folder),
            {
                "DINGDA_SIMULATOR_MODE": "stream",
                "DINGDA_SKILLS": _SKILLS,
                "DINGDA_REDIS_URL": redis_url,
            },
        ) as stack,
    ):
        asyncio.run(_draw_stream(chromium, stack.url))
    return 0


async def _draw(chromium: str, url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        async with _page(browser, url, "zh-CN") as page:
            await _draw_replies(page)
            await _open_details(page, "慢 0.8")
            await _save(page, "page.zh-CN.png")
            await page.set_viewport_size(_PHONE)
            await page.keyboard.press("Escape")
            await page.emulate_media(color_scheme="dark")
            await _to_end(page)
            await _save(page, "page-phone-dark.png")
        async with _page(browser, url, "zh-CN") as page:
            await page.set_viewport_size(_CHAT)
            await _draw_dialogue(page)
            await _draw_approval(page)
            await _draw_growing_answer(page)
            await _draw_pushed_plot(page)
        async with _page(browser, url, "en-US") as page:
            await _open_details(page, "慢 0.8")
            await _save(page, "page.png")
            await _draw_messages(page)
            await _draw_bad_day(page)
        await browser.close()


async def _draw_dialogue(page: Page) -> None:
    await _say(page, "下午茶")
    for choice, question in (("绿茶", "喝什么？"), ("三分糖", "几分糖？")):
        asked = page.locator(".message.bot").last
        await expect(asked).to_contain_text(question)
        await asked.get_by_role("button", name=choice).last.click()
    await expect(page.locator(".message.bot").last).to_contain_text("好的：绿茶")
    await page.set_viewport_size(_LONG_CHAT)
    await _to_end(page)
    await _save(page, "page-dialogue.png")
    await page.set_viewport_size(_CHAT)


async def _draw_approval(page: Page) -> None:
    """Draw what the sender sees who presses, and what everybody sees when the manager has."""
    await _say(page, "报销 120")
    card = page.locator("[data-card]").last
    await card.get_by_role("button", name="同意").click()
    await expect(card).to_contain_text("不是给你处理的")
    await _to_end(page)
    await _save(page, "page-approval-sender.png")
    await page.locator("#speaker").select_option("王五")
    await card.get_by_role("button", name="同意").click()
    await expect(card).to_contain_text("王五：同意")
    await _to_end(page)
    await _save(page, "page-approval-manager.png")
    await page.locator("#speaker").select_option("张三")


async def _draw_growing_answer(page: Page) -> None:
    await _say(page, "讲故事")
    card = page.locator("[data-card]").last
    await expect(card).to_contain_text("宋国有个农夫", timeout=15_000)
    await _to_end(page)
    await _save(page, "page-growing.png")
    await expect(card.locator(".state")).to_have_text("完成", timeout=15_000)


async def _draw_pushed_plot(page: Page) -> None:
    await _say(page, "画图")
    await page.get_by_role("navigation").get_by_role("button", name="张三 的单聊").click()
    await expect(page.get_by_role("img", name="访问量")).to_be_visible()
    await page.wait_for_function("[...document.images].every((image) => image.complete)")
    await _to_end(page)
    await _save(page, "page-plot.png")


async def _draw_stream(chromium: str, url: str) -> None:
    """Draw a message that came by a connection, and the faults of connections."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        async with _page(browser, url, "en-US") as page:
            await _open_details(page, "text")
            await page.locator("#bad-day-button").click()
            await expect(page.locator(".connections li")).to_have_count(1)
            await _save(page, "page-stream.png")
        await browser.close()


@asynccontextmanager
async def _page(browser: Browser, url: str, locale: str) -> AsyncIterator[Page]:
    context = await browser.new_context(locale=locale, viewport=_WINDOW, color_scheme="light")
    # The demo's picture is on a foreign host, which need not be reachable.
    picture = _ROOT / "tests" / "browser" / "picture.svg"
    await context.route("https://img.alicdn.com/**", lambda route: route.fulfill(path=picture))
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector("html[data-ready]")
    yield page
    await context.close()


async def _draw_replies(page: Page) -> None:
    for count, (said, name) in enumerate(_REPLIES.items(), 1):
        await _say(page, said)
        reply = page.locator(".message.bot").nth(count - 1)
        await expect(reply).to_be_visible()
        await page.wait_for_function("[...document.images].every((image) => image.complete)")
        await _save(page, f"reply-{name}.png", clip=await _frame(reply))


async def _open_details(page: Page, said: str) -> None:
    await _say(page, said)
    state = page.locator(".message.mine").last.locator("button.state")
    await expect(state).to_have_attribute("data-state", "answered")
    await state.click()
    await _to_end(page)


async def _draw_messages(page: Page) -> None:
    await page.locator("#messages-button").click()
    await expect(page.locator(".messages li").first).to_be_visible()
    await _save(page, "page-messages.png")
    await page.locator("#messages-button").click()


async def _draw_bad_day(page: Page) -> None:
    await page.locator("#bad-day-button").click()
    await page.locator('input[value="throttle"]').check()
    await _say(page, "text")
    await expect(page.locator(".note.bad")).to_be_visible()
    await _to_end(page)
    await _save(page, "page-bad-day.png")


async def _say(page: Page, text: str) -> None:
    mine = page.locator(".message.mine")
    count = await mine.count()
    await page.fill("#text", text)
    await page.press("#text", "Enter")
    await expect(mine).to_have_count(count + 1)


async def _to_end(page: Page) -> None:
    await page.evaluate("document.getElementById('log').scrollTop = 1e9")
    await page.wait_for_timeout(150)


async def _frame(reply: Locator) -> FloatRect:
    """Where the bot's picture, its name and its words are, with a margin."""
    whole = await reply.bounding_box()
    bubble = await reply.locator(".bubble").bounding_box()
    if whole is None or bubble is None:
        raise RuntimeError("the reply cannot be seen")
    width = bubble["x"] + bubble["width"] - whole["x"] + 2 * _MARGIN_PX
    return {
        "x": whole["x"] - _MARGIN_PX,
        "y": whole["y"] - _MARGIN_PX,
        "width": max(width, _NARROWEST_PX),
        "height": whole["height"] + 2 * _MARGIN_PX,
    }


async def _save(page: Page, name: str, *, clip: FloatRect | None = None) -> None:
    await page.screenshot(path=_PICTURES / name, clip=clip)
    print(f"docs/img/{name}")


if __name__ == "__main__":
    sys.exit(main())
