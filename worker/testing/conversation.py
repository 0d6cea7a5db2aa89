"""A test kit for dialogues: several messages to a skill, with what it keeps between them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dingda.shared.dingtalk.message import Message, hash_of, single_chat_key
from dingda.shared.dingtalk.reply import Reply
from dingda.shared.ledger.dialogues import AS_STORED, CLOSED, LATE
from dingda.shared.ledger.states import Outcome
from dingda.shared.runtime.clock import china_now
from dingda.worker.answering.response import Response
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.memory_cache import MemoryCache
from dingda.worker.testing.asking import respond_to
from dingda.worker.testing.pushes import Pushes

ROBOT = "dingrobot"


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    until: datetime


class Conversation:
    """Talks with a skill, which remembers what it asked, as the ledger does.

    Args:
        skill: the one to talk with.
        group: whether it is in a group, rather than in a single chat.
        beside: other skills that are loaded after it.
        now: when it begins; the present in China unless given. Only `wait` lets time pass.
        circumstances: as of `listen`: `transport`, `settings`, `dingtalk`, `cache`,
            `media`, `unmatched`.

    Attributes:
        now: the time, for `ctx.now`, for how long a question is open, and for the cache.
        pushes: what was pushed so far.

    >>> @skill.command("寄到")
    ... def send(city: Place) -> str:
    ...     return f"寄到{city.name}"
    >>> async def talk() -> None:
    ...     chat = Conversation(skill)
    ...     for text in ("寄到", "北京"):
    ...         print((await chat.say(text)).content)
    >>> asyncio.run(talk())
    请告诉我城市。用法：寄到 <城市>
    寄到北京
    """

    def __init__(
        self,
        skill: Skill,
        *,
        group: bool = True,
        beside: tuple[Skill, ...] = (),
        now: datetime | None = None,
        **circumstances: Any,
    ) -> None:
        self.now = now or china_now()
        self.pushes = Pushes()
        self._skills = (skill, *beside)
        self._group = group
        cache = MemoryCache(now_s=self._now_s)
        self._circumstances = {"cache": cache, "pushes": self.pushes, **circumstances}
        self._asked: dict[str, _Asked] = {}
        self._count = 0

    async def say(self, text: str, **sender: Any) -> Reply | None:
        """Send a message, and return what its sender would see; None for silence.

        Args:
            text: what is typed.
            sender: as of `listen`, and `crashes` as well.
        """
        response = await self.listen(text, **sender)
        return response.reply if response else None

    async def listen(
        self,
        text: str,
        *,
        staff_id: str = "0001",
        group: bool | None = None,
        crashes: int = 0,
        **fields: Any,
    ) -> Response | None:
        """Send a message, and return the response with the completion that it would get.

        Args:
            text: what is typed.
            staff_id: the sender's userid; another person has a dialogue of their own.
            group: whether it is sent in the group; unless given, as the conversation is.
            crashes: how many workers die over it, as of `listen`.
            fields: other fields of `shared.dingtalk.message.Message`.
        """
        in_group = self._group if group is None else group
        message = replace(self._message(text, staff_id, group=in_group), **fields)
        key = message.ordering_key
        asked = self._asked.get(key)
        is_late = asked and self.now > asked.until
        response, after = await respond_to(
            message,
            self._skills,
            asked=LATE if is_late else asked.question if asked else AS_STORED,
            now=self.now,
            crashes=crashes,
            **self._circumstances,
        )
        if is_late:
            del self._asked[key]
        if not response or response.completion.outcome is not Outcome.DEAD:
            self._change(key, after)
        return response

    def wait(self, seconds: float) -> None:
        """Let time pass: a question may be answered no longer, what was cached is forgotten."""
        self.now += timedelta(seconds=seconds)

    def _now_s(self) -> float:
        return self.now.timestamp()

    def _change(self, key: str, after: str) -> None:
        if after != AS_STORED:
            self._asked.pop(key, None)
        if after not in (AS_STORED, CLOSED):
            lasts_ms, elsewhere, question = after.split(" ", maxsplit=2)
            until = self.now + timedelta(milliseconds=int(lasts_ms))
            self._asked[elsewhere or key] = _Asked(question, until)

    def _message(self, text: str, staff_id: str, *, group: bool) -> Message:
        self._count += 1
        single = single_chat_key(ROBOT, staff_id)
        return Message(
            id=hash_of(str(self._count)),
            conversation_id="cidTEST==" if group else "cidSINGLE==",
            conversation_title="测试群" if group else "",
            is_group=group,
            sender_staff_id=staff_id,
            sender_nick="张三",
            text=text,
            session_webhook="https://oapi.dingtalk.com/robot/sendBySession?session=test",
            session_expires_ms=None,
            robot_code=ROBOT,
            ordering_key=hash_of("group", staff_id) if group else single,
        )
