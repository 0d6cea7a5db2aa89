"""A real browser on the real page, with the real bot behind it."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.inspection import OfferedCommand, OfferedSkill, OfferedSkills
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.app import create_app
from dingda.simulator.http.callback_sender import CallbackSender
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.events import Feed
from dingda.simulator.testing.stack import a_running_stack
from tests.browser.bot_account import APP_SECRET, BotAccount
from tests.browser.chat_page import ChatPage
from tests.support.builders import now_ms
from tests.support.processes import wait_until
from tests.support.simulator_harness import CALLBACK_URL, ROBOTS, Bot, Clock

PICTURE = Path(__file__).with_name("picture.svg")
SKILLS = (
    "dingda.worker.skills.demo",
    "dingda.worker.skills.showcase",
    "tests.e2e.slow_skill",
    "tests.browser.inspected_skill",
)
NO_SKILLS = OfferedSkills()
SKILLS_OF_ROBOTS = OfferedSkills(
    tuple(
        OfferedSkill(
            name=command,
            summary="",
            robots=(robot,),
            commands=(OfferedCommand(command, command, complete=True),),
        )
        for command, robot in (("天气", "小钉"), ("年假", "人事助手"))
    )
)
FORGET_ONCE = """
if (origin !== "null" && !sessionStorage.getItem("forgotten")) {
  localStorage.clear();
  sessionStorage.setItem("forgotten", "yes");
}
"""
"""A tab has a sessionStorage of its own; the localStorage is all tabs'."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def dingda_settings() -> dict[str, str]:
    return {
        "DINGDA_SKILLS": ",".join(SKILLS),
        "DINGDA_APP_SECRET": APP_SECRET,
        "DINGDA_RESULT_TTL": "60",  # as the demo: RQ's record of a job says whose it was
    }


# Before all others, so that nothing is started for tests that are skipped.
@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on the PATH (on Debian: apt install chromium)")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        yield browser
        await browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of; a test that means it to complain clears them."""
    return []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def window(browser: Browser) -> AsyncIterator[BrowserContext]:
    """What all pages share. Pictures of the world come from a file.

    Chromium keeps one process for the pages of a site as long as one of them is open, and a new
    one costs as much as a page: so the first stays open.
    """
    window = await browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    await window.grant_permissions(["clipboard-read", "clipboard-write"])
    await window.route("https://img.alicdn.com/**", lambda route: route.fulfill(path=PICTURE))
    first = await window.new_page()
    await first.route("http://127.0.0.1/", lambda route: route.fulfill(body=""))
    await first.goto("http://127.0.0.1/")
    yield window
    await window.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(window: BrowserContext, complaints: list[str]) -> AsyncIterator[Page]:
    """A page in Chinese that remembers no choice of an earlier test; complaints fail its own."""
    page = await window.new_page()
    await page.add_init_script(FORGET_ONCE)
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if _is_fault(line) else None)
    yield page
    _, *opened = window.pages
    for each in opened:
        await each.close()
    assert complaints == []


def _is_fault(line: Any) -> bool:
    # Chromium reports what the API refuses as well; that is part of the game.
    return line.type == "error" and "Failed to load resource" not in line.text


@pytest_asyncio.fixture(loop_scope="session")
async def chat(page: Page, dingtalk_url: str) -> AsyncIterator[ChatPage]:
    """The page with the real gateway, queue and worker; every day begins and ends well."""
    yield ChatPage(page, dingtalk_url)
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.put(f"{dingtalk_url}/api/bad-day", json={})
        await client.put(f"{dingtalk_url}/api/openapi/faults", json={})


@pytest_asyncio.fixture(loop_scope="session")
async def account(dingtalk_url: str) -> AsyncIterator[BotAccount]:
    """The bot's account for the OpenAPI, in a test's hands."""
    async with BotAccount.at(dingtalk_url) as account:
        yield account


@pytest.fixture(scope="session")
def streaming_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {
        "DINGDA_SKILLS": "dingda.worker.skills.demo",
        "DINGDA_SIMULATOR_MODE": "stream",
        # What is not acknowledged comes again soon.
        "DINGDA_SIMULATOR_STREAM_ACK_S": "1",
        "DINGDA_SIMULATOR_STREAM_REDELIVER_S": "1",
        "DINGDA_SIMULATOR_STREAM_CUT_S": "2",
    }
    with a_running_stack(tmp_path_factory.mktemp("streaming"), settings) as stack:
        yield stack.url


@pytest_asyncio.fixture(loop_scope="session")
async def streaming(page: Page, streaming_url: str) -> AsyncIterator[ChatPage]:
    """The page in Stream mode, with the real bot; every day begins with one sound connection."""
    await asyncio.to_thread(wait_until, partial(_has_one_sound_connection, streaming_url))
    yield ChatPage(page, streaming_url)
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.put(f"{streaming_url}/api/stream/faults", json={})


def _has_one_sound_connection(url: str) -> bool:
    stream = httpx.get(f"{url}/api/stream", trust_env=False).json()
    return [each["state"] for each in stream["connections"]] == ["open"]


@pytest_asyncio.fixture(loop_scope="session")
async def staged(page: Page) -> AsyncIterator[tuple[ChatPage, Bot]]:
    """The page with a bot that answers as the test tells it."""
    async with _staged(page, ROBOTS) as staged:
        yield staged


@pytest_asyncio.fixture(loop_scope="session")
async def staged_robots(page: Page) -> AsyncIterator[tuple[ChatPage, Bot]]:
    """The same with two robots, 小钉 and 人事助手, each with a skill of its own."""
    first = Robot("dingabc", name="小钉", secrets=("the first's",))
    second = Robot("dinghr", name="人事助手", secrets=("the second's",))
    async with _staged(page, (first, second), SKILLS_OF_ROBOTS) as staged:
        yield staged


@asynccontextmanager
async def _staged(
    page: Page, robots: Sequence[Robot], skills: OfferedSkills = NO_SKILLS
) -> AsyncIterator[tuple[ChatPage, Bot]]:
    clock = Clock()
    clock.now_ms = now_ms()
    bot = Bot(clock, robots)
    with _listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        changes = ChangeNotifier()
        dingtalk = Simulation(robots=robots, public_url=url, now_ms=clock)
        callback_sender = CallbackSender(CALLBACK_URL, transport=httpx.ASGITransport(bot.app))
        app = create_app(
            dingtalk=dingtalk,
            delivery=Delivery(dingtalk, callback_sender, changes),
            changes=changes,
            feed=Feed(views={"robots": lambda: dingtalk.robots.labels, "skills": lambda: skills}),
        )
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        async with _serving(server, listener, changes):
            yield ChatPage(page, url), bot


@asynccontextmanager
async def _serving(
    server: uvicorn.Server, listener: socket.socket, changes: ChangeNotifier
) -> AsyncIterator[None]:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield
    await changes.close()
    server.should_exit = True
    await serving


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))
