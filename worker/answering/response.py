"""The response to a message, before it is encoded."""

from dataclasses import dataclass, field
from typing import cast

from dingda.shared.dingtalk.media import FileMessage
from dingda.shared.dingtalk.reply import Reply, Text, to_body
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.logs import class_name
from dingda.worker.answering.splitting import split

ANSWERED = Completion(Outcome.ANSWERED)
DECLINED = Completion(Outcome.DECLINED)
UNMATCHED = Completion(Outcome.UNMATCHED)


@dataclass(frozen=True, slots=True)
class Response:
    """A reply to the sender, and the message's completion once it is delivered.

    >>> @skill.command("工资条")
    ... def payslip() -> str:
    ...     raise RefusalError("工资还没有发")
    >>> response = asyncio.run(listen(skill, "工资条"))
    >>> response.reply.content, response.completion.outcome is Outcome.DECLINED
    ('工资还没有发', True)
    """

    reply: Reply = field(repr=False)
    completion: Completion
    private: bool = False
    """Whether it goes to the sender alone, though the question was asked in a group."""
    persist: bool = True
    """Whether it may be kept in Redis until it is delivered."""
    dialogue_after: str = field(default=AS_STORED, repr=False)
    """What it does to the dialogue of its sender; see `shared.ledger.dialogues`."""


def check_channel(reply: Reply, *, private: bool) -> None:
    """Check that the channel of a reply can carry it.

    Raises:
        InvalidReplyError: if it is a file, and goes by the session.
    """
    if issubclass(type(reply), FileMessage) and not private:
        raise InvalidReplyError("reply", "a session takes no files: give it to ctx.push")


def as_reply(returned: object) -> Reply:
    """Make a reply of what a skill returned, and check that it can be encoded.

    This runs the skill's own code where that returns a subclass, so it is called where an exception
    still becomes an apology.

    Raises:
        InvalidReplyError: if it is neither a reply nor a string.
        BaseException: whatever a subclass of a reply raises.
    """
    # Not isinstance(), which asks the object itself for its class. A subclass of str may override
    # anything; only its characters are taken.
    reply = Text(str.__str__(returned)) if issubclass(type(returned), str) else returned
    if not issubclass(type(reply), Reply):
        why = f"a skill returns a reply, a string or None, not {class_name(reply)}"
        raise InvalidReplyError("reply", why)
    checked = cast("Reply", reply)
    (beginning,) = split(checked, max_parts=1, cut_off="")
    to_body(beginning)
    return checked
