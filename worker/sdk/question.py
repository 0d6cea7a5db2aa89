"""A question that a skill asks back, and what it keeps until the answer comes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from dingda.shared.errors import InvalidReplyError

MAX_QUESTION_CHARS = 1_000
MAX_CHOICES = 20
MAX_CHOICE_CHARS = 40
MAX_KEEP_BYTES = 4_000
"""What a dialogue keeps is read with each message of its sender: ids, not what they name."""
MAX_EXPIRES_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the sender, whose next message in this conversation goes to `then`.

    Args:
        text: the question, of at most 1,000 characters.
        choices: answers to tap, at most 20 of 40 characters each; anything else may be typed.
        then: the function that continues: one under `@skill.step`, or a command's of this skill.
        keep: what it finds in `ctx.kept`, as JSON of at most 4,000 bytes. It is kept in Redis.
        expires_s: how long the question may be answered, in seconds; a day at the most.

    Raises:
        InvalidReplyError: if one of these is not so.

    >>> @skill.step
    ... def pick(group: str, ctx: Context) -> str:
    ...     return f"{group} {ctx.kept['day']} 值班"
    >>> @skill.command("值班")
    ... def duty() -> Question:
    ...     groups = ("支付组", "风控组")
    ...     return Question("哪个组？", choices=groups, then=pick, keep={"day": "周五"})
    >>> async def talk() -> None:
    ...     chat = Conversation(skill)
    ...     await chat.say("值班")
    ...     print((await chat.say("支付组")).content)
    >>> asyncio.run(talk())
    支付组 周五 值班
    """

    text: str
    choices: tuple[str, ...] = ()
    _: KW_ONLY
    then: Callable[..., Any]
    keep: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expires_s: float = 300.0

    def __post_init__(self) -> None:
        _check_text("question.text", self.text, MAX_QUESTION_CHARS)
        if isinstance(self.choices, str):
            raise InvalidReplyError("question.choices", "a tuple of texts, not one text")
        if len(self.choices) > MAX_CHOICES:
            raise InvalidReplyError("question.choices", f"at most {MAX_CHOICES} choices")
        for choice in self.choices:
            _check_text("question.choices", choice, MAX_CHOICE_CHARS)
        if not 1 <= self.expires_s <= MAX_EXPIRES_S:
            raise InvalidReplyError("question.expires_s", "between a second and a day")
        object.__setattr__(self, "keep", _kept(self.keep))


def _check_text(name: str, text: Any, most: int) -> None:
    if not isinstance(text, str) or not text.strip() or len(text) > most:
        raise InvalidReplyError(name, f"a text of 1 to {most} characters")


def _kept(keep: Any) -> dict[str, Any]:
    """A copy of what is kept, as it comes back from JSON."""
    if not isinstance(keep, Mapping):
        raise InvalidReplyError("question.keep", "a dict of what the next step needs")
    try:
        text = json.dumps(dict(keep), ensure_ascii=False, allow_nan=False)
        size, kept = len(text.encode()), json.loads(text)
    except (TypeError, ValueError, RecursionError):
        kept = None
    if kept != dict(keep):
        why = "JSON only: str, int, float, bool, None, lists, and dicts whose keys are str"
        raise InvalidReplyError("question.keep", why)
    if size > MAX_KEEP_BYTES:
        raise InvalidReplyError("question.keep", f"{size} bytes; at most {MAX_KEEP_BYTES}")
    return dict(kept)
