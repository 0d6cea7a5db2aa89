"""What a skill's author imports.

    skill = Skill("leave", summary="查剩余假期")

    @skill.command("假期", "leave")
    async def leave(year: Annotated[int, "年份"], ask: Ask) -> str:
        return f"{year} 年还有 {await days_left(ask.staff_id, year)} 天假"

The module's `skill` is what the loader reads; the function stays an ordinary function. Its
parameters are read from the text by their types, see `worker.arguments`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, TypeVar

from anyio import to_process

from dingda.shared.content import File, Picture, Quoted, Voice
from dingda.shared.message import Mention, Message
from dingda.shared.reply import (
    NOBODY,
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
    plain,
)
from dingda.shared.settings import PlainSettings
from dingda.worker import child
from dingda.worker.arguments import Signature
from dingda.worker.backend import Backend, Limits, LimitsSetting
from dingda.worker.cache import Cache
from dingda.worker.errors import (
    BackendBusyError,
    BackendProtocolError,
    BackendQuotaError,
    BackendRefusedError,
    BackendUnavailableError,
    RefusalError,
    UnclearError,
)
from dingda.worker.patterns import Pattern, UnsupportedPatternError
from dingda.worker.people import Person
from dingda.worker.services import Services
from dingda.worker.text import is_traditional, to_traditional

__all__ = [
    "EVERYONE",
    "ActionCard",
    "Allow",
    "Ask",
    "At",
    "Backend",
    "BackendBusyError",
    "BackendProtocolError",
    "BackendQuotaError",
    "BackendRefusedError",
    "BackendUnavailableError",
    "Button",
    "Cache",
    "FeedCard",
    "FeedLink",
    "File",
    "Limits",
    "LimitsSetting",
    "Markdown",
    "Mention",
    "Person",
    "Picture",
    "Quoted",
    "RefusalError",
    "Reply",
    "Skill",
    "SkillSettings",
    "Text",
    "UnclearError",
    "Voice",
    "plain",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """One question: the words, who asks them where, and what may be used to answer."""

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

    def say(self, text: str) -> str:
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


class SkillSettings(PlainSettings):
    """What a skill's settings begin with: variables `DINGDA_…`, or lines in `.env`.

    Another prefix is set with `model_config = SettingsConfigDict(env_prefix="ACME_")`.
    """


@dataclass(frozen=True, slots=True)
class Allow:
    """Who may use a skill: everyone, unless it is narrowed."""

    staff_ids: frozenset[str] = frozenset()
    conversation_ids: frozenset[str] = frozenset()
    chats: Literal["any", "group", "single"] = "any"


EVERYONE = Allow()

Answer = Reply | str | None
SkillFunction = Callable[..., Answer | Awaitable[Answer]]
F = TypeVar("F", bound=SkillFunction)


@dataclass(frozen=True, slots=True)
class Command:
    """A function of a skill, and what reaches it."""

    names: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    function: SkillFunction
    signature: Signature

    @property
    def usage(self) -> str:
        """How to type it: `天气 <城市> [日期]`."""
        return " ".join((self.names[0], *self.signature.usage))


@dataclass(slots=True)
class Skill:
    """Something that the bot can do.

    Args:
        name: short and unique, for logs.
        summary: a line for the help, in Chinese.
        timeout_s: seconds that it may take; None for the setting `DINGDA_SKILL_TIMEOUT`.
        private: whether its answers go to the asker alone, even if asked in a group.
        allow: who may use it.
        overtakes: whether its answers may come before those to earlier messages of the same person.
            For what depends on nothing that was said before, and is quick: it is not kept waiting
            behind something slow.
    """

    name: str
    summary: str
    timeout_s: float | None = None
    private: bool = False
    allow: Allow = EVERYONE
    overtakes: bool = False
    commands: list[Command] = field(default_factory=list, init=False)

    def command(self, *names: str, pattern: str | None = None) -> Callable[[F], F]:
        """Declare what to type for a function.

        Args:
            names: the command, and aliases for it. What follows it are its arguments.
            pattern: a regular expression (RE2's) that reaches the function as well, wherever it
                stands in the text; it is matched against simplified, lower-case, half-width
                characters. What stands around it, or around its group `taken`, are the arguments.

        Raises:
            TypeError: if the function has a parameter that can't be read from text, or the pattern
                can't be matched in linear time.
        """
        if not names:
            raise TypeError("a command needs a name: @skill.command('天气')")
        try:
            patterns = (Pattern(pattern),) if pattern else ()
        except UnsupportedPatternError as error:
            raise TypeError(f"skill {self.name!r}: {error}") from None

        def declare(function: F) -> F:
            signature = Signature.of(function, ask_type=Ask)
            self.commands.append(Command(names, patterns, function, signature))
            return function

        return declare

    def settings_types(self) -> list[type[Any]]:
        """The settings classes that its functions take."""
        return [kind for command in self.commands for kind in command.signature.settings]
