"""The operators' dashboard in a real browser, on a real server with a ledger in it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio
import uvicorn
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.ledger.worker_report import HeldMessage, WorkerReport
from dingda.shared.queue import JobQueue
from dingda.simulator.testing.processes import a_running_valkey
from dingda.worker.operations.dashboard.access import Access
from dingda.worker.operations.dashboard.app import create_app
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.operations.dashboard.site import Site
from tests.browser.test_page_access import findings
from tests.support.builders import now_ms
from tests.unit.worker.operations.messages import accepted, ended

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ACT = "for-operators-only"
QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
EVIL = "\"'><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
GROUP = "/dead/group?reason=failed: errcode 300001"


class Dashboard:
    """A dashboard with its ledger, and a page on it."""

    def __init__(self, url: str, client: Any) -> None:
        self.url = url
        self.redis = client
        self.ledger = Ledger(client, QUEUE)
        self.admin = LedgerAdmin(client, QUEUE)
        self.page: Page

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def sign_in(self, back: str = "/") -> None:
        await self.open(f"/sign-in?next={back}")
        await self.page.get_by_label("Password").fill(ACT)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url(self.url + back)

    async def fill(self) -> str:
        """Something for every page to show; returns the id of a dead letter."""
        for number in range(3):
            message = await ended(self.ledger, msgId=f"dead{number}")
        unknown = Completion(Outcome.DEAD, DeadReason.UNKNOWN, "IncompleteReadError")
        await ended(self.ledger, unknown, msgId="unknown")
        evil = Completion(Outcome.DEAD, DeadReason.FAILED, EVIL)
        await ended(self.ledger, evil, msgId="evil", conversationTitle=EVIL, senderStaffId=EVIL)
        await ended(self.ledger, Completion(Outcome.ANSWERED), msgId="answered")
        held = await accepted(self.ledger, msgId="held")
        await self.ledger.lease(held.id)
        report = WorkerReport(
            name=EVIL,
            host=EVIL,
            pid=1,
            version="0.1.0",
            started_ms=now_ms() - 9_000_000,
            seen_ms=now_ms(),
            slots=110,
            slots_used=1,
            doing=(HeldMessage(held.id, EVIL, now_ms()),),
            open_circuits=(EVIL,),
        )
        await self.redis.sadd(QUEUE.workers_key, f"rq:worker:{report.name}")
        await self.redis.set(LedgerKeys("dingda").worker(report.name), report.to_json())
        return message.id


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with a_running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(chromium: str, redis_url: str) -> AsyncIterator[Dashboard]:  # noqa: ARG001
    client = redis.asyncio.from_url(redis_url, decode_responses=True)
    settings = DashboardSettings(
        _env_file=None,  # type: ignore[call-arg]
        act_password=SecretStr(ACT),
        show_words=True,
    )
    site = Site(client, LedgerAdmin(client, QUEUE), QUEUE, settings, Access(settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(site), log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield Dashboard(f"http://127.0.0.1:{listener.getsockname()[1]}", client)
        server.should_exit = True
        await serving
    await client.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(
    served: Dashboard, browser: Browser, complaints: list[str]
) -> AsyncIterator[Dashboard]:
    """An empty ledger, and a page in English that complains of nothing."""
    await served.redis.flushall()
    context = await browser.new_context(locale="en-US", viewport={"width": 1180, "height": 800})
    served.page = await context.new_page()
    served.page.set_default_timeout(15_000)
    served.page.on("pageerror", lambda error: complaints.append(str(error)))
    served.page.on(
        "console",
        lambda line: complaints.append(line.text) if is_fault(line) else None,
    )
    yield served
    await context.close()
    assert complaints == []


def is_fault(line: Any) -> bool:
    # Chromium reports as well that a page which is not there is not there.
    return line.type in ("error", "warning") and "Failed to load resource" not in line.text


async def every_page(dashboard: Dashboard, dead_id: str) -> AsyncIterator[str]:
    """Open each page, those behind buttons too."""
    page = dashboard.page
    for path in ("/sign-in", "/nowhere", "/", "/dead", GROUP, "/messages", f"/messages/{dead_id}"):
        await dashboard.open(path)
        yield path
    await dashboard.open(GROUP)
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Discard chosen").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Discard 1?")
    await page.wait_for_load_state()
    yield "the question"
    await page.get_by_role("button", name="Discard 1").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("What became of the discard")
    await page.wait_for_load_state()
    yield "the result"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 390)])
async def test_axe_finds_nothing_no_name_runs_a_script_and_no_page_is_wider_than_the_screen(
    dashboard: Dashboard, scheme: Any, width: int
) -> None:
    page = dashboard.page
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    dead_id = await dashboard.fill()
    await dashboard.redis.set("rq:suspended", 1)
    await dashboard.sign_in()
    async for name in every_page(dashboard, dead_id):
        assert await findings(page) == [], name
        assert "owned" not in await page.title(), name
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("width", [320, 768])
async def test_the_first_page_fits_on_every_screen(dashboard: Dashboard, width: int) -> None:
    await dashboard.page.set_viewport_size({"width": width, "height": 700})
    await dashboard.fill()
    await dashboard.open("/")
    assert await dashboard.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_reason_that_holds_a_script_is_text(dashboard: Dashboard) -> None:
    await dashboard.fill()
    await dashboard.open("/dead")
    await dashboard.page.get_by_role("link", name="document.title").click()
    await expect(dashboard.page.get_by_role("heading", level=1)).to_contain_text("<script>")
    assert "owned" not in (await dashboard.page.title()).partition("<script>")[0]


async def test_a_group_is_retried_by_the_keyboard_alone(dashboard: Dashboard) -> None:
    for number in range(3):
        await ended(dashboard.ledger, msgId=f"m{number}")
    page = dashboard.page
    await dashboard.sign_in("/dead")
    await page.get_by_role("button", name="Retry the group").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 3?")
    await page.get_by_role("button", name="Retry 3").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("3 accepted again.")
    assert (await dashboard.admin.counts()).open == 3


async def test_the_first_tab_leads_past_the_navigation(dashboard: Dashboard) -> None:
    await dashboard.open("/dead")
    await dashboard.page.keyboard.press("Tab")
    await expect(dashboard.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.page.locator("#main")).to_be_focused()


async def test_figures_refresh_by_themselves_and_focus_and_scroll_stay(
    dashboard: Dashboard,
) -> None:
    page = dashboard.page
    await page.set_viewport_size({"width": 390, "height": 300})
    await page.clock.install()
    await ended(dashboard.ledger, msgId="1")
    await dashboard.open("/")
    link = page.get_by_role("main").get_by_role("link", name="1", exact=True)
    await link.focus()
    await page.evaluate("window.scrollTo(0, 120); window.unchanged = true")
    await ended(dashboard.ledger, msgId="2")
    await page.clock.fast_forward(5000)
    newer = page.get_by_role("main").get_by_role("link", name="2", exact=True)
    await expect(newer).to_be_focused()
    assert await page.evaluate("[window.scrollY, window.unchanged]") == [120, True]


async def test_refreshing_can_be_stopped(dashboard: Dashboard) -> None:
    page = dashboard.page
    await page.clock.install()
    await dashboard.open("/")
    await page.get_by_role("button", name="Stop refreshing").click()
    await ended(dashboard.ledger)
    async with page.expect_response("**/static/**"):  # the page is alive all the same
        await page.clock.fast_forward(30_000)
        await page.evaluate("fetch('/static/icon.svg')")
    await expect(page.locator("#to-dead")).to_have_text("0")


async def test_when_no_figures_arrive_the_page_says_how_old_its_figures_are(
    dashboard: Dashboard,
) -> None:
    page = dashboard.page
    await page.clock.install()
    await dashboard.open("/")
    await page.route("**/*", lambda route: route.abort())
    await page.clock.fast_forward(5000)
    await expect(page.locator("#stale")).to_contain_text("No new figures arrive")
    await page.unroute("**/*")
    await page.clock.fast_forward(5000)
    await expect(page.locator("#stale")).to_have_text("")


async def test_the_workers_are_paused_and_resumed(dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.sign_in()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: workers take no messages")).to_be_visible()
    assert await dashboard.redis.exists("rq:suspended")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Paused: workers")).to_have_count(0)
    assert not await dashboard.redis.exists("rq:suspended")


async def test_what_was_written_is_shown_on_request_alone(dashboard: Dashboard) -> None:
    page = dashboard.page
    message = await ended(dashboard.ledger, text="谁的<b>绩效</b>")
    await dashboard.sign_in(f"/messages/{message.id}")
    assert "绩效" not in await page.content()
    await page.get_by_role("button", name="Show what was written").click()
    await expect(page.locator(".said")).to_have_text("谁的<b>绩效</b>")


async def test_without_scripts_everything_can_be_read_and_done(
    dashboard: Dashboard, browser: Browser
) -> None:
    await ended(dashboard.ledger)
    context = await browser.new_context(locale="en-US", java_script_enabled=False)
    dashboard.page = await context.new_page()
    page = dashboard.page
    await dashboard.sign_in("/dead")
    await page.get_by_role("link", name="failed: errcode 300001").click()
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Retry chosen").click()
    await page.get_by_role("button", name="Retry 1").click()
    await expect(page.get_by_role("status")).to_have_text("1 accepted again.")
    await dashboard.open("/")
    await expect(page.get_by_text("1 accepted + 1 retried = 1 ended + 1 open")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop refreshing")).to_be_hidden()
    await context.close()


async def test_it_speaks_chinese_and_english(dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.open("/dead")
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("死信")
    await dashboard.open("/")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Now")
