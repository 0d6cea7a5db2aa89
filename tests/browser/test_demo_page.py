"""`make demo`, as somebody sees it who has just cloned the repository."""

import time

import pytest
from playwright.async_api import Page, expect

from dingda.simulator.testing.processes import free_port
from tests.browser.chat_page import ChatPage
from tests.support.processes import process

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

PROMISED_S = 10.0
"""How long after `make demo` the first reply may be visible at the latest: a promise of ours."""


async def test_the_first_reply_is_visible_within_ten_seconds(page: Page) -> None:
    ports = {
        name: str(free_port())
        for name in ("DINGDA_DEMO_REDIS_PORT", "DINGDA_PORT", "DINGDA_SIMULATOR_PORT")
    }
    began = time.monotonic()
    with process("-m", "dingda", "demo", env=ports | {"DISPLAY": ""}) as demo:
        demo.wait_for("Dingda is ready")
        chat = ChatPage(page, f"http://127.0.0.1:{ports['DINGDA_SIMULATOR_PORT']}")
        await chat.open()
        remaining_ms = (began + PROMISED_S - time.monotonic()) * 1000
        await expect(chat.reply).to_be_visible(timeout=remaining_ms)
        assert demo.stop() == 0
