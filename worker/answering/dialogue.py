"""Dialogues: what is asked, what is kept for the answer, and how it is written down.

The ledger keeps a dialogue between two messages of a person in a conversation, and gives it to the
next of them (`shared.ledger.dialogues`). `worker.answering.continuing` finds what that message
means in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dingda.shared.dingtalk.message import single_chat_key
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.dialogues import opened
from dingda.shared.texts import ASK_PRIVATELY, CANNOT_ASK
from dingda.worker.answering.response import ANSWERED, Response, as_reply
from dingda.worker.answering.safe_reply import question_back
from dingda.worker.errors import RefusalError
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.question import Question
from dingda.worker.sdk.skill import Skill

EXPIRES_S = 300.0
"""How long a missing argument may be given."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A question that was asked, and how its answer goes on."""

    skill: str
    step: str
    """The name of the function that continues (`Skill.find_step`)."""
    choices: tuple[str, ...] = field(default=(), repr=False)
    keep: Mapping[str, Any] = field(default_factory=dict, repr=False)
    words: str = field(default="", repr=False)
    """The arguments that were typed before; the answer is read behind them."""
    text: str = field(default="", repr=False)
    """All that was typed before, likewise."""
    lacking: str = field(default="", repr=False)
    """The argument that is missing; "" where a skill asked a question of its own."""
    moved: bool = False
    """Whether it was asked in a group, and goes on in the single chat."""

    def to_json(self) -> str:
        """Write it down for the ledger; it is read in this version and in later ones."""
        written = {
            "skill": self.skill,
            "step": self.step,
            "choices": self.choices,
            "keep": self.keep,
            "words": self.words,
            "text": self.text,
            "lacking": self.lacking,
            "moved": self.moved,
        }
        return json.dumps({name: value for name, value in written.items() if value})

    def opened(self, *, expires_s: float = EXPIRES_S, elsewhere: str = "") -> str:
        """What a message's end does that asks it (`shared.ledger.dialogues`)."""
        return opened(self.to_json(), expires_ms=round(expires_s * 1000), elsewhere=elsewhere)

    @classmethod
    def from_json(cls, text: str) -> "Dialogue | None":
        """Read what `to_json` wrote; None if that can't be read."""
        try:
            found = json.loads(text)
            return cls(
                skill=str(found["skill"]),
                step=str(found["step"]),
                choices=tuple(map(str, found.get("choices", ()))),
                keep=dict(found.get("keep", {})),
                words=str(found.get("words", "")),
                text=str(found.get("text", "")),
                lacking=str(found.get("lacking", "")),
                moved=bool(found.get("moved")),
            )
        except (ValueError, TypeError, LookupError, AttributeError):
            return None


def ask(question: Question, skill: Skill, ctx: Context, *, private: bool) -> Response:
    """The response that asks a question, and keeps what it takes to go on.

    Args:
        question: what the skill has returned.
        skill: the skill.
        ctx: of the message that led to it.
        private: whether it goes to the sender alone: then it is answered in the single chat.

    Raises:
        InvalidReplyError: if `then` is no step of the skill.
        RefusalError: if DingTalk does not say who would answer, or where.
    """
    name = getattr(question.then, "__name__", "")
    step = skill.find_step(name)
    if step is None or step.function is not question.then:
        why = f"{name or 'it'} is no step of the skill {skill.name}: write @skill.step above it"
        raise InvalidReplyError("question.then", why)
    elsewhere = single_chat_key(ctx.robot_code, ctx.staff_id) if private else ""
    if private and not elsewhere:
        raise RefusalError(ASK_PRIVATELY)
    if not ctx.message.ordering_key:
        raise RefusalError(CANNOT_ASK)
    asked = Dialogue(skill.name, name, question.choices, question.keep, moved=private)
    return Response(
        as_reply(question_back(ctx, question.text, question.choices)),
        ANSWERED,
        private=private,
        persist=not skill.private,
        dialogue_after=asked.opened(expires_s=question.expires_s, elsewhere=elsewhere),
    )
