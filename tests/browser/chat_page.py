"""The page as a user operates and reads it."""

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
