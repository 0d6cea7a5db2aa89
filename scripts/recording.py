"""`make recording`: record the demo keeping its promise, as the READMEs' first picture.

A worker is killed in the middle of an answer, which comes all the same, once; then another under
two hundred questions. All of it is the real demo in a real browser.
"""

import asyncio
import io
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, ViewportSize, async_playwright, expect

from dingda.simulator.errors import StackError
from dingda.simulator.testing.processes import (
    a_running_process,
    clean_environment,
    free_port,
    is_ready,
)

_ROOT = Path(__file__).parents[1]
_PICTURES = _ROOT / "docs" / "img"
_LANGUAGES = {"en-US": "demo.gif", "zh-CN": "demo.zh-CN.gif"}
_WINDOW: ViewportSize = {"width": 1180, "height": 640}
_COLOURS = 64
_EVERY_S = 0.2
_ANSWERED_WITHIN_MS = 60_000
_SEEN_MS = 1_500
"""How long what has just happened is left to be looked at."""
_LONGEST_MS = 250
"""How long the same picture is shown at the most, so that nobody waits for a lease to run out."""
_LAST_MS = 4_000

_SLOW = "慢慢来"


@dataclass(frozen=True, slots=True)
class _Frame:
    picture: Image.Image
    shown_ms: int


def main() -> int:
    """Record it, once in each language."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("No Chromium on the PATH (on Debian: apt install chromium)", file=sys.stderr)
        return 1
    for locale, name in _LANGUAGES.items():
        with tempfile.TemporaryDirectory() as folder, _running_demo(Path(folder)) as url:
            frames = asyncio.run(_record(chromium, url, locale))
        _save(frames, _PICTURES / name)
        print(f"docs/img/{name}")
    return 0


@contextmanager
def _running_demo(folder: Path) -> Iterator[str]:
    """`dingda demo` on free ports; yields the page's address once it answers.

    Raises:
        StackError: if it does not.
    """
    names = ("DINGDA_PORT", "DINGDA_SIMULATOR_PORT", "DINGDA_DEMO_REDIS_PORT")
    ports = {name: str(free_port()) for name in names}
    environment = clean_environment() | ports | {"DISPLAY": ""}
    with a_running_process("dingda", folder, environment, "demo") as (demo, log):
        url = f"http://127.0.0.1:{ports['DINGDA_SIMULATOR_PORT']}"
        if not is_ready(f"{url}/api/health", [demo]):
            raise StackError(log.read_text())
        yield url


async def _record(chromium: str, url: str, locale: str) -> list[_Frame]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        context = await browser.new_context(
            locale=locale, viewport=_WINDOW, color_scheme="light", reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto(url)
        await expect(page.locator('[data-number="answered"]')).to_contain_text("1")
        async with _recording(page) as shots:
            await _play(page)
        await browser.close()
    return _without_pauses(shots)


async def _play(page: Page) -> None:
    """What somebody does who has two minutes."""
    await page.wait_for_timeout(_SEEN_MS)
    await page.locator("#text").press_sequentially(_SLOW, delay=150)
    await page.press("#text", "Enter")
    await page.wait_for_timeout(2 * _SEEN_MS)
    await _press(page, "killWorker")
    said = page.locator(".message.mine").last
    await expect(said.locator("button.state")).to_have_attribute(
        "data-state", "answered", timeout=_ANSWERED_WITHIN_MS
    )
    await page.wait_for_timeout(2 * _SEEN_MS)
    await page.locator('[data-key="send"]').click()
    await expect(page.locator('[data-number="open"] dd')).not_to_have_text("0")
    await _press(page, "killWorker")
    await expect(page.locator('[data-number="open"] dd')).to_have_text(
        "0", timeout=_ANSWERED_WITHIN_MS
    )
    await page.wait_for_timeout(_SEEN_MS)


async def _press(page: Page, button: str) -> None:
    await page.locator(f'[data-key="{button}"]').click()
    await page.wait_for_timeout(_SEEN_MS)


@asynccontextmanager
async def _recording(page: Page) -> AsyncIterator[list[Image.Image]]:
    """Take a picture of the page every so often, in the background."""
    shots: list[Image.Image] = []

    async def shoot() -> None:
        while True:
            began_s = time.monotonic()
            shot = Image.open(io.BytesIO(await page.screenshot()))
            shots.append(shot.convert("RGB"))
            await asyncio.sleep(max(0.0, began_s + _EVERY_S - time.monotonic()))

    shooting = asyncio.create_task(shoot())
    try:
        yield shots
    finally:
        shooting.cancel()


def _without_pauses(shots: Sequence[Image.Image]) -> list[_Frame]:
    """Each picture once, for as long as it was seen, up to a bound; the last one longer."""
    runs = [list(run) for _, run in groupby(shots, key=Image.Image.tobytes)]
    return [
        *(_Frame(run[0], min(round(len(run) * _EVERY_S * 1000), _LONGEST_MS)) for run in runs[:-1]),
        _Frame(runs[-1][0], _LAST_MS),
    ]


def _save(frames: Sequence[_Frame], path: Path) -> None:
    """Write an animation that plays without end, all in the colours of its busiest picture."""
    palette = frames[len(frames) // 2].picture.quantize(_COLOURS)
    first, *others = (
        frame.picture.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames
    )
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[frame.shown_ms for frame in frames],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    sys.exit(main())
