"""The pictures of the dashboard, after half a minute of a bot that has good and bad moments."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio
import uvicorn
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.queue import JobQueue
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.faults import FaultSettings, ReplyFault
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.worker.operations.dashboard.access import Access
from dingda.worker.operations.dashboard.app import create_app
from dingda.worker.operations.dashboard.settings import load_dashboard_settings
from dingda.worker.operations.dashboard.site import Site

_WINDOW: ViewportSize = {"width": 1180, "height": 860}
_PHONE: ViewportSize = {"width": 390, "height": 860}
_ACT = "only-for-pictures"
_SENDERS = ("张三", "李四", "王五", "赵六", "孙七")
_SECONDS = 30
_HEARTBEAT_S = 11
"""A worker tells what it is doing every ten seconds."""
_TEXTS = ("text", "markdown", "feed", "北京明天天气", "上海天气", "吃了吗", "慢 0.4", "慢 1.5")


async def draw_dashboard(chromium: str, simulator: str, redis_url: str, folder: Path) -> None:
    """Draw the pictures.

    Args:
        chromium: the browser's path.
        simulator: the running simulator's URL.
        redis_url: where the bot's ledger is.
        folder: where the pictures go.
    """
    async with _dashboard(redis_url) as url, async_playwright() as playwright:
        await _talk(simulator)
        browser = await playwright.chromium.launch(executable_path=chromium)
        for locale, name in (("en-US", "dashboard.png"), ("zh-CN", "dashboard.zh-CN.png")):
            async with _page(browser, locale, _WINDOW) as page:
                await page.goto(url)
                await _save(page, folder / name)
        async with _page(browser, "en-US", _WINDOW) as page:
            await _sign_in(page, url)
            await _save(page, folder / "dashboard-dead-letters.png")
            await page.locator(".group h2 a").first.click()
            await page.locator("tr", has_text="weather").locator("a.id").first.click()
            await page.wait_for_url("**/messages/*")
            await _save(page, folder / "dashboard-message.png")
        async with _page(browser, "zh-CN", _PHONE) as page:
            await page.emulate_media(color_scheme="dark")
            await _sign_in(page, url)
            await page.locator("button[value=retry]").last.click()
            await _save(page, folder / "dashboard-phone-dark.png")
        await browser.close()


@asynccontextmanager
async def _dashboard(redis_url: str) -> AsyncIterator[str]:
    client = redis.asyncio.from_url(redis_url, decode_responses=True)
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    settings = load_dashboard_settings(None, act_password=_ACT)
    site = Site(client, LedgerAdmin(client, queue), queue, settings, Access(settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(site), log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
    await client.aclose()


@asynccontextmanager
async def _page(browser: Browser, locale: str, window: ViewportSize) -> AsyncIterator[Page]:
    context = await browser.new_context(locale=locale, viewport=window, color_scheme="light")
    yield await context.new_page()
    await context.close()


async def _sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/sign-in?next=/dead")
    await page.fill("#password", _ACT)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/dead")


async def _save(page: Page, path: Path) -> None:
    """Draw as much of the window as there is something in."""
    main = await page.locator("main").bounding_box()
    window = page.viewport_size
    if main is None or window is None:
        raise RuntimeError("the page cannot be seen")
    height = min(main["y"] + main["height"], window["height"])
    await page.screenshot(
        path=path, clip={"x": 0, "y": 0, "width": window["width"], "height": height}
    )
    print(f"docs/img/{path.name}")


async def _talk(simulator: str) -> None:
    """Have people speak to the bot for a while; DingTalk has two bad moments."""
    chance = random.Random(7)  # noqa: S311 - the same pictures every time, as far as that goes
    bad_places = ["西宁", "兰州"]
    bad = {8: ReplyFault.REFUSE, 16: ReplyFault.CLOSE}
    async with SimulatorClient(simulator) as dingtalk:
        for second in range(_SECONDS):
            await dingtalk.set_faults(FaultSettings(replies=bad.get(second)))
            if second in bad:  # about a place that no answer is cached of
                await dingtalk.send(UserMessage(f"{bad_places.pop()}天气", "周八"))
            for _ in range(chance.randint(1, 6)):
                await dingtalk.send(UserMessage(chance.choice(_TEXTS), chance.choice(_SENDERS)))
            await asyncio.sleep(1)
        for sender, seconds in zip(_SENDERS, (25, 18, 21), strict=False):
            await dingtalk.send(UserMessage(f"慢 {seconds}", sender))
        await asyncio.sleep(_HEARTBEAT_S)
