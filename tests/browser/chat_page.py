"""The page as a user operates and reads it."""

import json
import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

from playwright.async_api import FilePayload, Locator, Page, expect


class ChatPage:
    """The page, by what it says and not by how it is built, as far as that goes."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    async def open(self, conversation: str = "group", *, query: str = "") -> None:
        """Open a conversation, and wait until its history is there."""
        await self.page.goto(f"{self.url}/{query}#{quote(conversation)}")
        await self.page.wait_for_selector("html[data-ready]")

    async def open_single(self, person: str) -> None:
        """Open a single chat; a person of its own keeps a test's messages apart."""
        await self.open(f"single/{person}")

    async def open_with(self, person: str, text: str, *, state: str = "answered") -> None:
        """Open a person's single chat, say something in it, and wait until that is in a state."""
        await self.open_single(person)
        await self.say(text)
        await self.expect_state(state)

    async def say(self, text: str) -> None:
        """Type something and send it with Enter, by the keyboard alone."""
        await self.page.locator("#text").focus()
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")
        await expect(self.mine.locator(".bubble")).to_contain_text(text)

    async def attach(self, name: str, content: bytes) -> None:
        """Send a picture or a file, with what is typed."""
        file: FilePayload = {"name": name, "mimeType": "", "buffer": content}
        await self.page.locator("#file").set_input_files(file)
        await expect(self.page.locator("#chips")).to_contain_text(name)
        await self.page.keyboard.press("Enter")
        await expect(self.mine.locator(".bubble img, .bubble a")).to_be_visible()

    async def add(self, words: str) -> None:
        """Choose something from the menu of what a message can hold."""
        await self.page.locator("#add").click()
        await self.page.locator("#add-menu").get_by_role("button", name=words, exact=True).click()

    async def add_mention(self, name: str, *, hidden: bool = False) -> None:
        """Mention somebody besides the bot."""
        await self.page.locator("#add").click()
        if hidden:
            await self.page.get_by_label("钉钉隐藏他的 userid").check()
        await self.page.get_by_label("@ 谁", exact=True).fill(name)
        await self.page.keyboard.press("Enter")

    async def send(self, text: str = "") -> dict[str, Any]:
        """Send what the box holds, with a text; returns the callback that it became."""
        if text:
            await self.page.locator("#text").fill(text)
        return await self._callback_of(self.press("发送"))

    async def send_raw(self) -> dict[str, Any]:
        """Send what the editor of callbacks holds; returns the body that was sent."""
        return await self._callback_of(self.press("签名并发送"))

    async def _callback_of(self, press: Awaitable[None]) -> dict[str, Any]:
        path = re.compile(r"/api/(messages|callbacks)(\?|$)")
        async with self.page.expect_response(
            lambda response: response.request.method == "POST" and bool(path.search(response.url))
        ) as responding:
            await press
        record: dict[str, Any] = await (await responding.value).json()
        shown = self.page.locator(f"[data-msg-id={json.dumps(record['msg_id'])}]")
        await expect(shown).to_be_visible()
        callback: dict[str, Any] = record["callback"]
        return callback

    async def quote(self, message: Locator) -> None:
        """Answer to a message of the chat."""
        await message.hover()
        await message.get_by_role("button", name="引用").click()

    @property
    def chips(self) -> Locator:
        """What the next message holds besides words."""
        return self.page.locator("#chips li")

    @property
    def mine(self) -> Locator:
        """The last message to the bot."""
        return self.page.locator(".message.mine").last

    @property
    def reply(self) -> Locator:
        """The last reply that the chat shows."""
        return self.page.locator(".message.bot").last

    @property
    def note(self) -> Locator:
        """The last line that is no message."""
        return self.page.locator(".log .note").last

    @property
    def state(self) -> Locator:
        """The last message's state; a button that opens its details."""
        return self.mine.locator("button.state")

    async def expect_state(self, state: str) -> None:
        """Wait until the last message is in a state, by its word in the ledger or the status."""
        await expect(self.state).to_have_attribute("data-state", state)

    @property
    def mode(self) -> Locator:
        """What the head says of the mode."""
        return self.page.locator("#mode")

    @property
    def connections(self) -> Locator:
        """The Stream connections that the panel of faults lists."""
        return self.page.locator(".connections li")

    @property
    def details(self) -> Locator:
        """A message's details."""
        return self.page.locator("#details")

    def step(self, name: str) -> Locator:
        """A step of the timeline, by its name in the page's source."""
        return self.details.locator(f'[data-step="{name}"]')

    async def open_details(self) -> None:
        """Open the details of the last message."""
        await self.state.click()
        await expect(self.details).to_be_visible()

    async def choose_fault(self, side: str, fault: str) -> None:
        """Turn a switch on, and wait until the server has it."""
        await self.page.locator("#bad-day-button").click()
        await self.page.locator(f'input[name="{side}"][value="{fault}"]').check()
        await expect(self.page.locator("#banner")).to_be_visible()
        await self.page.keyboard.press("Escape")

    async def choose_switch(self, name: str) -> None:
        """Turn a fault of Stream mode on, and wait until the server has it."""
        await self.page.locator("#bad-day-button").click()
        await self.page.locator(f'input[name="{name}"]').check()
        await expect(self.page.locator("#banner")).to_be_visible()
        await self.page.keyboard.press("Escape")

    async def press(self, words: str) -> None:
        """Press a button, by what it says."""
        await self.page.get_by_role("button", name=words, exact=True).click()
