"""What is said in answer to a message, before anything is made of it that can be sent."""

from dataclasses import dataclass, field
from typing import cast

from dingda.shared.dingtalk.reply import Reply, Text, to_body
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.logs import class_name
from dingda.worker.answering.splitting import split

ANSWERED = Completion(Outcome.ANSWERED)
DECLINED = Completion(Outcome.DECLINED)
UNMATCHED = Completion(Outcome.UNMATCHED)


@dataclass(frozen=True, slots=True)
class Response:
    """What the bot says to the sender, and how the message ends once it is delivered.

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
    """Whether it is for the sender alone, though asked in a group."""
    persist: bool = True
    """Whether it may be kept in Redis until it is delivered; else it is in the chat alone."""


def as_reply(returned: object) -> Reply:
    """Take what a skill returned for a reply, and make sure that it can be encoded.

    It runs code of the skill's where that returns a subclass, so it is called where whatever is
    raised still becomes an apology.

    Raises:
        InvalidReplyError: if it is neither a reply nor a string.
        BaseException: whatever a subclass of a reply raises.
    """
    # Not isinstance(), which asks the object itself for its class. And a subclass of str may do
    # anything in place of what str does; its characters are enough.
    reply = Text(str.__str__(returned)) if issubclass(type(returned), str) else returned
    if not issubclass(type(reply), Reply):
        why = f"a skill returns a reply, a string or None, not {class_name(reply)}"
        raise InvalidReplyError("reply", why)
    made = cast("Reply", reply)
    (beginning,) = split(made, max_parts=1, cut_off="")
    to_body(beginning)
    return made
