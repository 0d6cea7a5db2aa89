"""The contexts of a skill's functions: of a command the message being handled, and the services."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, TypeVar

from anyio import to_process

from dingda.shared.dingtalk.content import File, Picture, Voice
from dingda.shared.dingtalk.media import MediaId
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.push import Target
from dingda.shared.dingtalk.reply import NOBODY, At, Reply
from dingda.worker.errors import BackendConfigError
from dingda.worker.language.text import localizer
from dingda.worker.sdk import child
from dingda.worker.sdk.abilities import Abilities
from dingda.worker.sdk.growing import GrowingAnswer
from dingda.worker.sdk.services import Services
from dingda.worker.services.access_token import OPENAPI
from dingda.worker.services.media import Media
from dingda.worker.services.media_file import MediaFile

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BaseContext:
    """What the context of every function of a skill has, and what it can do."""

    idempotency_key: str
    """Names what the function is called for: the same whenever it is called for it again."""
    robot_code: str
    """Which robot it is; "" where neither the settings nor DingTalk name one."""
    now: datetime
    """The present, in the time zone of China."""
    services: Services = field(repr=False)
    """`http`, `cache`, `databases`, `dingtalk`, `media`."""
    abilities: Abilities = field(default_factory=Abilities, repr=False)
    """What the methods below need of what calls the function."""

    async def download(self, sent: Picture | File | Voice) -> MediaFile:
        """Download what somebody sent, now: DingTalk's code for it is valid for a while only.

        Args:
            sent: a parameter of the function, or from `ctx.message` or a `Quoted`.

        Raises:
            RefusalError: if it has more than 20 MB, is no longer there, or was never sent to the
                robot (a file that only lies in somebody's space).
            BackendBusyError: if the worker holds as many files as it may.
            BackendError: if DingTalk can't be reached in time, or there is no account for it.
        """
        return await self._media.download(sent)

    async def upload(self, content: bytes, name: str) -> MediaId:
        """Upload a picture or a file, to be shown in a reply.

        Args:
            content: of at most 20 MB; of a voice 2 MB.
            name: its end says what it is: jpg, png, gif, bmp; amr, mp3, wav; mp4; doc, docx, xls,
                xlsx, ppt, pptx, zip, pdf, rar.

        Raises:
            InvalidReplyError: if DingTalk takes no such file.
            BackendError: if DingTalk can't be reached, or there is no account for it.
        """
        return await self._media.upload(content, name)

    @property
    def _media(self) -> Media:
        if self.services.media is None:
            reason = "pictures and files need DINGDA_APP_KEY and its secret"
            raise BackendConfigError(OPENAPI.name, reason)
        return self.services.media

    _pushes: Iterator[int] = field(default_factory=count, init=False, repr=False, compare=False)

    async def push(self, to: Target, reply: Reply | str, *, key: str = "") -> bool:
        """Say something to a group or a person without answering them, once.

        It is stored before this returns, and sent whatever dies after that.

        Args:
            to: a `Group` or a `User`.
            reply: what to say.
            key: tells this push from all others of the robot; the same key is the same push. Left
                out, it is the call's idempotency key with a number: so a function that runs again
                should push the same things in the same order.

        Returns:
            Whether it is new.

        Raises:
            BackendError: if nothing can be pushed there, or just now.
            InvalidReplyError: if DingTalk would refuse it.

        >>> pushes = Pushes()
        >>> @skill.command("上线")
        ... async def release(ctx: Context) -> str:
        ...     await ctx.push(Group("ops"), "开始上线")
        ...     return "已通知"
        >>> asyncio.run(ask(skill, "上线", pushes=pushes)).content, pushes[0].reply.content
        ('已通知', '开始上线')
        """
        if self.services.pusher is None:
            raise BackendConfigError("主动消息", "there is nothing to push through")
        key = key or f"{self.idempotency_key} {next(self._pushes)}"
        return await self.services.pusher.push(to, reply, key=key)

    async def in_process(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a CPU-bound function in another process, and return its result.

        Args:
            function: at the top level of a module, because the process imports it.
            arguments: its arguments; they and the result are pickled.

        The process is killed when the skill's time is up, which a thread can't be, and when the
        worker ends, however it ends.
        """
        parent, call = child.pack(function, arguments)
        returned: T = await to_process.run_sync(child.run, parent, call, cancellable=True)
        return returned


@dataclass(frozen=True, kw_only=True)
class Context(BaseContext):
    """The message being handled: its text, its sender, and the services a skill may use.

    >>> @skill.command("我是谁")
    ... def who(ctx: Context) -> str:
    ...     return ctx.localize(f"你的工号是 {ctx.staff_id}")
    >>> asyncio.run(ask(skill, "我是誰", staff_id="0001")).content
    '你的工號是 0001'
    """

    text: str = field(repr=False)
    """The text as typed, without the mention and invisible characters."""
    message: Message
    """Everything that DingTalk sent."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """The names behind an @ at the text's edges, which were taken out of it: the bot's, or typed by
    hand. Whoever was really mentioned is in `message.mentions`."""
    kept: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """In a step, what the `Question` kept that this message answers; else empty."""

    @property
    def staff_id(self) -> str:
        """The sender's userid, or "" where DingTalk hides it. A nickname identifies nobody."""
        return self.message.sender_staff_id

    @property
    def mention(self) -> At:
        """The sender, for a reply's `at`.

        Nobody in a single chat, and where DingTalk hides the id or it can't be written.
        """
        return At.if_possible(self.staff_id) if self.message.is_group else NOBODY

    def localize(self, text: str) -> str:
        """Return *text* in the sender's script, simplified or traditional."""
        return self._localizer(text)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[GrowingAnswer]:
        """Write the answer piece by piece; the sender sees it growing where there is a card.

        What was written is the answer, unless the function returns one: then that takes its place.
        """
        yield self.abilities.answer

    async def progress(self, done: float, text: str = "") -> None:
        """Show how far the work is, on the card; without one nothing is shown.

        Args:
            done: from 0 to 1.
            text: a few plain words.

        >>> @skill.command("统计")
        ... async def count(ctx: Context) -> str:
        ...     await ctx.progress(0.4, "查到 3 条")
        ...     return "一共 5 条"
        >>> asyncio.run(ask(skill, "统计")).content
        '一共 5 条'
        """
        await self.abilities.answer.show_progress(done, text)

    @cached_property
    def _localizer(self) -> Callable[[str], str]:
        return localizer(like=self.text)


@dataclass(frozen=True, kw_only=True)
class HookContext(BaseContext):
    """What a hook may use: there is no message, so nothing to answer to.

    >>> @skill.event("chat_disband")
    ... async def note(event: Event, ctx: HookContext) -> None:
    ...     print(ctx.robot_code, len(ctx.idempotency_key))
    >>> print(asyncio.run(fire(skill, Event("chat_disband"), robot_code="dingrobot")))
    dingrobot 64
    answered
    """
