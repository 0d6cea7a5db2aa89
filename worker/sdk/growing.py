"""An answer that a skill writes piece by piece, and its sender may see growing."""

import asyncio
from collections.abc import Callable

from dingda.shared.dingtalk.fields import encodable
from dingda.shared.dingtalk.markdown import plain
from dingda.shared.dingtalk.reply import MAX_BODY_BYTES, MAX_PARTS
from dingda.shared.dingtalk.shortening import shorten

MAX_ANSWER_CHARS = MAX_PARTS * MAX_BODY_BYTES
"""What is written beyond as many characters could be shown nowhere."""
_MAX_PROGRESS_CHARS = 100


class GrowingAnswer:
    r"""The answer to one message, as `ctx.stream()` gives it to a skill.

    Args:
        on_change: called after each change; whatever shows the answer reads it then.

    >>> @skill.command("写诗")
    ... async def poem(ctx: Context) -> None:
    ...     async with ctx.stream() as answer:
    ...         await answer.write("# 秋\n")
    ...         await answer.write("一叶知秋")
    >>> asyncio.run(ask(skill, "写诗")).text
    '# 秋\n一叶知秋'
    """

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        self._on_change = on_change
        self._pieces: list[str] = []
        self._room = MAX_ANSWER_CHARS
        self._progress = ""

    async def write(self, text: str) -> None:
        """Add to the end of the answer.

        It returns at once, however slow DingTalk is: a card shows the newest text when it can.

        Args:
            text: Markdown; words that people typed go through `plain`.

        Raises:
            TypeError: if it is no string.
        """
        if not isinstance(text, str):
            raise TypeError(f"an answer is written with strings, not {type(text).__name__}")
        if piece := encodable(text[: self._room]):
            self._pieces.append(piece)
            self._room -= len(piece)
            await self._changed()

    async def show_progress(self, done: float, text: str = "") -> None:
        """Show below the answer how far the work is; the next one, or the end, takes its place.

        Args:
            done: from 0 to 1.
            text: a few plain words.
        """
        percent = round(100 * min(max(0.0, done), 1.0))
        words = plain(shorten(encodable(str(text)), _MAX_PROGRESS_CHARS))
        self._progress = f"⏳ {percent}% {words}".rstrip()
        await self._changed()

    @property
    def text(self) -> str:
        """What has been written so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def progress(self) -> str:
        """The line that says how far the work is; "" if none was given."""
        return self._progress

    async def _changed(self) -> None:
        if self._on_change:
            self._on_change()
        # A skill that writes in a loop lets others work in between.
        await asyncio.sleep(0)
