"""What a skill's author imports.

    skill = Skill("greeting", summary="打个招呼")

    @skill.command("你好", "hello")
    def greet(ask: Ask) -> str:
        return "你好！"

The module's `skill` is what the loader reads; the function stays an ordinary function.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from shared.errors import DingdaError
from shared.message import Message
from shared.reply import NOBODY, ActionCard, At, Button, FeedCard, FeedLink, Markdown, Reply, Text
from worker.text import is_traditional, to_traditional

__all__ = [
    "ActionCard",
    "Ask",
    "At",
    "Button",
    "FeedCard",
    "FeedLink",
    "Markdown",
    "RefusalError",
    "Reply",
    "Skill",
    "Text",
]


class RefusalError(DingdaError):
    """Raise it to tell the asker, in one plain sentence, why there is no answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: the words, and the message that they came in."""

    text: str = field(repr=False)
    """What was typed, without the mention and invisible characters."""
    message: Message

    @property
    def mention(self) -> At:
        """The asker, for a reply's `at`; nobody in a single chat or where DingTalk hides the id."""
        staff_id = self.message.sender_staff_id
        return At((staff_id,)) if self.message.is_group and staff_id else NOBODY

    def say(self, text: str) -> str:
        """A text of the bot's own in the script that the asker writes."""
        return to_traditional(text) if is_traditional(self.text) else text


Answer = Reply | str | None
SkillFunction = Callable[[Ask], Answer | Awaitable[Answer]]
F = TypeVar("F", bound=SkillFunction)


@dataclass(slots=True)
class Skill:
    """Something that the bot can do.

    Args:
        name: short and unique, for logs.
        summary: a line for the help, in Chinese.
        timeout_s: seconds that it may take; None for the setting `DINGDA_SKILL_TIMEOUT`.
    """

    name: str
    summary: str
    timeout_s: float | None = None
    commands: dict[tuple[str, ...], SkillFunction] = field(default_factory=dict, init=False)

    def command(self, *names: str) -> Callable[[F], F]:
        """Declare what to type for a function: its command, and aliases for it.

        The function takes an `Ask` and returns a reply, a plain string, or None to stay silent; it
        may be async, and one that isn't runs in a thread.
        """
        if not names:
            raise TypeError("a command needs a name: @skill.command('天气')")

        def declare(function: F) -> F:
            self.commands[names] = function
            return function

        return declare
