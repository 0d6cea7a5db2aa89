"""What a skill's function gets of the message: its text, its sender, and the services."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from anyio import to_process

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import NOBODY, At
from dingda.worker.language.text import is_traditional, to_traditional
from dingda.worker.sdk import child
from dingda.worker.sdk.services import Services

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """One question: the words, who asks them where, and what may be used to answer.

    >>> @skill.command("我是谁")
    ... def who(ctx: Context) -> str:
    ...     return ctx.localize(f"你的工号是 {ctx.staff_id}")
    >>> asyncio.run(ask(skill, "我是誰", staff_id="0001")).content
    '你的工號是 0001'
    """

    text: str = field(repr=False)
    """What was typed, without the mention and invisible characters."""
    message: Message
    """All of what DingTalk sent."""
    now: datetime
    """The present, in the time zone of China."""
    services: Services = field(repr=False)
    """`http`, `cache`, `databases`, `dingtalk`."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """The names behind an @ at the text's edges, which were taken out of it: the bot's, or typed by
    hand. Whoever was really mentioned is in `message.mentions`."""

    @property
    def staff_id(self) -> str:
        """The asker's userid, or "" where DingTalk hides it. A nickname identifies nobody."""
        return self.message.sender_staff_id

    @property
    def mention(self) -> At:
        """The asker, for a reply's `at`.

        Nobody in a single chat, and where DingTalk hides the id or it can't be written.
        """
        return At.if_possible(self.staff_id) if self.message.is_group else NOBODY

    def localize(self, text: str) -> str:
        """A text of the bot's own in the script that the asker writes."""
        return to_traditional(text) if self._is_traditional else text

    @cached_property
    def _is_traditional(self) -> bool:
        return is_traditional(self.text)

    async def in_process(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what keeps a CPU busy in another process, and return what it returns.

        Args:
            function: stands at the top of a module, for the process imports it.
            arguments: what it is given; they and the result are pickled.

        The process is killed when the skill's time is up, which a thread can't be, and when the
        worker ends, however it ends.
        """
        parent, call = child.pack(function, arguments)
        returned: T = await to_process.run_sync(child.run, parent, call, cancellable=True)
        return returned
